"""What the pages show of data quality: each figure in words, with how bad it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from tankwatch.core.times import from_ms
from tankwatch.store.plant import Tank
from tankwatch.store.status import QUALITY

SPANS = (1, 7, 31, 92)


class Heat(StrEnum):
    """How bad a figure is; the page colours it so, beside the number."""

    NONE = "none"
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    BAD = "bad"


# Least share of each; what is below them all is bad.
LEAST = {Heat.GOOD: 0.99, Heat.FAIR: 0.95, Heat.POOR: 0.8}


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as it is shown."""

    text: str
    heat: Heat


@dataclass(frozen=True, slots=True)
class TankLine:
    """A tank's figures over some days."""

    site: str
    tank: str
    link: str
    days: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class FleetView:
    """Every tank's figures, a page of them."""

    lines: tuple[TankLine, ...]
    tanks: int
    first_day: str
    last_day: str
    days: int
    spans: tuple[int, ...]
    number: int
    numbers: int


@dataclass(frozen=True, slots=True)
class DayLine:
    """A day of a tank: its figures and the number of values."""

    day: str
    readings: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """A day of a channel of a tank."""

    channel: str
    unit: str
    day: str
    readings: int
    low: str
    mean: str
    high: str
    good: Cell


@dataclass(frozen=True, slots=True)
class TankView:
    """A tank's figures day by day."""

    site: str
    tank: str
    link: str
    lines: tuple[DayLine, ...]
    channels: tuple[ChannelLine, ...]
    days: int
    spans: tuple[int, ...]


def fleet(
    rows: Sequence[Mapping[str, Any]],
    newest: Sequence[int],
    *,
    days: int,
    number: int,
    at_once: int,
) -> FleetView:
    """Return a page of every tank's figures, the tanks with the worst figure first."""
    ordered = sorted(rows, key=lambda row: (_worst(row), row["site"], row["tank"]))
    numbers = max(1, math.ceil(len(ordered) / at_once))
    number = min(number, numbers)
    shown = ordered[(number - 1) * at_once : number * at_once]
    return FleetView(
        lines=tuple(
            TankLine(r["site"], r["tank"], link_to(r["site"], r["tank"]), r["days"], _cells(r))
            for r in shown
        ),
        tanks=len(ordered),
        first_day=_day(newest[-1]) if newest else "",
        last_day=_day(newest[0]) if newest else "",
        days=days,
        spans=SPANS,
        number=number,
        numbers=numbers,
    )


def tank(
    found: Tank,
    figures: Sequence[Mapping[str, Any]],
    channels: Sequence[Mapping[str, Any]],
    *,
    units: Mapping[str, str],
    days: int,
) -> TankView:
    """Return a tank's figures and channels day by day, as they come."""
    return TankView(
        site=found.site,
        tank=found.name,
        link=link_to(found.site, found.name),
        lines=tuple(DayLine(r["day"], r["readings"] or 0, _cells(r)) for r in figures),
        channels=tuple(_channel(row, units[row["channel"]]) for row in channels),
        days=days,
        spans=SPANS,
    )


def link_to(site: str, name: str) -> str:
    """Return the address of a tank's page."""
    return f"/quality/{quote(site, safe='')}/{quote(name, safe='')}"


def cell(share: float | None) -> Cell:
    """Return a share from 0 to 1 as a percentage, with how bad it is.

    It is rounded down: 100.0 says that nothing is missing.
    """
    if share is None:
        return Cell("–", Heat.NONE)
    tenths = math.floor(share * 1000 + 1e-6)  # what a sum of floats falls short by
    heat = next((heat for heat, least in LEAST.items() if tenths >= least * 1000), Heat.BAD)
    return Cell(f"{tenths / 10:.1f}", heat)


def _channel(row: Mapping[str, Any], unit: str) -> ChannelLine:
    low, mean, high = (_value(row[name]) for name in ("min", "mean", "max"))
    good = cell(row["quality_share"])
    name, day, readings = row["channel"], row["day"], row["readings"]
    return ChannelLine(name, unit, day, readings, low, mean, high, good)


def _cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    return tuple(cell(row[name]) for name in QUALITY)


def _worst(row: Mapping[str, Any]) -> float:
    # Rounded, as databases add up in their own order.
    return min(round(float(row[name]), 6) for name in QUALITY if row[name] is not None)


def _day(day_ms: int) -> str:
    return from_ms(day_ms).date().isoformat()


def _value(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:#.4g}".rstrip(".") if abs(value) < 1e4 else f"{value:.0f}"
