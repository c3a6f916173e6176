"""Rules that no linter checks: one clock, short files, no paths of one machine."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 300
CLOCK = Path("tankwatch/clock.py")

_CLOCK_CALL = re.compile(
    r"""(?:^|\.)(?:
        (?:datetime|date|Timestamp|pendulum)\.(?:now|utcnow|today)
        | time\.(?:time|time_ns|gmtime|localtime|ctime|strftime)
    )$""",
    re.VERBOSE,
)
_MACHINE_PATH = re.compile("/(?:work|root|home|Users)/")
_NOT_OURS = {".git", ".venv", "__pycache__", "build", "demo", "dist"}


def clock_calls(source: str) -> list[str]:
    """Return where `source` asks for the current time; `time.monotonic` measures and may stay."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and _CLOCK_CALL.search(ast.unparse(node)):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            names = [alias.name for alias in node.names if alias.name != "monotonic"]
            found += [f"line {node.lineno}: time.{name}" for name in names]
    return found


def machine_paths(text: str) -> list[str]:
    """Return the lines of `text` that name a folder of one machine."""
    return [line for line in text.splitlines() if _MACHINE_PATH.search(line)]


def repository_files(root: Path) -> list[Path]:
    """Return the files of the repository, tracked or new; without git, all that look like ours."""
    git = shutil.which("git")
    if git is not None:
        listing = [git, "-C", str(root), "ls-files", "-z", "--cached", "--others"]
        done = subprocess.run([*listing, "--exclude-standard"], capture_output=True, check=False)
        if done.returncode == 0:
            names = done.stdout.decode().split("\0")
            return [root / name for name in names if name and (root / name).is_file()]
    return sorted(walk(root))


def walk(folder: Path) -> Iterator[Path]:
    """Return the files below `folder` but for caches and what is built."""
    for path in folder.iterdir():
        is_cache = path.name in _NOT_OURS or path.name.endswith(("_cache", ".egg-info"))
        if path.is_dir() and not is_cache and path.name != ".hypothesis":
            yield from walk(path)
        elif path.is_file() and path.name != "uv.lock":
            yield path


def python_files(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def test_only_the_clock_asks_for_the_time() -> None:
    calls = {
        str(file.relative_to(ROOT)): found
        for file in python_files("tankwatch", "migrations")
        if file != ROOT / CLOCK and (found := clock_calls(file.read_text("utf-8")))
    }
    assert calls == {}


def test_no_file_is_longer_than_the_cap() -> None:
    files = python_files("tankwatch", "migrations", "tests", "benchmarks")
    lengths = {file: len(file.read_text("utf-8").splitlines()) for file in files}
    assert [file for file, length in lengths.items() if length > LONGEST_FILE] == []
    assert files


def test_no_file_names_a_folder_of_one_machine() -> None:
    files = repository_files(ROOT)
    texts = {file: file.read_bytes() for file in files}
    plain = {
        file: data.decode(errors="replace") for file, data in texts.items() if b"\0" not in data
    }
    assert [str(file) for file, text in plain.items() if machine_paths(text)] == []
    assert ROOT / CLOCK in files


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "x = field(default_factory=datetime.now)",
        "pd.Timestamp.now()",
        "time.time()",
        "from time import time",
        "date.today()",
    ],
)
def test_asking_for_the_time_is_found(line: str) -> None:
    assert len(clock_calls(line)) == 1


@pytest.mark.parametrize("line", ["clock.now()", "time.monotonic()", "from time import monotonic"])
def test_clock_and_stopwatch_are_allowed(line: str) -> None:
    assert clock_calls(line) == []


@pytest.mark.parametrize("folder", ["work", "root", "home"])
def test_folder_of_one_machine_is_found(folder: str) -> None:
    path = f"/{folder}/someone/file.csv"
    assert machine_paths(f"see {path}\nsee docs/{folder}.md") == [f"see {path}"]


def test_files_are_found_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "__pycache__").mkdir(parents=True)
    for name in ("a/one.py", "two.md", "a/__pycache__/one.pyc"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert repository_files(tmp_path) == [tmp_path / "a" / "one.py", tmp_path / "two.md"]
