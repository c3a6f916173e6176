"""What the page of a tank shows beside its chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from tankwatch.core.incident import Incident
from tankwatch.core.muting import Mute
from tankwatch.core.times import from_ms, human_duration, parse_time, to_ms
from tankwatch.notify.ahead import headline
from tankwatch.notify.wording import SYMPTOM_WORDS, channel_label, unit_label
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.plant import Tank
from tankwatch.web.drawing import Panel, panels
from tankwatch.web.schemas_series import Series
from tankwatch.web.states import State, state_of

_MARGIN = timedelta(hours=1)  # shown on both sides of an incident at least
SPANS = (("6", "6 h"), ("24", "24 h"), ("168", "7 d"), ("720", "30 d"))


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A stretch of time to look at; `hours` is what the chart's script goes by."""

    label: str
    link: str
    hours: str = ""
    pan: str = ""
    zoom: str = ""
    is_shown: bool = False


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """An incident of the tank."""

    number: int
    link: str
    what: str
    channel: str
    state: str
    severity: str
    began: str
    lasted: str
    peak: str
    span: str
    look: str
    outlook: str


@dataclass(frozen=True, slots=True)
class LimitLine:
    """The limits of a channel, and its newest value."""

    channel: str
    low: str
    high: str
    newest: str
    unit: str


@dataclass(frozen=True, slots=True)
class TankView:
    """A tank as its page shows it."""

    site: str
    tank: str
    link: str
    series_link: str
    quality_link: str
    forecast_link: str
    forecast_data: str
    state: State
    since: str
    last_reading: str
    score: str
    worst_channel: str
    open_incident: IncidentLine | None
    muted: str
    incidents: tuple[IncidentLine, ...]
    limits: tuple[LimitLine, ...]
    spans: tuple[SpanLink, ...]
    panels: tuple[Panel, ...]
    shown: str
    series: Series
    time_zone: str


def address(site: str, tank: str) -> str:
    """Return the address of a tank below `/tanks/`; either name may have slashes."""
    return f"{quote(site, safe='')}/{quote(tank, safe='')}"


def view(
    tank: Tank,
    status: Mapping[str, Any],
    series: Series,
    incidents: Sequence[StoredIncident],
    *,
    hours: str,
    mute: Mute | None,
    zone: ZoneInfo,
    now: datetime,
) -> TankView:
    """Return what is shown of a tank at `now`.

    Args:
        tank: which.
        status: its row of `dash_tank_status`.
        series: what is drawn where no script runs.
        incidents: its newest ones.
        hours: the length of the span, as its link has it; empty for another one.
        mute: what keeps mail about it from operators, None if nothing.
        zone: in which times are shown.
        now: what "ago" is counted from.
    """
    place = address(tank.site, tank.name)
    link = f"/tanks/{place}"
    last = _moment(status["last_reading_at"])
    since = _moment(status["since"])
    lines = tuple(_line(one, link, zone, now, last or now) for one in incidents)
    open_ones = [line for line in lines if line.number == status["open_incident_id"]]
    score = status["score"]
    first, until = (from_ms(edge) for edge in (series.from_ms, series.until_ms))
    return TankView(
        site=tank.site,
        tank=tank.name,
        link=link,
        series_link=f"/api/v1/tanks/{place}/series",
        quality_link=f"/quality/{place}",
        forecast_link=f"/forecast/{place}",
        forecast_data=f"/api/v1/tanks/{place}/forecast",
        state=state_of(status["state"], status["severity"]),
        since=_told(since, zone, now),
        last_reading=_told(last, zone, now),
        score="" if score is None else f"{score:.2f}",
        worst_channel=channel_label(status["worst_channel"] or ""),
        open_incident=open_ones[0] if open_ones else None,
        muted=_muted(mute, zone),
        incidents=lines,
        limits=tuple(_limits(series)),
        spans=tuple(_spans(link, series, hours)),
        panels=tuple(panels(series, zone)),
        shown=f"{_shown(first, zone)} to {_shown(until, zone)}",
        series=series,
        time_zone=zone.key,
    )


def _muted(mute: Mute | None, zone: ZoneInfo) -> str:
    if mute is None:
        return ""
    until = f" until {_shown(mute.until, zone)}" if mute.until else ""
    why = f" ({mute.detail})" if mute.detail else ""
    return f"{mute.reason.value.replace('_', ' ')}{until}{why}"


def _line(
    stored: StoredIncident, link: str, zone: ZoneInfo, now: datetime, last_reading: datetime
) -> IncidentLine:
    one: Incident = stored.incident
    end = max(one.ended_at or last_reading, one.started_at)
    margin = max((end - one.started_at) / 2, _MARGIN)
    first, last = to_ms(one.started_at - margin), to_ms(end + margin)
    lasted = human_duration(max(((one.ended_at or now) - one.started_at).total_seconds(), 0))
    return IncidentLine(
        number=stored.incident_id,
        link=f"/incidents/{one.uid}",
        what=SYMPTOM_WORDS[one.symptom],
        channel=channel_label(one.channel),
        state=one.state.value.replace("_", " "),
        severity=one.severity.value,
        began=_shown(one.started_at, zone),
        lasted=lasted if one.ended_at else f"{lasted} so far",
        peak=f"{one.peak_score:.2f}",
        span=f"{first},{last}",
        look=f"{link}?{urlencode({'from': first, 'to': last})}",
        outlook=headline(one.outlook) if one.outlook and one.ended_at is None else "",
    )


def _limits(series: Series) -> list[LimitLine]:
    lines = []
    for one in series.channels:
        known = [value for value in one.mean if value is not None]
        if not known and one.limit_low is None and one.limit_high is None:
            continue
        lines.append(
            LimitLine(
                channel=channel_label(one.channel),
                low=_number(one.limit_low),
                high=_number(one.limit_high),
                newest=_number(known[-1]) if known else "–",
                unit=unit_label(one.unit),
            )
        )
    return lines


def _spans(link: str, series: Series, hours: str) -> list[SpanLink]:
    span = series.until_ms - series.from_ms

    def moved(first: float, last: float) -> str:
        return f"{link}?{urlencode({'from': max(int(first), 0), 'to': int(last)})}"

    found = [
        SpanLink(label, f"{link}?hours={name}", hours=name, is_shown=name == hours)
        for name, label in SPANS
    ]
    if series.first_ms is not None and series.last_ms is not None:
        whole = moved(series.first_ms, series.last_ms + 1)
        found.append(SpanLink("All", whole, hours="all"))
    middle = series.from_ms + span / 2
    return [
        *found,
        SpanLink("Earlier", moved(series.from_ms - span / 2, middle), pan="-0.5"),
        SpanLink("Later", moved(middle, series.until_ms + span / 2), pan="0.5"),
        SpanLink("Closer", moved(middle - span / 4, middle + span / 4), zoom="0.5"),
        SpanLink("Wider", moved(middle - span, middle + span), zoom="2"),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.5g}"


def _moment(told: str | datetime | None) -> datetime | None:
    """Return a time of a view: text on SQLite."""
    return parse_time(told) if isinstance(told, str) else told


def _shown(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _told(moment: datetime | None, zone: ZoneInfo, now: datetime) -> str:
    if moment is None:
        return ""
    ago = human_duration(max((now - moment).total_seconds(), 0))
    return f"{_shown(moment, zone)} ({ago} ago)"
