"""The nodes of a source: monitored from now on, and read back over the time that we were away."""

import math
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from asyncua import Client, ua
from asyncua.common.subscription import Subscription

from tankwatch.errors import SettingsError
from tankwatch.settings_live import OpcuaNode, OpcuaSource

_AT_ONCE = 500
# Servers that tell of each change as it happens may have more to tell than the sampling says.
_LEAST_QUEUE = 200
_STRETCH = timedelta(hours=6)
_NO_SUCH_TRIGGER = {
    ua.StatusCodes.BadMonitoredItemFilterUnsupported,
    ua.StatusCodes.BadMonitoredItemFilterInvalid,
    ua.StatusCodes.BadFilterNotAllowed,
}


def node_ids(name: str, nodes: Sequence[OpcuaNode]) -> list[ua.NodeId]:
    """Return the ids of `nodes`.

    Raises:
        SettingsError: one is not written as a node id.
    """
    found = []
    for node in nodes:
        try:
            found.append(ua.NodeId.from_string(node.node))
        except (ua.UaError, ValueError) as error:
            message = (
                f"sources.opcua.{name}: {node.node!r} is not a node id: "
                "write ns=2;s=TK-101.PT or ns=2;i=1001"
            )
            raise SettingsError(message) from error
    return found


async def monitor(
    subscription: Subscription, ids: Sequence[ua.NodeId], source: OpcuaSource
) -> list[ua.StatusCode | None]:
    """Ask for every change of value, status or time; return why a node cannot be monitored.

    The time counts as a change, since a value that stands still is a reading all the same.
    """
    trigger = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
    refused = await _monitor(subscription, list(enumerate(ids)), source, trigger)
    without = {place: code for place, code in refused.items() if code.value in _NO_SUCH_TRIGGER}
    if without:
        again = [(place, ids[place]) for place in without]
        refused = {p: c for p, c in refused.items() if p not in without}
        refused |= await _monitor(subscription, again, source, None)
    return [refused.get(place) for place in range(len(ids))]


async def _monitor(
    subscription: Subscription,
    numbered: Sequence[tuple[int, ua.NodeId]],
    source: OpcuaSource,
    trigger: ua.DataChangeFilter | None,
) -> dict[int, ua.StatusCode]:
    refused = {}
    for start in range(0, len(numbered), _AT_ONCE):
        part = numbered[start : start + _AT_ONCE]
        asked = [_request(place, node, source, trigger) for place, node in part]
        results = await subscription.create_monitored_items(asked)
        for (place, _), result in zip(part, results, strict=True):
            if isinstance(result, ua.StatusCode):
                refused[place] = result
    return refused


def _request(
    place: int, node: ua.NodeId, source: OpcuaSource, trigger: ua.DataChangeFilter | None
) -> ua.MonitoredItemCreateRequest:
    """Return the request for the node at `place`, which its notifications carry as their handle."""
    between = math.ceil(source.publishing_s / source.sampling_s)
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=ua.UInt32(place),
            SamplingInterval=source.sampling_s * 1000,
            Filter=trigger,
            QueueSize=ua.UInt32(max(_LEAST_QUEUE, 2 * between + 1)),
            DiscardOldest=True,
        ),
    )


async def history(
    client: Client, node: ua.NodeId, *, since: datetime, until: datetime
) -> AsyncIterator[list[ua.DataValue]]:
    """Yield what the server kept of a node, some hours at a time.

    Raises:
        ua.UaError: it keeps none, or does not tell.
    """
    held = client.get_node(node)
    if ua.AccessLevel.HistoryRead not in await held.get_access_level():
        raise ua.UaStatusCodeError(ua.StatusCodes.BadHistoryOperationUnsupported)
    start = since
    while start < until:
        end = min(start + _STRETCH, until)
        yield await held.read_raw_history(start, end, return_bounds=False)
        start = end
