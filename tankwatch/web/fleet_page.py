"""What the first page shows: a tile a tank, the worst first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import numpy as np

from tankwatch.core.rollup import HOUR_MS
from tankwatch.core.times import human_duration, parse_time, to_ms
from tankwatch.store.score_hours import ScoreHours
from tankwatch.web.drawing import sparkline
from tankwatch.web.states import State, badness, state_of
from tankwatch.web.tank_page import address

HOURS = 24
AT_ONCE, WORST = 300, 60
WIDTH, HEIGHT, TOP = 96, 24, 2.0  # the threshold is in the middle of a sparkline
_RECENT, _BEFORE = 2, 8
_RISES, _FALLS, _LEAST = 1.25, 0.8, 0.2
_SILENT = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Tile:
    """A tank as its tile shows it."""

    tank_id: int
    tank: str
    site: str
    link: str
    state: State
    score: str
    trend: str
    arrow: str
    spark: str
    silent: str


@dataclass(frozen=True, slots=True)
class SiteLine:
    """A site: how many tanks it has in which state."""

    site: str
    link: str
    tanks: int
    states: tuple[tuple[State, int], ...]


@dataclass(frozen=True, slots=True)
class FleetView:
    """The fleet, or a part of it.

    Attributes:
        sites: each site; the one with the worst tank first.
        chosen: the site that is looked at, empty for all.
        counts: tanks of each state, of what is looked at.
        tiles: tanks, the worst first.
        is_part: whether the tiles are the worst of many.
        number, numbers: which page of how many.
        previous, following: links to pages beside it, empty for none.
        link: address of this page.
    """

    sites: tuple[SiteLine, ...]
    chosen: str
    tanks: int
    counts: tuple[tuple[State, int], ...]
    tiles: tuple[Tile, ...]
    is_part: bool
    number: int
    numbers: int
    previous: str
    following: str
    link: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows that a page shows, before anything is looked up about them."""

    rows: tuple[Mapping[str, Any], ...]
    everything: tuple[Mapping[str, Any], ...]
    is_part: bool
    number: int
    numbers: int

    @property
    def tank_ids(self) -> list[int]:
        """Return the ids of the tanks that are shown."""
        return [int(row["tank_id"]) for row in self.rows]

    @property
    def until_ms(self) -> int:
        """Return the end of the hour of the newest reading among them; 0 without any."""
        moments = [_moment(row["last_reading_at"]) for row in self.rows]
        newest = max((to_ms(moment) for moment in moments if moment), default=0)
        return newest // HOUR_MS * HOUR_MS + HOUR_MS if newest else 0


def choose(rows: Sequence[Mapping[str, Any]], *, site: str, number: int) -> Chosen:
    """Return the rows of a page: all of a small fleet, else the worst, or a page of a site."""
    ranked = sorted(rows, key=_badness)
    mine = [row for row in ranked if not site or row["site"] == site]
    if not site and len(mine) > AT_ONCE:
        return Chosen(tuple(mine[:WORST]), tuple(ranked), is_part=True, number=1, numbers=1)
    numbers = max(-(-len(mine) // AT_ONCE), 1)
    number = min(number, numbers)
    shown = mine[(number - 1) * AT_ONCE : number * AT_ONCE]
    return Chosen(tuple(shown), tuple(ranked), is_part=False, number=number, numbers=numbers)


def view(chosen: Chosen, hours: ScoreHours, *, site: str, now: datetime) -> FleetView:
    """Return what is shown of the fleet at `now`.

    Args:
        chosen: the rows of this page.
        hours: highest scores of the last `HOURS` of its tanks.
        site: the site that is looked at, empty for all.
        now: what silence is counted from.
    """
    table = _table(chosen, hours)
    looked_at = [row for row in chosen.everything if not site or row["site"] == site]
    counted = Counter(str(row["state"]) for row in looked_at)

    def beside(number: int) -> str:
        if not 1 <= number <= chosen.numbers:
            return ""
        return f"/?{urlencode({**({'site': site} if site else {}), 'page': number})}"

    return FleetView(
        sites=tuple(_sites(chosen.everything)),
        chosen=site,
        tanks=len(looked_at),
        counts=_counts(counted),
        tiles=tuple(_tile(row, table[place], now) for place, row in enumerate(chosen.rows)),
        is_part=chosen.is_part,
        number=chosen.number,
        numbers=chosen.numbers,
        previous=beside(chosen.number - 1),
        following=beside(chosen.number + 1),
        link=f"/?{urlencode({'site': site, 'page': chosen.number})}",
    )


def _badness(row: Mapping[str, Any]) -> tuple[int, float, str, str]:
    return (badness(row["state"]), -(row["score"] or 0.0), row["site"], row["tank"])


def _counts(counted: Mapping[str, int]) -> tuple[tuple[State, int], ...]:
    return tuple((state_of(name), counted[name]) for name in sorted(counted, key=badness))


def _sites(rows: Sequence[Mapping[str, Any]]) -> list[SiteLine]:
    """Return the sites by their worst tank; the rows come the worst first."""
    counted: dict[str, Counter[str]] = {}
    for row in rows:
        counted.setdefault(row["site"], Counter())[row["state"]] += 1
    return [
        SiteLine(site, f"/?{urlencode({'site': site})}", states.total(), _counts(states))
        for site, states in counted.items()
    ]


def _table(chosen: Chosen, hours: ScoreHours) -> list[list[float | None]]:
    """Return the score of each of the last hours of each tank, None where there is none."""
    rows = {tank: place for place, tank in enumerate(chosen.tank_ids)}
    values = np.full((len(rows), HOURS), np.nan)
    first = chosen.until_ms - HOURS * HOUR_MS
    place = np.array([rows[tank] for tank in hours.tank_id.tolist()], dtype=np.int64)
    values[place, (hours.starts_ms - first) // HOUR_MS] = hours.high
    return [[None if value != value else value for value in row] for row in values.tolist()]  # noqa: PLR0124


def _tile(row: Mapping[str, Any], hours: list[float | None], now: datetime) -> Tile:
    state = state_of(row["state"], row["severity"])
    trend, arrow = _trend(hours)
    last = _moment(row["last_reading_at"])
    silent = now - last if last else None
    return Tile(
        tank_id=int(row["tank_id"]),
        tank=row["tank"],
        site=row["site"],
        link=f"/tanks/{address(row['site'], row['tank'])}",
        state=state,
        score="–" if row["score"] is None else f"{row['score']:.2f}",
        trend=trend,
        arrow=arrow,
        spark=sparkline(hours, width=WIDTH, height=HEIGHT, top=TOP),
        silent=human_duration(silent.total_seconds())
        if silent is not None and silent > _SILENT
        else "",
    )


def _trend(hours: list[float | None]) -> tuple[str, str]:
    """Return in a word and a sign how the last two hours' scores compare with the eight before."""
    recent = [value for value in hours[-_RECENT:] if value is not None]
    before = [value for value in hours[-_BEFORE - _RECENT : -_RECENT] if value is not None]
    if not recent or not before:
        return "", ""
    new, old = sum(recent) / len(recent), sum(before) / len(before)
    if new > max(old * _RISES, _LEAST):
        return "rising", "↗"
    if new < old * _FALLS and old > _LEAST:
        return "falling", "↘"
    return "steady", "→"


def _moment(told: str | datetime | None) -> datetime | None:
    """Return a time of a view: text on SQLite."""
    return parse_time(told) if isinstance(told, str) else told
