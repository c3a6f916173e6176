"""A stored detector version that scores blocks as the store names them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block
from tankwatch.detectors.base import Detector
from tankwatch.detectors.newcomer import NewcomerNorms
from tankwatch.detectors.streaming import StreamingDetector
from tankwatch.detectors.trend import UsualRange
from tankwatch.detectors.view import Judgement
from tankwatch.quality.norms import SensorNorms

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A detector version that scores, and where each of its tanks stands in it."""

    detector: Detector
    model_version_id: int
    tanks: tuple[str, ...]
    channels: tuple[str, ...]
    norms: SensorNorms | None = None
    usual: UsualRange | None = None
    newcomer: NewcomerNorms | None = None

    def norms_of(self, tanks: Sequence[str], channels: Sequence[str]) -> SensorNorms | None:
        """Return what is usual for the sensors of some tanks, None if the version has no norms."""
        if self.norms is None:
            return None
        rows, columns = self._places(tanks, channels)
        return self.norms.of(rows, columns)

    def usual_of(self, tanks: Sequence[str], channels: Sequence[str]) -> UsualRange | None:
        """Return what some tanks usually reach, None if the version has learned no ranges."""
        if self.usual is None:
            return None
        rows, columns = self._places(tanks, channels)
        return self.usual.of(rows, columns)

    def _places(
        self, tanks: Sequence[str], channels: Sequence[str]
    ) -> tuple[list[int], list[int | None]]:
        place = {name: row for row, name in enumerate(self.tanks)}
        known = {name: column for column, name in enumerate(self.channels)}
        rows = [place.get(name, -1) for name in tanks]
        return rows, [known.get(name) for name in channels]

    def judge(self, block: Block) -> Judgement:
        """Return the judgement of a block; the channels are put in the order of the training."""
        columns, rows = self._columns(block), self._rows(block)
        judged = self.detector.judge(
            block.values[:, :, columns], block.mask[:, :, columns], rows=rows
        )
        return _in_columns(judged, columns, len(block.channels))

    def update(
        self, detector: StreamingDetector, block: Block, state: Floats
    ) -> tuple[Judgement, Floats]:
        """Return the judgement of a block that follows what `state` remembers, and the new state.

        Args:
            detector: this scorer's.
            block: the steps that follow.
            state: float64 (tanks, state_size), NaN rows for tanks without a memory.
        """
        columns, rows = self._columns(block), self._rows(block)
        judged, after = detector.update(
            block.values[:, :, columns], block.mask[:, :, columns], state, rows=rows
        )
        return _in_columns(judged, columns, len(block.channels)), after

    def half_width(self, block: Block) -> Floats:
        """Return half the width of the expected band, (tanks, channels) of the block."""
        half = np.full((len(block.tanks), len(block.channels)), np.nan)
        rows = np.array(self._rows(block), dtype=np.int64)
        half[:, self._columns(block)] = self.detector.half_width(rows)
        return half

    def expected_band(self, block: Block) -> tuple[Floats, ...]:
        """Return lower and upper edge of what is expected, of the block's shape."""
        columns = self._columns(block)
        edges = self.detector.expected_band(
            block.values[:, :, columns], block.mask[:, :, columns], rows=self._rows(block)
        )
        full = tuple(np.full(block.values.shape, np.nan) for _ in edges)
        for target, edge in zip(full, edges, strict=True):
            target[:, :, columns] = edge
        return full

    def _columns(self, block: Block) -> list[int]:
        return [block.channels.index(name) for name in self.channels]

    def _rows(self, block: Block) -> list[int]:
        place = {name: row for row, name in enumerate(self.tanks)}
        return [place.get(name, -1) for name in block.tanks]


def _in_columns(judged: Judgement, columns: Sequence[int], channels: int) -> Judgement:
    """Return a judgement whose channels are the block's columns, of which there are `channels`."""
    channel = np.array(columns, dtype=np.int64)[judged.channel]
    if judged.expected is None:
        return replace(judged, channel=channel)
    expected = np.full((*judged.expected.shape[:2], channels), np.nan, np.float32)
    expected[:, :, columns] = judged.expected
    return replace(judged, channel=channel, expected=expected)
