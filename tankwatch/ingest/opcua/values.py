"""Values of nodes to rows: status codes to quality, source time or the server's."""

from datetime import UTC, datetime

from asyncua import ua

from tankwatch.core.readings import RejectReason
from tankwatch.core.times import iso, to_ms
from tankwatch.ingest.rows import Rows
from tankwatch.settings_live import OpcuaNode, OpcuaSource

SERVER_TIME = "no source time for some values: the server's time is stored for them"


class ValueReader:
    """Takes the values of a source's nodes apart.

    Attributes:
        server_times: values that were stored with the server's time, for want of a source time.
    """

    def __init__(self, name: str, source: OpcuaSource) -> None:
        self._name = name
        self._source = source
        self.server_times = 0

    def read(self, node: OpcuaNode, data: ua.DataValue, rows: Rows) -> None:
        """Add the value of `node`, or why there is none.

        Of the three qualities, good is stored, bad never, uncertain as the settings say.
        """
        origin = f"opcua {self._name}: {node.node}"
        shown = describe(data)
        status = data.StatusCode or ua.StatusCode(ua.UInt32(ua.StatusCodes.Good))
        if status.is_bad() or (status.is_uncertain() and self._source.uncertain == "quarantine"):
            rows.refuse(origin, RejectReason.BAD_QUALITY, f"{status.name}: {status.doc}", shown)
            return
        moment = data.SourceTimestamp
        if moment is None and self._source.without_source_time == "server":
            moment = data.ServerTimestamp
            self.server_times += moment is not None
        if moment is None:
            detail = "the value has no source time, and opcua.without_source_time refuses others"
            if self._source.without_source_time == "server":
                detail = "the value has neither a source time nor a server time"
            rows.refuse(origin, RejectReason.BAD_TIME, detail, shown)
            return
        value = data.Value.Value if data.Value is not None else None
        if isinstance(value, list | tuple):
            detail = "the node holds a list, and a channel is one number: name a node for each"
            rows.refuse(origin, RejectReason.BAD_NUMBER, detail, shown)
            return
        plain = value if isinstance(value, int | float | bool) or value is None else str(value)
        time_ms = to_ms(_aware(moment))
        rows.add(origin, node.tank, time_ms, node.channel, plain, unit=node.unit, payload=shown)


def describe(data: ua.DataValue) -> str:
    """Return a value as an operator reads it in quarantine."""
    value = data.Value.Value if data.Value is not None else None
    status = data.StatusCode.name if data.StatusCode is not None else "Good"
    times = [
        f"{what} time {iso(_aware(moment))}"
        for what, moment in (("source", data.SourceTimestamp), ("server", data.ServerTimestamp))
        if moment is not None
    ]
    return ", ".join([f"value {value}", status, *times])


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
