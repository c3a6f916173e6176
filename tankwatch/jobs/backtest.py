"""The production path over history, in a scratch store, judged beside the baselines."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from tankwatch import clock
from tankwatch.core.times import from_ms
from tankwatch.errors import UsageError
from tankwatch.evaluate.result import BacktestResult
from tankwatch.ingest.accept import file_options
from tankwatch.jobs.collect import collect
from tankwatch.jobs.contenders import rivals
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.jobs.replay import Cut, Parts, channel_name, take, typical_step_s
from tankwatch.jobs.train import train
from tankwatch.models.child import Progress
from tankwatch.settings import Settings
from tankwatch.store.channels import ensure_channels
from tankwatch.store.engine import Engine, connect, writing
from tankwatch.store.migrate import upgrade

EVER_S = 10**9
STALE_STEPS = 30


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """What history is gone through, and how.

    Attributes:
        files: files of readings.
        cut: where training ends.
        detector: the one that is judged beside the baselines.
        channels: columns that are watched; empty for those of the settings.
        budget: false alarms per tank-month; None for the settings'.
        step_s: length of a step; None takes the usual distance of readings.
        beside: detectors that are judged too, beside every cheap baseline; ``all`` for every one.
        skip_columns: columns that never reach the model, such as labels.
    """

    files: tuple[Path, ...]
    cut: Cut
    detector: str
    channels: tuple[str, ...] = ()
    budget: float | None = None
    step_s: int | None = None
    beside: tuple[str, ...] = ()
    skip_columns: tuple[str, ...] = ()


def run_backtest(
    options: BacktestOptions,
    settings: Settings,
    *,
    labels: pd.DataFrame | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> BacktestResult:
    """Ingest, train and detect over history as the daemon would, and return what came of it.

    Raises:
        UsageError: no reading lies after the training, or a column is not there.
        ModelError, TrainingError: there is too little to train on.
    """
    with scratch_store() as engine:
        declared, units = named_channels(options, settings)
        with writing(engine) as connection:
            ensure_channels(connection, units)
        understood = replace(
            file_options(engine, settings, now=clock.now()),
            channels=tuple(units),
            columns={**settings.ingest.columns, **declared},
            canonical=units,
            skip_columns=(*settings.ingest.skip_columns, *options.skip_columns),
            latest_ms=None,
        )
        step_s = options.step_s or typical_step_s(options.files, understood)
        context = Context(engine, adapt(settings, options, step_s))
        parts = Parts(options.cut, step_s)
        seconds: dict[str, float] = {}
        say("reading the history")
        with timed(seconds, "ingest"):
            taken = take(context, options.files, understood, parts=parts, training=True)
        if not taken.stored:
            message = "no reading lies before the end of training: move --train-until or rows"
            raise UsageError(message)
        with timed(seconds, "train"):
            for name in (context.settings.detect.detector, *context.settings.detect.shadow):
                say(f"training {name}")
                train(context, name, now=clock.now(), on_progress=on_progress)
        say("scoring what came after")
        with timed(seconds, "ingest"):
            take(context, options.files, understood, parts=parts, training=False)
        with timed(seconds, "detect"):
            # Every tank is scored to its own last reading; none is taken for silent after it.
            detect(context, now=from_ms(min(parts.clocks.last_ms.values())))
        count = len(options.files)
        title = f"{options.detector} on {count} {'file' if count == 1 else 'files'}"
        return collect(context, parts.clocks, title=title, labels=labels, seconds=seconds)


@contextmanager
def scratch_store() -> Iterator[Engine]:
    """Open a migrated SQLite database that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tankwatch-backtest-") as folder:
        engine = connect("sqlite:///scratch.db", home=Path(folder))
        try:
            upgrade(engine)
            yield engine
        finally:
            engine.dispose()


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time that a stage takes to `seconds`."""
    began_s = time.monotonic()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - began_s


def adapt(settings: Settings, options: BacktestOptions, step_s: int) -> Settings:
    """Return the settings with the step of the data, and with its rivals beside the detector.

    Whatever the settings say in seconds about silence is kept in steps, so that data of any pace is
    treated as the plant's own.
    """
    shadow = rivals(options.detector, options.beside)
    stale_s = settings.detect.stale_s
    if step_s != settings.grid.step_s:
        stale_s = max(stale_s // settings.grid.step_s, STALE_STEPS) * step_s
    window = settings.model.window
    return settings.model_copy(
        update={
            "grid": settings.grid.model_copy(update={"step_s": step_s}),
            "detect": settings.detect.model_copy(
                update={
                    "detector": options.detector,
                    "shadow": shadow,
                    "page_within_s": EVER_S,
                    "stale_s": stale_s,
                }
            ),
            "keep": settings.keep.model_copy(update={"band_days": 0.0}),
            "limit_ahead": settings.limit_ahead.model_copy(update={"late_s": float(EVER_S)}),
            "train": settings.train.model_copy(
                update={
                    "false_alarms_per_tank_month": options.budget
                    or settings.train.false_alarms_per_tank_month,
                    "min_steps": min(settings.train.min_steps, 3 * window),
                    "history_days": 36_500.0,
                }
            ),
        }
    )


def named_channels(
    options: BacktestOptions, settings: Settings
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the column of each channel that is named by its column, and the unit of each."""
    declared = {name: rules.unit for name, rules in settings.channels.items()}
    if not options.channels:
        return {}, declared
    columns: dict[str, str] = {}
    units: dict[str, str] = {}
    for column in options.channels:
        name = channel_name(column)
        units[name] = declared.get(name, "")
        if name != column:
            columns[name] = column
    return columns, units
