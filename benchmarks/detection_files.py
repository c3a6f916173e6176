"""Backtests over files in this process, PyOD beside: what the farm, SKAB and NAB have in common."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from detection_peers import Readings, peer_runs

from tankwatch.evaluate.labels import epoch_ms
from tankwatch.evaluate.summary import Summary, summarize
from tankwatch.jobs.backtest import BacktestOptions, run_backtest
from tankwatch.jobs.contenders import cheap_baselines
from tankwatch.jobs.replay import Cut, default_tank
from tankwatch.settings import Settings


@dataclass(frozen=True, slots=True)
class Contest:
    """Who takes part.

    Attributes:
        settings: of everything; the defaults.
        detector: judged with the rules beside it, as in production.
        beside: judged alone.
        with_pyod: whether PyOD takes part.
    """

    settings: Settings
    detector: str
    beside: tuple[str, ...]
    with_pyod: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Return every detector of the catalogue that takes part."""
        return tuple(dict.fromkeys((self.detector, *self.beside, *cheap_baselines())))


def judge_files(
    contest: Contest,
    files: Sequence[Path],
    *,
    cut: Cut,
    labels: pd.DataFrame,
    columns: Sequence[str] = (),
    skip: Sequence[str] = (),
) -> Summary:
    """Return the judgement of every contender and of PyOD over files of readings.

    Args:
        contest: who takes part.
        files: of readings.
        cut: where learning ends.
        labels: faults: tank, start, end and perhaps kind.
        columns: channels by column; empty for pressure and temperature.
        skip: columns that reach no model.
    """
    options = BacktestOptions(
        files=tuple(files),
        cut=cut,
        detector=contest.detector,
        beside=contest.beside,
        channels=tuple(columns),
        skip_columns=tuple(skip),
    )
    result = run_backtest(options, contest.settings, labels=labels, say=print)
    if not contest.with_pyod:
        return summarize(result)
    print("pyod", flush=True)
    readings = read(files, columns or list(result.channels))
    runs = (*result.runs, *peer_runs(result, readings, contest.settings))
    return summarize(replace(result, runs=runs))


def read(files: Sequence[Path], columns: Sequence[str]) -> Readings:
    """Return by tank the times of its readings, epoch milliseconds, and values (rows, channels)."""
    frames = []
    for path in files:
        frame = pd.read_csv(path)
        frames.append(frame if "tank" in frame else frame.assign(tank=default_tank(path, files)))
    whole = pd.concat(frames, ignore_index=True)
    whole["at"] = epoch_ms(pd.to_datetime(whole["timestamp"], utc=True))
    return {
        str(tank): (mine["at"].to_numpy(), mine[list(columns)].to_numpy(dtype=float))
        for tank, mine in whole.sort_values("at", kind="stable").groupby("tank")
    }
