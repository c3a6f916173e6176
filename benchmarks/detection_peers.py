"""PyOD beside tankwatch: the same rows to learn from and to judge, the same kind of threshold."""

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tankwatch.detectors.base import RECENT_STEPS, Detector
from tankwatch.detectors.view import Floats, Mask, View
from tankwatch.evaluate.result import BacktestResult, DetectorRun, ScoreSeries
from tankwatch.jobs.collect import COLUMNS, episodes_alone
from tankwatch.settings import Settings
from tankwatch.shaping.windows import hold_fill, sliding_windows, window_validity

try:
    from pyod.models.iforest import IForest
    from pyod.models.mcd import MCD
    from pyod.models.ts_od import TimeSeriesOD
except ImportError:
    IForest = MCD = TimeSeriesOD = None

WINDOWED = {"PyOD IForest, windowed": "iforest", "PyOD MCD, windowed": "mcd"}
SERIES = {"PyOD TimeSeriesOD": "series"}
PEERS = WINDOWED | SERIES if IForest is not None else {}
ROLE = "peer"
# Of all the windows of a tank, a fit takes evenly spaced ones, this many at most.
MOST_WINDOWS = 4000
# `TimeSeriesOD` goes through its windows in Python: on long series it takes every fifth.
LONG_SERIES, LONG_STRIDE = 5000, 5

Readings = Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]


class PyodPeer(Detector):
    """A PyOD model for each tank, behind tankwatch's interface, scaling, split and threshold.

    ``iforest`` and ``mcd`` see windows of the last steps, and a step has the score of the window
    that ends in it.  ``series`` is PyOD's own `TimeSeriesOD` as it comes: an isolation forest over
    windows of 50 steps, where a step has the highest score of the windows around it, so it looks
    ahead by up to 49 steps.
    """

    name: ClassVar[str] = "pyod"

    def __init__(
        self, kind: str, settings: Settings, *, step_s: int, window: int = RECENT_STEPS
    ) -> None:
        self.kind = kind
        self.window = window
        self.budget = settings.train.false_alarms_per_tank_month
        self.calibration_share = settings.train.calibration_share
        self.step_s = step_s
        self.on_delay = settings.detect.on_delay_steps
        self.merge_gap = settings.detect.off_delay_steps + settings.detect.merge_gap_steps

    @property
    def context_steps(self) -> int:
        """Return how many steps before a step its score depends on."""
        return self.window - 1

    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        early = slice(0, held_out.start)
        filled, valid = hold_fill(scaled, mask)[:, early], window_validity(mask, self.window)
        self.models_, self.least_ = [], []
        for tank, series in enumerate(filled):
            model = self._model(series.shape[0])
            rows = series if self.kind == "series" else self._rows(series, valid[tank])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(rows.astype(np.float64))
            self.models_.append(model)
            self.least_.append(float(model.decision_scores_.min()))

    def _view(self, scaled: Floats, mask: Mask, places: NDArray[np.int64]) -> View:
        del places
        filled, valid = hold_fill(scaled, mask), window_validity(mask, self.window)
        errors = np.full((*scaled.shape[:2], 1), np.nan, np.float32)
        for tank, model in enumerate(self.models_):
            at = np.flatnonzero(valid[tank]) + self.window - 1
            if not at.size:
                continue
            if self.kind == "series":
                last = at[-1] + 1
                score = model.decision_function(filled[tank, :last].astype(np.float64))[at]
            else:
                windows = sliding_windows(filled[tank][None], self.window)[0][valid[tank]]
                score = model.decision_function(windows.reshape(at.size, -1).astype(np.float64))
            # Above the least of training, since a threshold is fitted to errors above 0.
            errors[tank, at, 0] = score - self.least_[tank]
        unknown = np.full_like(scaled, np.nan)
        return View(errors, np.abs(scaled), unknown, unknown)

    def _model(self, steps: int) -> Any:
        if self.kind == "mcd":
            return MCD(random_state=0)
        forest = IForest(random_state=0)
        stride = LONG_STRIDE if steps > LONG_SERIES else 1
        return TimeSeriesOD(forest, step=stride) if self.kind == "series" else forest

    def _rows(self, series: Floats, valid: NDArray[np.bool_]) -> Floats:
        windows = sliding_windows(series[None], self.window)[0]
        windows = windows[valid[: len(windows)]]
        chosen = np.linspace(0, len(windows) - 1, min(len(windows), MOST_WINDOWS)).astype(int)
        return windows[chosen].reshape(chosen.size, -1)

    def _learned(self) -> dict[str, Any]:
        raise NotImplementedError

    def _relearn(self, learned: dict[str, Any]) -> None:
        raise NotImplementedError


def peer_runs(result: BacktestResult, readings: Readings, settings: Settings) -> list[DetectorRun]:
    """Return the runs of every PyOD peer on the history of a backtest; none without PyOD.

    Args:
        result: of a backtest over the same readings.
        readings: by tank, epoch milliseconds (rows,), rising, and values (rows, channels).
        settings: delays, split and budget.
    """
    if not PEERS:
        print("pyod not installed, left out")
        return []
    step_ms = result.step_s * 1000
    tanks = list(result.tanks)
    train, test = [], []
    for tank in tanks:
        times_ms = result.primary.scores[tank].times_ms
        first_ms = readings[tank][0][0] // step_ms * step_ms
        learned = np.arange(first_ms, times_ms[0], step_ms)
        train.append(_gridded(readings[tank], learned, step_ms))
        test.append(_gridded(readings[tank], times_ms, step_ms))
    learn, judge = _stacked(train), _stacked(test)
    # Judged steps look back into the training, as in production.
    before = [values[-RECENT_STEPS + 1 :] for values in train]
    judge = np.concatenate([np.stack(before), judge], axis=1)
    return [
        _run(name, PyodPeer(kind, settings, step_s=result.step_s).fit(learn), judge, result)
        for name, kind in PEERS.items()
    ]


def _run(
    name: str, peer: PyodPeer, block: NDArray[np.float64], result: BacktestResult
) -> DetectorRun:
    judged = peer.judge(block)
    detect = Settings.model_validate({"detect": result.settings["detect"]}).detect
    scores, rows = {}, []
    for place, tank in enumerate(result.tanks):
        times_ms = result.primary.scores[tank].times_ms
        part = slice(RECENT_STEPS - 1, RECENT_STEPS - 1 + times_ms.size)
        series = ScoreSeries(times_ms, judged.score[place, part], judged.channel[place, part])
        scores[tank] = series
        rows += episodes_alone(
            name,
            tank,
            series,
            detect=detect,
            step_ms=result.step_s * 1000,
            names=result.channels,
        )
    return DetectorRun(name, ROLE, scores, pd.DataFrame(rows, columns=list(COLUMNS)))


def _gridded(
    readings: tuple[NDArray[np.int64], NDArray[np.float64]],
    times_ms: NDArray[np.int64],
    step_ms: int,
) -> NDArray[np.float64]:
    """Return float64 (steps, channels), the last reading of each step, NaN where there is none."""
    observed_ms, values = readings
    block = np.full((times_ms.size, values.shape[1]), np.nan)
    at = (observed_ms - times_ms[0]) // step_ms
    inside = (at >= 0) & (at < times_ms.size)
    block[at[inside]] = values[inside]
    return block


def _stacked(blocks: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return blocks of several lengths as one, the short ones with NaN at their end."""
    steps = max(len(block) for block in blocks)
    return np.stack(
        [np.pad(b, ((0, steps - len(b)), (0, 0)), constant_values=np.nan) for b in blocks]
    )
