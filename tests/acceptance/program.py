"""Running tankwatch as a program, the way an operator does."""

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tankwatch.cli import main
from tankwatch.cli.common import Choice

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TANKWATCH_LOG__LEVEL": "warning"}


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TANKWATCH_")}
    return {**kept, **QUIET, **more}


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from tankwatch.cli import main; main()", *words]


def run(
    folder: Path, *words: str, code: int = 0, stdin: str | None = None, **more: str
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command(*words),
        cwd=folder,
        env=environment(**more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def run_json(folder: Path, *words: str, code: int = 0, **more: str) -> Any:
    return json.loads(run(folder, *words, "--json", code=code, **more).stdout)


@dataclass(frozen=True)
class Done:
    stdout: str
    stderr: str


def inside(folder: Path, *words: str, code: int = 0, stdin: str = "") -> Done:
    """Run a command in this process: the same code, without a second's start each time."""
    Choice.path = None
    out, err = io.StringIO(), io.StringIO()
    typed = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.object(sys, "argv", ["tankwatch", *words]),
        patch.object(sys, "stdin", typed),
        patch.dict(os.environ, environment(), clear=True),
    ):
        try:
            main()
            ended: object = 0
        except SystemExit as stop:
            ended = stop.code
    assert (ended or 0) == code, f"{words}: {ended}\n{out.getvalue()}\n{err.getvalue()}"
    return Done(out.getvalue(), err.getvalue())


def inside_json(folder: Path, *words: str, code: int = 0, stdin: str = "") -> Any:
    return json.loads(inside(folder, *words, "--json", code=code, stdin=stdin).stdout)
