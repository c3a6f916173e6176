"""How well operators are served by alarms: the figures of ISA-18.2 and EEMUA 191.

An alarm is what an operator was told of: one message, of a tank or of a whole site.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

PERIOD: Final = timedelta(minutes=10)
STANDING: Final = timedelta(hours=24)
FLOOD_ABOVE: Final = 10
FLOOD_ENDS_BELOW: Final = 5
CHATTERING_A_DAY: Final = 3
_TOP: Final = 10
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """One alarm that operators were told of.

    Attributes:
        told_at: when its message was queued.
        to: names of the recipients whom it was sent to.
        name: tank or site, and what it does: the same for alarms of the same kind.
        raised_at: when its incident was raised.
        ended_at: when that was over; None while it lasts.
        acknowledged_at: None for not yet.
        verdict: what an operator said of it; empty for nothing.
    """

    told_at: datetime
    to: tuple[str, ...]
    name: str
    raised_at: datetime
    ended_at: datetime | None
    acknowledged_at: datetime | None
    verdict: str


@dataclass(frozen=True, slots=True)
class PositionHealth:
    """What one recipient was told: rates are alarms in ten minutes, shares 0 to 1."""

    name: str
    alarms: int
    mean_rate: float
    peak_rate: int
    share_above_ten: float
    floods: int
    share_in_flood: float


@dataclass(frozen=True, slots=True)
class AlarmHealth:
    """The figures of a month; shares are 0 to 1, None where nothing can be said.

    Attributes:
        positions: what each recipient was told, the most first.
        standing: alarms that lasted over a day.
        most_standing: most of them on one day.
        chattering: kinds of alarms that came three times a day or more.
        top: the most frequent kinds of alarms, with their number.
        top_share: share of those in all alarms.
        acknowledge_median_s: time from the message to the acknowledgement, and its nine tenths.
        not_a_fault_share: of those that operators labelled.
        held: messages that nobody was sent, by reason.
        shelved: how often a tank, or an alarm, was shelved or taken out of service.
    """

    start: datetime
    end: datetime
    alarms: int
    positions: tuple[PositionHealth, ...]
    standing: int
    most_standing: int
    chattering: tuple[str, ...]
    top: tuple[tuple[str, int], ...]
    top_share: float | None
    acknowledged_share: float | None
    acknowledge_median_s: float | None
    acknowledge_ninety_s: float | None
    labelled: int
    not_a_fault_share: float | None
    held: Mapping[str, int]
    shelved: int


def alarm_health(
    alarms: Sequence[AlarmRecord],
    *,
    start: datetime,
    end: datetime,
    held: Mapping[str, int],
    shelved: int,
) -> AlarmHealth:
    """Return the figures of the time from `start` to `end`.

    Args:
        alarms: what was told in that time, and before it what still lasted in it.
        start: beginning, part of it.
        end: end, no part of it; not after the present.
        held: messages that were held in that time, by reason.
        shelved: number of shelves that began in that time.
    """
    mine = [one for one in alarms if start <= one.told_at < end]
    top = Counter(one.name for one in mine).most_common(_TOP)
    waits = sorted(
        (one.acknowledged_at - one.told_at).total_seconds()
        for one in mine
        if one.acknowledged_at is not None
    )
    labelled = [one.verdict for one in mine if one.verdict]
    lasting = [one for one in alarms if (one.ended_at or end) - one.raised_at > STANDING]
    return AlarmHealth(
        start=start,
        end=end,
        alarms=len(mine),
        positions=_positions(mine, start, end),
        standing=len(lasting),
        most_standing=_most_standing(lasting, start, end),
        chattering=_chattering(mine, start),
        top=tuple(top),
        top_share=_share(sum(count for _, count in top), len(mine)),
        acknowledged_share=_share(len(waits), len(mine)),
        acknowledge_median_s=max(median(waits), 0.0) if waits else None,
        acknowledge_ninety_s=max(waits[int(0.9 * (len(waits) - 1))], 0.0) if waits else None,
        labelled=len(labelled),
        not_a_fault_share=_share(labelled.count("not_a_fault"), len(labelled)),
        held=dict(sorted(held.items())),
        shelved=shelved,
    )


def flooded(counts: Sequence[int]) -> list[bool]:
    """Return which ten minutes are part of a flood, from the number of alarms in each.

    A flood begins with more than ten and lasts until fewer than five (ISA-18.2, alarm flood).
    """
    found, is_flood = [], False
    for count in counts:
        is_flood = count >= FLOOD_ENDS_BELOW if is_flood else count > FLOOD_ABOVE
        found.append(is_flood)
    return found


def count_floods(counts: Sequence[int]) -> int:
    """Return how many floods there are in alarms by ten minutes."""
    found = flooded(counts)
    return sum(now and not before for before, now in pairwise([False, *found]))


def _positions(
    alarms: Sequence[AlarmRecord], start: datetime, end: datetime
) -> tuple[PositionHealth, ...]:
    periods = max(-((start - end) // PERIOD), 1)
    found = []
    for name in sorted({to for one in alarms for to in one.to}):
        told = [(one.told_at - start) // PERIOD for one in alarms if name in one.to]
        counts = [0] * periods
        for period in told:
            counts[period] += 1
        above = sum(count > FLOOD_ABOVE for count in counts)
        found.append(
            PositionHealth(
                name=name,
                alarms=len(told),
                mean_rate=len(told) / periods,
                peak_rate=max(counts),
                share_above_ten=above / periods,
                floods=count_floods(counts),
                share_in_flood=sum(flooded(counts)) / periods,
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.alarms, one.name)))


def _most_standing(lasting: Sequence[AlarmRecord], start: datetime, end: datetime) -> int:
    """Return the most alarms that, on one day, had lasted for over a day."""
    days = -((start - end) // _DAY)
    moments = [min(start + (day + 1) * _DAY, end) for day in range(days)]
    return max(
        (
            sum(
                one.raised_at + STANDING < at
                and (one.ended_at is None or one.ended_at >= at - _DAY)
                for one in lasting
            )
            for at in moments
        ),
        default=0,
    )


def _chattering(alarms: Sequence[AlarmRecord], start: datetime) -> tuple[str, ...]:
    often = Counter((one.name, (one.told_at - start) // _DAY) for one in alarms)
    return tuple(sorted({name for (name, _), count in often.items() if count >= CHATTERING_A_DAY}))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
