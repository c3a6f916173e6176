"""demo: from an empty directory to alarm mails, on sample data, along the production path."""

import shutil
import subprocess
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

import tankwatch
from tankwatch import clock
from tankwatch.cli import demo_page
from tankwatch.cli.common import (
    OUTPUT,
    Choice,
    JsonFlag,
    open_engine,
    opened,
    print_json,
    print_table,
    settings,
)
from tankwatch.cli.models import train_shown
from tankwatch.core.times import iso, parse_time
from tankwatch.errors import UsageError
from tankwatch.ingest.accept import accept_file, file_options, intake_of
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect
from tankwatch.jobs.watch import watch
from tankwatch.store.engine import reading, writing
from tankwatch.store.incidents import load_incidents
from tankwatch.store.migrate import upgrade

MARK = ".tankwatch-demo"
HOUR = timedelta(hours=1)
SETTINGS = """\
# The demo's settings: everything else is at its default.  `tankwatch init` writes a file with every
# setting explained.
[plant]
site = "north"

[ingest]
settle_s = 0.0

[channels.pressure]
low = -1.5    # kPa gauge, vacuum that the roof must not see
high = 3.5

[model]
epochs = 10          # enough for eight tanks, and the demo stays under two minutes
max_windows = 3000

[mail]
sender = "tankwatch@demo.invalid"
recipients = ["control-room@demo.invalid"]

[log]
level = "warning"
"""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(demo)


def demo(
    directory: Annotated[
        Path, typer.Option("--dir", help="Empty directory, or one of an earlier demo.")
    ] = Path("demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Show the page meanwhile, and until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the page.", min=1, max=65_535)] = 8321,
    json: JsonFlag = False,
) -> None:
    """Watch a small farm for two days: ingest, train, detect, and mails you can open."""
    if serve and json:
        message = "--serve shows a page until Ctrl-C, and --json prints the end: say one of the two"
        raise UsageError(message)
    folder = prepare(directory, demo_page.settings_of_page(port) if serve else "")
    Choice.path = folder / "tankwatch.toml"
    sample = sample_folder()
    if serve:
        sample = demo_page.move_sample(sample, folder, now=clock.now())
    loaded = settings()
    engine = open_engine(loaded)
    upgrade(engine)
    engine.dispose()
    with opened(loaded) as context, ExitStack() as stack:
        server = _serve(context, stack, port) if serve else None
        _learn(context, sample, folder, is_quiet=json)
        if not json:
            OUTPUT.print(
                "3. two days with faults, replayed hour by hour: drop folder, detect, deliver"
            )
        try:
            replay(context, sample / "live.csv.gz", folder / loaded.ingest.folder)
            report(context, sample / "labels.csv", folder, json=json)
        except KeyboardInterrupt:
            OUTPUT.print("stopped before the two days were over")
            raise typer.Exit(1) from None
        if server is not None:
            demo_page.stay(server, loaded.serve.base_url)


def _learn(context: Context, sample: Path, folder: Path, *, is_quiet: bool) -> None:
    """Store the quiet days, and train on them."""

    def tell(line: str) -> None:
        if not is_quiet:
            OUTPUT.print(line)

    tell(f"1. an empty database in {folder}, and eight tanks' readings of ten quiet days")
    history = sample / "history.csv.gz"
    now = _last_time(history)
    options = file_options(context.engine, context.settings, now=now)
    intake = intake_of(context.engine, context.settings)
    stored = accept_file(intake, history, options, now=now)
    tell(f"   {stored.stored:,} readings stored")
    tell("2. training on them (about half a minute)")
    result = train_shown(context, context.settings.detect.detector)
    tell(f"   version {result.model_version_id}: {result.train_windows:,} windows learned")


def _serve(context: Context, stack: ExitStack, port: int) -> "subprocess.Popen[str]":
    """Begin to serve the page, with an operator of each role."""
    assert Choice.path is not None  # noqa: S101 - set by the demo
    with writing(context.engine) as connection:
        passwords = demo_page.add_demo_operators(connection, at=clock.now())
    server = stack.enter_context(demo_page.serving(Choice.path, port))
    demo_page.introduce(context.settings.serve.base_url, passwords)
    return server


