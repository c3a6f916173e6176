"""What is usual for the sensors of each tank, from its clean history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.quality.chatter import learn_flip
from tankwatch.quality.noise import learn_noise
from tankwatch.quality.stuck import equal_runs

Norm = NDArray[np.float64]

LEAST_HISTORY = 1200  # steps with a reading from which noise and chatter are learned: most of a day
# One bad tank in the history must not make a rule deaf for it: no tank is granted more than this,
# beside the middle of the fleet.
_MOST_OF_FLEET = {"noisiest": 1.5, "flip": 3.0}


@dataclass(frozen=True, slots=True)
class SensorNorms:
    """What is usual; each norm is float64 (tanks, channels), NaN where nothing is known.

    Noise and to and fro are known from 1,200 readings on, most of a day at one a minute.

    Attributes:
        longest: most steps in a row with one and the same reading.
        scale: usual noise, standard deviation in the channel's unit.
        quietest: least noise in an hour of steps, over `scale`.
        noisiest: most noise in an hour of steps, over `scale`.
        flip: widest to and fro between two levels, in the channel's unit; 0 for none.
    """

    longest: Norm
    scale: Norm
    quietest: Norm
    noisiest: Norm
    flip: Norm

    def of(self, rows: Sequence[int], columns: Sequence[int | None]) -> "SensorNorms":
        """Return the norms of other tanks and channels, NaN for -1 and for None."""
        tanks = np.array(rows, dtype=np.int64)
        return SensorNorms(*(_taken(norm, tanks, columns) for norm in self._norms()))

    def to_json(self) -> dict[str, Any]:
        """Return the norms as plain values."""
        return {
            field.name: [[None if np.isnan(v) else float(v) for v in row] for row in norm]
            for field, norm in zip(fields(self), self._norms(), strict=True)
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "SensorNorms":
        """Return the norms that `to_json` gave; what an older version did not learn is NaN."""
        longest = np.array(stored["longest"], dtype=np.float64)
        unknown = [[None] * longest.shape[-1]] * len(longest)
        norms = [stored.get(field.name, unknown) for field in fields(cls)]
        return cls(*(np.array(norm, dtype=np.float64) for norm in norms))

    def _norms(self) -> list[Norm]:
        return [getattr(self, field.name) for field in fields(self)]


def learn_norms(block: Block) -> SensorNorms:
    """Return what is usual for the sensors of a clean history."""
    learned = [_of_one(_one_tank(block, row)) for row in range(len(block.tanks))]
    shape = (len(block.tanks), len(block.channels))
    norms = {
        field.name: np.array([one[field.name] for one in learned]).reshape(shape)
        for field in fields(SensorNorms)
    }
    for name, most in _MOST_OF_FLEET.items():
        norms[name] = np.minimum(norms[name], most * _middle(norms[name]))
    return SensorNorms(**norms)


def _of_one(block: Block) -> dict[str, Norm]:
    longest = np.where(block.mask.any(axis=1), equal_runs(block).max(axis=1, initial=0), np.nan)
    scale, quietest, noisiest = learn_noise(block)
    flip = learn_flip(block, scale)
    # The most and the least of a few minutes say nothing of an hour, nor those of the night of the
    # day: what would be hidden from the detectors for it is the very fault that they look for.
    enough = block.mask.sum(axis=1) >= LEAST_HISTORY
    scale, quietest, noisiest, flip = (
        np.where(enough, norm, np.nan) for norm in (scale, quietest, noisiest, flip)
    )
    return {
        "longest": longest[0],
        "scale": scale[0],
        "quietest": quietest[0],
        "noisiest": noisiest[0],
        "flip": flip[0],
    }


def _one_tank(block: Block, row: int) -> Block:
    one = slice(row, row + 1)
    return Block(
        block.tanks[one],
        block.channels,
        block.start_ms,
        block.step_s,
        block.values[one],
        block.mask[one],
    )


def _middle(norm: Norm) -> Norm:
    """Return the middle of the fleet for each channel, infinite where it is nothing."""
    columns = [column[np.isfinite(column) & (column > 0)] for column in norm.T]
    return np.array([np.median(column) if column.size else np.inf for column in columns])


def _taken(norm: Norm, tanks: NDArray[np.int64], columns: Sequence[int | None]) -> Norm:
    found = np.full((tanks.size, len(columns)), np.nan)
    for place, column in enumerate(columns):
        if column is not None and norm.size:
            found[:, place] = np.where(tanks >= 0, norm[np.maximum(tanks, 0), column], np.nan)
    return found
