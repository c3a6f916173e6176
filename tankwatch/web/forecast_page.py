"""What the page of a forecast shows."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from tankwatch.core.times import from_ms
from tankwatch.notify.wording import channel_label, quantity, span
from tankwatch.web.drawing import Panel, panels
from tankwatch.web.schemas_forecast import ForecastOut
from tankwatch.web.schemas_series import Series
from tankwatch.web.tank_page import address

_MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step ahead: its time, and for each channel the median and the band."""

    time: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ForecastView:
    """A forecast as its page shows it."""

    site: str
    tank: str
    link: str
    says: tuple[str, ...]
    basis: str
    channels: tuple[str, ...]
    lines: tuple[StepLine, ...]
    panels: tuple[Panel, ...]
    time_zone: str


def view(found: ForecastOut, series: Series | None, *, zone: ZoneInfo) -> ForecastView:
    """Return what is shown of a forecast.

    Args:
        found: the forecast.
        series: what was read before it, and the span that is drawn; None if there is none.
        zone: in which times are shown.
    """
    return ForecastView(
        site=found.site,
        tank=found.tank,
        link=f"/tanks/{address(found.site, found.tank)}",
        says=tuple(limit.says for one in found.channels for limit in one.limits),
        basis=found.basis,
        channels=tuple(channel_label(one.channel) for one in found.channels),
        lines=tuple(_lines(found, zone)),
        panels=tuple(panels(series, zone, found)) if series else (),
        time_zone=zone.key,
    )


def _lines(found: ForecastOut, zone: ZoneInfo) -> list[StepLine]:
    steps = len(found.t)
    chosen = np.unique(np.linspace(0, max(steps - 1, 0), min(steps, _MOST_ROWS)).round())
    return [
        StepLine(
            from_ms(found.t[step]).astimezone(zone).strftime("%Y-%m-%d %H:%M"),
            tuple(
                (
                    quantity(one.median[step], one.unit, one.low[step], one.high[step]),
                    span(one.low[step], one.high[step], one.unit),
                )
                for one in found.channels
            ),
        )
        for step in chosen.astype(int).tolist()
    ]