def prepare(directory: Path, more: str = "") -> Path:
    """Return an empty directory for the demo; only an earlier demo is cleared away.

    Raises:
        UsageError: the directory holds something else.
    """
    if directory.exists() and any(directory.iterdir()):
        if not (directory / MARK).exists():
            message = f"{directory} is not empty and not a demo: choose another with --dir"
            raise UsageError(message)
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARK).touch()
    (directory / "tankwatch.toml").write_text(SETTINGS + more, encoding="utf-8")
    return directory


def sample_folder() -> Path:
    """Return the folder of sample data: inside the installed package, else in the source tree."""
    package = Path(tankwatch.__file__).parent
    for folder in (package / "_sample_data", package.parent / "sample_data"):
        if (folder / "live.csv.gz").is_file():
            return folder
    message = f"the sample data is missing beside {package}: install tankwatch again"
    raise UsageError(message)


def replay(context: Context, live: Path, inbox: Path) -> None:
    """Drop an hour of readings at a time into the drop folder, and do what the daemon does."""
    frame = pd.read_csv(live)
    times = pd.to_datetime(frame["timestamp"], utc=True)
    first = datetime.fromtimestamp(times.min().timestamp(), UTC)
    inbox.mkdir(exist_ok=True)
    for hours, part in frame.groupby((times - first) // HOUR):
        now = first + (int(str(hours)) + 1) * HOUR
        part.to_csv(inbox / f"{now:%Y%m%dT%H%M}.csv", index=False)
        # The drop folder asks the file system when a file was written: that is the real present.
        watch(context, now=clock.now())
        detect(context, now=now)
        deliver(context, now=now)


def report(context: Context, labels: Path, folder: Path, *, json: bool) -> None:
    """Print what was found, beside what was wrong, and where the mails are."""
    with reading(context.engine) as connection:
        found = load_incidents(connection)[::-1]
    paged = [stored.incident for stored in found if not stored.incident.historical]
    faults = pd.read_csv(labels)
    rows: list[list[Any]] = []
    for fault in faults.itertuples():
        start, end = parse_time(str(fault.start)), parse_time(str(fault.end))
        hits = [i for i in paged if i.tank == fault.tank and start <= i.raised_at <= end + HOUR]
        first = min((hit.raised_at for hit in hits), default=None)
        after = f"{(first - start).total_seconds() / 60:.0f} min" if first else "not found"
        rows.append([fault.tank, fault.kind, iso(start), after])
    mails = sorted(context.settings.path(context.settings.mail.folder).glob("*.eml"))
    if json:
        names = ("tank", "fault", "start", "found_after")
        print_json(
            {
                "faults": [dict(zip(names, row, strict=True)) for row in rows],
                "incidents": paged,
                "mails": [str(mail) for mail in mails],
            }
        )
        return
    OUTPUT.print()
    print_table(("tank", "fault put in", "began", "found after"), rows, empty="")
    OUTPUT.print()
    columns = ("tank", "channel", "symptom", "by", "started", "ended", "score")
    cells = [
        [i.tank, i.channel, i.symptom.value, i.detector, i.started_at, i.ended_at, i.peak_score]
        for i in paged
    ]
    print_table(columns, cells, empty="no incidents")
    OUTPUT.print()
    OUTPUT.print(f"{len(mails)} mails to open, in {context.settings.path('outbox')}:")
    for mail in mails:
        OUTPUT.print(f"  {mail}")
    config = folder / "tankwatch.toml"
    OUTPUT.print(f"more: `tankwatch --config {config} incidents --all`, `... status`")


def _last_time(path: Path) -> datetime:
    times = pd.read_csv(path, usecols=["timestamp"])["timestamp"]
    return parse_time(str(times.max()))
