"""send: readings to a server over HTTP, with a spool for when the line is lost."""

import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import typer

from tankwatch.cli.common import ERRORS, OUTPUT, JsonFlag, print_json, settings
from tankwatch.errors import UsageError
from tankwatch.send.cutting import CSV
from tankwatch.send.gateway import Gateway, send_files, send_stream
from tankwatch.send.sender import Patience, Sent
from tankwatch.send.spool import Spool
from tankwatch.settings import Settings

Words = list[str] | None


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(send)


def send(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files, or - for a stream; none to send what waits in the spool."),
    ] = None,
    url: Annotated[str, typer.Option(help="Server (default: the settings').")] = "",
    spool: Annotated[str, typer.Option(help="Spool file (default: the settings').")] = "",
    site: Annotated[str, typer.Option(help="Site of tanks that are new.")] = "",
    tank: Annotated[str, typer.Option(help="Tank of readings that name none.")] = "",
    column: Annotated[
        Words, typer.Option(help="A column's name, as tank=Tag or pressure=PT.")
    ] = None,
    unit: Annotated[Words, typer.Option(help="A channel's unit, as pressure=bar.")] = None,
    absolute: Annotated[Words, typer.Option(help="A channel whose pressure is absolute.")] = None,
    time_zone: Annotated[str, typer.Option(help="Zone of times that state none.")] = "",
    epoch_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns"], typer.Option(help="Unit of numeric times.")
    ] = "auto",
    give_up_after: Annotated[
        float | None,
        typer.Option(help="Seconds without an answer to end after (default: never).", min=0),
    ] = None,
    refused: Annotated[
        Path | None, typer.Option(help="Write what was set aside into this folder, and end.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Send CSV or JSON lines to a server; what it has not acknowledged waits in the spool."""
    loaded = _overruled(settings(), url=url, spool=spool)
    if refused is not None:
        _write_refused(loaded, refused, json=json)
        return
    words = {"site": site, "tank": tank, "column": column, "unit": unit, "absolute": absolute}
    words |= {"time_zone": time_zone, "epoch_unit": "" if epoch_unit == "auto" else epoch_unit}
    query = urlencode({name: given for name, given in words.items() if given}, doseq=True)
    gateway = Gateway(loaded.send, loaded.home, query, _say, _stop_on_signals())
    sent = _send(gateway, list(paths or ()), give_up_after)
    with Spool(gateway.spool, loaded.send.spool_mb) as kept:
        waiting, aside = kept.waiting(), kept.refused()
    _tell(sent, waiting, aside, json=json)
    if sent.gave_up or sent.refused:
        raise typer.Exit(1)


def _send(gateway: Gateway, paths: list[Path], give_up_s: float | None) -> Sent:
    is_stream = [str(path) == "-" for path in paths]
    if any(is_stream) and len(paths) > 1:
        message = "- is standard input and stands alone: send the files with another command"
        raise UsageError(message)
    base_s, cap_s = gateway.settings.retry_base_s, gateway.settings.retry_cap_s
    patience = Patience(base_s, cap_s, give_up_s, when_denied=any(is_stream))
    if any(is_stream):
        return send_stream(gateway, sys.stdin.buffer, patience)
    return send_files(gateway, paths, patience)


def _overruled(loaded: Settings, **given: str) -> Settings:
    update = {name: value for name, value in given.items() if value}
    return loaded.model_copy(update={"send": loaded.send.model_copy(update=update)})


def _stop_on_signals() -> threading.Event:
    ended = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return ended


def _tell(sent: Sent, waiting: int, aside: int, *, json: bool) -> None:
    accepted = sent.accepted
    counts: dict[str, Any] = {
        "posts": sent.posts,
        "stored": accepted.stored,
        "updated": accepted.updated,
        "duplicate": accepted.duplicate,
        "rejected": accepted.rejected,
        "waiting": waiting,
        "set aside": aside,
    }
    if json:
        print_json({**counts, "gave_up": sent.gave_up})
        return
    OUTPUT.print(", ".join(f"{name} {count:,}" for name, count in counts.items()))
    if sent.gave_up:
        _say(f"{sent.gave_up}; what waits is sent by `tankwatch send`")
    if aside:
        _say(
            "what was set aside: `tankwatch send --refused FOLDER` writes it out, with the reasons"
        )


def _write_refused(loaded: Settings, folder: Path, *, json: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with Spool(loaded.path(loaded.send.spool), loaded.send.spool_mb) as spool:
        for body in spool.take_refused():
            ending = "csv" if body.kind == CSV else "jsonl"
            path = folder / f"{body.body_id:08}.{ending}.gz"
            path.write_bytes(body.packed)
            path.with_name(f"{body.body_id:08}.txt").write_text(f"{body.refused}\n{body.query}\n")
            written.append(str(path))
    if json:
        print_json({"written": written})
    else:
        OUTPUT.print(f"{len(written)} files written to {folder}", markup=False)


def _say(text: str) -> None:
    ERRORS.print(f"tankwatch: {text}", markup=False)
