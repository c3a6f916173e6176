"""What the steps of a stretch say there should be, beside the incidents that are stored.

A stretch that is scored again may begin, end or lose an incident that is known already.  Which
found one is which known one is decided here, from plain values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tankwatch.core.episodes import Change, TankEvent

_SILENCE = "stale"
FOR_EVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Found:
    """An incident that the steps of a stretch show.

    Attributes:
        raised: the event that raised it, None if it was under way when the stretch began.
        joins: sources that joined it.
        returned: the event that ended it, None while it lasts.
        peak: its largest score so far.
    """

    raised: TankEvent | None
    joins: tuple[TankEvent, ...] = ()
    returned: TankEvent | None = None
    peak: float = 0.0

    def is_under_way(self, at_ms: int) -> bool:
        """Return whether it had been raised and had not returned at a moment."""
        has_begun = self.raised is None or self.raised.at_ms <= at_ms
        return has_begun and (self.returned is None or self.returned.at_ms > at_ms)


@dataclass(frozen=True, slots=True)
class Known:
    """An incident that is stored, times in epoch milliseconds."""

    incident_id: int
    source: str
    start_ms: int
    end_ms: int | None


def found_in(events: Sequence[TankEvent], *, is_carried: bool, peak: float) -> list[Found]:
    """Return the incidents that the events of a stretch tell of, in order.

    Args:
        events: what the fold over the stretch returned.
        is_carried: whether an incident was under way when the stretch began.
        peak: largest score so far of the one that is under way when it ends.
    """
    found = [Found(None)] if is_carried else []
    for event in events:
        if event.change is Change.RAISE:
            found.append(Found(event))
        elif event.change is Change.JOIN:
            found[-1] = replace(found[-1], joins=(*found[-1].joins, event))
        else:
            found[-1] = replace(found[-1], returned=event, peak=event.peak)
    if found and found[-1].returned is None:
        found[-1] = replace(found[-1], peak=peak)
    return found


def pair(
    found: Sequence[Found], known: Sequence[Known], carried_id: int | None
) -> tuple[list[int | None], list[int]]:
    """Return for each found incident the id of the known one that it is, and the ids left over.

    The one that was under way is known by its id.  Another is the known one with the same source
    and start, else the first that it overlaps; a silence is never the same as something that was
    seen, since readings that come late end the one and show the other.
    """
    free = {one.incident_id: one for one in known if one.incident_id != carried_id}
    which: list[int | None] = [carried_id if one.raised is None else None for one in found]
    for is_same in (_is_exactly, _overlaps):
        for index, one in enumerate(found):
            if one.raised is None or which[index] is not None:
                continue
            which[index] = _first(one, free, is_same)
            free.pop(which[index] or 0, None)
    return which, sorted(free)


def _first(
    one: Found, free: Mapping[int, Known], is_same: Callable[[Found, Known], bool]
) -> int | None:
    for key, known in sorted(free.items(), key=lambda item: (item[1].start_ms, item[0])):
        if is_same(one, known):
            return key
    return None


def _is_exactly(one: Found, known: Known) -> bool:
    return one.raised is not None and (one.raised.source, one.raised.start_ms) == (
        known.source,
        known.start_ms,
    )


def _overlaps(one: Found, known: Known) -> bool:
    if one.raised is None:
        return False
    if one.raised.source != known.source and _SILENCE in {one.raised.source, known.source}:
        return False
    end_ms = FOR_EVER_MS if one.returned is None else one.returned.end_ms
    known_end_ms = FOR_EVER_MS if known.end_ms is None else known.end_ms
    return one.raised.start_ms <= known_end_ms and known.start_ms <= end_ms
