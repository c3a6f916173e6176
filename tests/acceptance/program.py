"""Running tankwatch as a program, the way an operator does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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
