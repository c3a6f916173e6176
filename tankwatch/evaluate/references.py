"""Two detectors that look at no reading: any figure is to be read beside theirs."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tankwatch.core.times import from_ms, to_ms
from tankwatch.evaluate.events import raised_within
from tankwatch.evaluate.result import BacktestResult, DetectorRun, ScoreSeries

REFERENCE = "reference"
ALWAYS, RANDOM = "always alarm", "random"
_COLUMNS = ("tank", "start", "raised", "end", "peak_score", "channel", "symptom")


def always_alarm(result: BacktestResult) -> DetectorRun:
    """Return a detector that flags every step: one incident a tank, from the first to the last."""
    scores = {
        tank: _unexplained(series, np.full(series.score.size, 2.0, dtype=np.float32))
        for tank, series in result.primary.scores.items()
    }
    rows = [(tank, first, first, last, 2.0, "", "") for tank, (first, last) in result.spans.items()]
    return DetectorRun(ALWAYS, REFERENCE, scores, pd.DataFrame(rows, columns=list(_COLUMNS)))


def random_alarm(result: BacktestResult, *, seed: int) -> DetectorRun:
    """Return a detector that flags as large a share as the production path, and as often, by lot.

    Its scores are drawn for every step, its incidents at any moment of the time that is judged;
    there are as many as the production path raised.
    """
    lot = np.random.default_rng(seed)
    known = [series.score[~np.isnan(series.score)] for series in result.primary.scores.values()]
    pooled = np.concatenate([np.empty(0, dtype=np.float32), *known])
    share = float((pooled >= 1.0).mean()) if pooled.size else 0.0
    scores = {}
    for tank, series in result.primary.scores.items():
        drawn = lot.random(series.score.size)
        # A step is flagged at 1.0, which is to be reached by `share` of the steps.
        score = 1.0 + drawn if share == 1.0 else drawn / (1.0 - share)
        scores[tank] = _unexplained(series, score.astype(np.float32))
    tanks = sorted(result.spans)
    count = sum(raised_within(result.primary.incidents, t, result.spans)[0].size for t in tanks)
    length_ms = np.array([to_ms(result.spans[t][1]) - to_ms(result.spans[t][0]) for t in tanks])
    # One drawn moment of the spans laid end to end is a tank and a moment of its span.
    moments = np.sort(lot.integers(0, max(int(length_ms.sum()), 1), size=count))
    ends = np.cumsum(length_ms)
    rows = []
    for moment in moments.tolist():
        place = int(np.searchsorted(ends, moment, side="right"))
        offset = moment - int(ends[place] - length_ms[place])
        raised = from_ms(to_ms(result.spans[tanks[place]][0]) + offset)
        rows.append((tanks[place], raised, raised, raised, 1.0, "", ""))
    return DetectorRun(RANDOM, REFERENCE, scores, pd.DataFrame(rows, columns=list(_COLUMNS)))


def _unexplained(series: ScoreSeries, score: NDArray[np.float32]) -> ScoreSeries:
    return replace(series, score=score, channel=np.full(score.size, -1, dtype=np.int64))
