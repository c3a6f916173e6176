"""Detectors that carry their memory from step to step, so that a pass costs what is new."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.base import Detector, expected_half_width
from tankwatch.detectors.given import checked, grouped
from tankwatch.detectors.silence import RESET_STEPS, silence
from tankwatch.detectors.threshold import fit_peak_threshold
from tankwatch.detectors.view import Floats, Judgement, Mask, View
from tankwatch.shaping.scaling import apply_scaling, fit_scaling
from tankwatch.shaping.windows import split_time

Memory = dict[str, NDArray[np.float64]]

WARM_STEPS = 60
CONTEXT_STEPS = 1500


class StreamingDetector(Detector):
    """Base of the detectors with a memory.

    `update` takes the new steps and the memory of each tank, and returns the judgement and the new
    memory; `judge` is an update from nothing.  A stretch that is taken in parts is judged as in one
    piece.  A tank that has been silent for an hour of steps begins anew, and is judged again once
    it has been watched for `WARM_STEPS`.
    """

    @property
    def context_steps(self) -> int:
        """Return how many steps lead in a tank without a memory."""
        return CONTEXT_STEPS

    @property
    def least_steps(self) -> int:
        """Return how many steps the early and the late part of a history must each hold."""
        return WARM_STEPS + 2

    @abstractmethod
    def _layout(self, channels: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each part of a tank's memory."""

    @abstractmethod
    def _begin(self, memory: Memory, rows: NDArray[np.bool_]) -> None:
        """Make the memory of `rows` that of a tank that was never seen."""

    @abstractmethod
    def _advance(self, held: Floats, mask: Mask, places: NDArray[np.int64], memory: Memory) -> View:
        """Return the view of a stretch without resets, and bring `memory` to its end."""

    def fit(
        self,
        X: NDArray[np.floating[Any]],
        mask: Mask | None = None,
        *,
        groups: Sequence[int] | None = None,
    ) -> Self:
        """Learn normal behaviour and the thresholds; return self.

        Args:
            X: float (tanks, steps, channels), canonical units.
            mask: bool, same shape, true where a value is known.
            groups: site of each tank, as a number; tanks of one site are siblings.  Default: one.

        Raises:
            ShapeError: `X` is not a block, or too short to be split.
            TrainingError: the training of a network failed.
        """
        values, known = checked(X, mask)
        tanks, steps, self.n_channels_ = values.shape
        early, late = split_time(steps, self.calibration_share, window=self.least_steps)
        self.groups_ = grouped(tanks, groups)
        self.scaling_ = fit_scaling(values[:, early], known[:, early])
        scaled = apply_scaling(values, self.scaling_)
        self._learn(scaled, known, late)
        view = self._view_of_history(scaled, known)
        self._calibrate(view, scaled, known, late)
        seen = view.expected[:, late]
        self.band_ = expected_half_width(scaled[:, late], known[:, late], seen)
        return self

    def _calibrate(self, view: View, scaled: Floats, mask: Mask, held_out: slice) -> None:
        """Set the thresholds by the late part of a history, `view` being that of all of it."""
        del scaled, mask
        unseen = view.errors[:, held_out]
        self.threshold_ = fit_peak_threshold(unseen, self._budget())
        self._look_back_on(unseen)

    def update(
        self,
        X: NDArray[np.floating[Any]],
        mask: Mask | None = None,
        state: NDArray[np.float64] | None = None,
        *,
        rows: Sequence[int] | None = None,
    ) -> tuple[Judgement, NDArray[np.float64]]:
        """Return the judgement of new steps, and the memory after them.

        Args:
            X: float (tanks, steps, channels), the steps that follow those before, canonical units.
            mask: bool, same shape.
            state: float64 (tanks, state_size), what the last update returned for these tanks; NaN
                rows, or None for all, begin from nothing.
            rows: position of each tank among the tanks of `fit`, -1 for one that was not there.
        """
        values, known, places = self._prepared(X, mask, rows)
        memory = self._unpacked(state, values.shape[0])
        view = self._walk(apply_scaling(values, self._scaling(places)), known, places, memory)
        return self._judgement(view, places), self._packed(memory)

    @property
    def state_size(self) -> int:
        """Return the numbers in the memory of a tank."""
        return sum(int(np.prod(shape)) for shape in self._shapes().values())

    def _view(self, scaled: Floats, mask: Mask, places: NDArray[np.int64]) -> View:
        return self._walk(scaled, mask, places, self._unpacked(None, scaled.shape[0]))

    def _walk(self, scaled: Floats, mask: Mask, places: NDArray[np.int64], memory: Memory) -> View:
        """Return the view of a stretch, tanks beginning anew where they were silent for long."""
        known = np.asarray(mask.any(axis=2))
        silent = silence(known, memory["silent"][:, 0])
        resets = np.asarray(silent == RESET_STEPS)
        borders = sorted({0, *np.flatnonzero(resets.any(axis=0)).tolist(), scaled.shape[1]})
        views = []
        for first, last in pairwise(borders):
            self._forget(memory, resets[:, first])
            part = slice(first, last)
            held = _held(scaled[:, part], mask[:, part], memory["last"])
            view = self._advance(held, mask[:, part], places, memory)
            age = memory["seen"] + np.cumsum(known[:, part], axis=1)
            judged = known[:, part] & (age > WARM_STEPS)
            errors = np.where(judged[..., None], view.errors, np.nan).astype(np.float32)
            views.append(replace(view, errors=errors))
            memory["seen"] = age[:, -1:].astype(np.float64)
            never = np.isnan(memory["last"]) & ~mask[:, part].any(axis=1)
            memory["last"] = np.where(never, np.nan, held[:, -1])
        memory["silent"] = silent[:, -1:].astype(np.float64)
        return _joined(views)

    def _view_of_history(self, scaled: Floats, mask: Mask) -> View:
        """Return the view of a history, each of its stretches seen from nothing."""
        places = np.arange(len(scaled))
        borders = pairwise((0, *self.seams, scaled.shape[1]))
        parts = [slice(first, last) for first, last in borders]
        views = [self._view(scaled[:, part], mask[:, part], places) for part in parts]
        return views[0] if len(views) == 1 else _joined(views)

    def _settled(self, mask: Mask) -> Mask:
        """Return `mask` without the steps after a seam that are not judged either."""
        if not self.seams:
            return mask
        settled = mask.copy()
        for seam in self.seams:
            settled[:, seam : seam + WARM_STEPS] = False
        return settled

    def _forget(self, memory: Memory, rows: NDArray[np.bool_]) -> None:
        if rows.any():
            memory["seen"][rows] = 0.0
            self._begin(memory, rows)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        base = {"seen": (1,), "silent": (1,), "last": (self.n_channels_,)}
        return base | self._layout(self.n_channels_)

    def _unpacked(self, state: NDArray[np.float64] | None, tanks: int) -> Memory:
        memory: Memory = {name: np.zeros((tanks, *shape)) for name, shape in self._shapes().items()}
        memory["last"][:] = np.nan
        self._begin(memory, np.ones(tanks, dtype=bool))
        if state is not None:
            there = ~np.isnan(state[:, 0])
            begin = 0
            for name, shape in self._shapes().items():
                size = int(np.prod(shape))
                part = state[there, begin : begin + size]
                memory[name][there] = part.reshape(-1, *shape)
                begin += size
        return memory

    def _packed(self, memory: Memory) -> NDArray[np.float64]:
        return np.concatenate(
            [memory[name].reshape(len(memory[name]), -1) for name in self._shapes()], axis=1
        )


def _held(values: Floats, mask: Mask, last: NDArray[np.float64]) -> Floats:
    """Return values with the last known one where nothing is known, 0 before the first."""
    index = np.where(mask, np.arange(values.shape[1])[None, :, None], -1)
    newest = np.maximum.accumulate(index, axis=1)
    taken = np.take_along_axis(values, np.maximum(newest, 0), axis=1)
    before = np.nan_to_num(last, nan=0.0)[:, None, :]
    return np.where(newest >= 0, taken, before).astype(np.float32)


def _joined(views: Sequence[View]) -> View:
    return replace(
        views[0],
        errors=np.concatenate([view.errors for view in views], axis=1),
        contribution=np.concatenate([view.contribution for view in views], axis=1),
        residual=np.concatenate([view.residual for view in views], axis=1),
        expected=np.concatenate([view.expected for view in views], axis=1),
    )
