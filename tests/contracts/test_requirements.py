"""The lock files: pinned, hashed, without addresses; and small where nothing trains."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FULL, EDGE = ROOT / "requirements.txt", ROOT / "requirements-edge.txt"

_HASHED = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(\[[a-z0-9,_-]+\])?==(?P<version>[^\s;]+)( *;[^\\]*?)?"
    r"(\s+--hash=sha256:[0-9a-f]{64})+"
)
_TRAINING = ("tensorflow", "keras", "tf2onnx", "onnx", "jax", "torch", "pyod", "numba")


def requirements(text: str) -> list[str]:
    """Return the requirements of `text`, each on one line, without comments."""
    joined = re.sub(r"\\\n", " ", text)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def faults(text: str) -> list[str]:
    """Return the requirements that are not pinned and hashed, or that name an address."""
    every = requirements(text)
    return [line for line in every if "://" in line or not _HASHED.fullmatch(line)]


def names(text: str) -> set[str]:
    """Return the names of the requirements of `text`."""
    return {re.split(r"[=\[; ]", line, maxsplit=1)[0].lower() for line in requirements(text)}


@pytest.mark.parametrize("file", [FULL, EDGE], ids=lambda file: file.name)
def test_every_requirement_is_pinned_and_hashed_and_names_no_address(file: Path) -> None:
    text = file.read_text("utf-8")
    assert faults(text) == []
    assert "://" not in text
    assert len(requirements(text)) > 20


def test_edge_node_needs_no_library_of_training_or_benchmarks() -> None:
    edge = names(EDGE.read_text("utf-8"))
    assert [name for name in edge if name.startswith(_TRAINING) and name != "onnxruntime"] == []
    assert {"numpy", "onnxruntime", "sqlalchemy", "psycopg"} <= edge


def test_edge_node_has_the_versions_that_are_tested() -> None:
    tested = set(requirements(FULL.read_text("utf-8")))
    assert set(requirements(EDGE.read_text("utf-8"))) - tested == set()


_HASH = f"--hash=sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.1.0",
        f"numpy>=2 {_HASH}",
        "numpy==2.1.0 --hash=md5:00",
        f"numpy @ https://example.org/numpy.whl {_HASH}",
        "--index-url https://example.org/simple",
        "--extra-index-url=example.org",
        "-e .",
    ],
)
def test_loose_requirement_is_found(line: str) -> None:
    assert faults(f"good==1 \\\n    {_HASH}\n    # via x\n{line}\n") == [line]
