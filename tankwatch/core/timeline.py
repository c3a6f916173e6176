"""Which time each step of a block is, where the block is put together of several stretches."""

from dataclasses import dataclass
from datetime import timedelta

from tankwatch.core.block import Grid
from tankwatch.core.times import from_ms


@dataclass(frozen=True, slots=True)
class Timeline:
    """Stretches of time that stand one after the other in a block, with holes between them.

    The block's own clock (`start_ms` and on) is right for the last stretch only, which is the
    newest; the time of a step of an earlier one is told by `span_ms`.

    Attributes:
        grids: the stretches as they stand in the block, the newest last, the others in any order.
        hole: steps between two of them, of which nothing is known.
    """

    grids: tuple[Grid, ...]
    hole: int = 0

    @property
    def newest(self) -> Grid:
        """Return the stretch that the block ends with."""
        return self.grids[-1]

    @property
    def steps(self) -> int:
        """Return the steps of the block, holes included."""
        return sum(grid.steps for grid in self.grids) + self.hole * (len(self.grids) - 1)

    @property
    def start_ms(self) -> int:
        """Return where the block's clock begins so that it is right for the newest stretch."""
        return self.newest.end_ms - self.steps * self.newest.step_s * 1000

    @property
    def first_ms(self) -> int:
        """Return the earliest moment of any stretch."""
        return min(grid.start_ms for grid in self.grids)

    @property
    def places(self) -> tuple[slice, ...]:
        """Return the steps of the block that each stretch takes."""
        found = []
        begin = 0
        for grid in self.grids:
            found.append(slice(begin, begin + grid.steps))
            begin += grid.steps + self.hole
        return tuple(found)

    @property
    def seams(self) -> tuple[int, ...]:
        """Return the steps of the block at which another stretch begins."""
        return tuple(place.start for place in self.places[1:])

    def span_ms(self, first: int, last: int) -> tuple[int, int]:
        """Return when the steps from `first` up to but without `last` begin and end.

        They lie within one stretch; what reaches into the hole after it is cut there.
        """
        index = sum(first >= seam for seam in self.seams)
        grid, place = self.grids[index], self.places[index]
        inside = (min(step - place.start, grid.steps) for step in (first, last))
        begin, end = (grid.start_ms + step * grid.step_s * 1000 for step in inside)
        return begin, end

    def windows(self, length: int, *, until: int) -> int:
        """Return how many windows of `length` steps lie within a stretch, before step `until`."""
        ends = (min(place.stop, until) - place.start for place in self.places)
        return sum(max(steps - length + 1, 0) for steps in ends)

    def to_json(self) -> list[dict[str, str]]:
        """Return start and end of each stretch in ISO 8601, the earliest first."""
        ordered = sorted(self.grids, key=lambda grid: grid.start_ms)
        return [
            {"from": from_ms(g.start_ms).isoformat(), "until": from_ms(g.end_ms).isoformat()}
            for g in ordered
        ]


def days_of(grid: Grid) -> float:
    """Return the length of a stretch in days."""
    return timedelta(seconds=grid.steps * grid.step_s) / timedelta(days=1)
