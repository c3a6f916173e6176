"""What a backtest found, before it is judged and written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tankwatch.core.block import Block

Role = str


@dataclass(frozen=True, slots=True)
class ScoreSeries:
    """Scores of one tank.

    Attributes:
        times_ms: int64 (steps,), beginning of each step after training, every step.
        score: float32 (steps,), 1.0 is the threshold, NaN where nothing could be judged.
        channel: int64 (steps,), channel that contributed most, -1 where nothing was judged.
    """

    times_ms: NDArray[np.int64]
    score: NDArray[np.float32]
    channel: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DetectorRun:
    """What one detector said of the history.

    Attributes:
        name: as shown.
        role: ``tankwatch`` for the production path, ``detector`` or ``baseline`` otherwise.
        scores: by tank.
        incidents: a row each: tank, start, raised, end (aware times), peak_score, channel, symptom.
    """

    name: str
    role: Role
    scores: Mapping[str, ScoreSeries]
    incidents: pd.DataFrame


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What a backtest found.

    Attributes:
        title: what was run.
        tanks: tanks that are judged.
        channels: channels that were watched.
        units: unit of each channel.
        step_s: length of a step in seconds.
        spans: by tank, the time that is judged: after training, up to the last reading.
        budget: allowed false alarms per tank-month.
        labels: faults: tank, start, end (aware times) and perhaps kind; None if not known.
        runs: the production path first, then each detector by itself.
        blocks: by tank, the readings of its span, for plots.
        settings: what was set, for the record.
        seconds: how long each stage took.
        site_incidents: incidents of a whole site that the production path would have mailed.
        grouped_incidents: incidents of tanks that belong to them and would not have been mailed.
    """

    title: str
    tanks: tuple[str, ...]
    channels: tuple[str, ...]
    units: tuple[str, ...]
    step_s: int
    spans: Mapping[str, tuple[datetime, datetime]]
    budget: float
    labels: pd.DataFrame | None
    runs: tuple[DetectorRun, ...]
    blocks: Mapping[str, Block]
    settings: Mapping[str, Any]
    seconds: Mapping[str, float]
    site_incidents: int = 0
    grouped_incidents: int = 0

    @property
    def primary(self) -> DetectorRun:
        """Return the production path."""
        return self.runs[0]
