"""Imports point one way, and each library has one door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tankwatch"

BASE = {
    "settings",
    "settings_ahead",
    "settings_alarms",
    "settings_channels",
    "settings_heartbeat",
    "settings_keep",
    "settings_late",
    "settings_plant",
    "settings_notify",
    "settings_push",
    "settings_section",
    "settings_live",
    "settings_severity",
    "settings_siblings",
    "settings_serve",
    "settings_sources",
    "settings_text",
    "clock",
    "errors",
    "parent",
}
# From the top down; the layers of one row never import each other, but for those of the base.
ORDER: list[set[str]] = [
    {"cli", "__main__"},
    {"jobs", "web"},
    {"ingest", "evaluate", "send", "scoring"},
    {"store", "detectors", "quality", "notify"},
    {"models"},
    {"shaping"},
    {"core"},
    BASE,
]
RANK = {layer: len(ORDER) - row for row, layers in enumerate(ORDER) for layer in layers}
SIMULATE_MAY = {"core"} | BASE

# Library: the folders or files that may import it.
DOORS: dict[str, tuple[str, ...]] = {
    "sqlalchemy": ("tankwatch/store/", "migrations/"),
    "alembic": ("tankwatch/store/", "migrations/"),
    "psycopg": ("tankwatch/store/", "migrations/"),
    # Never in a process that has the database open itself.
    "adbc_driver_sqlite": ("tankwatch/store/sqlite_reader.py",),
    "tensorflow": ("tankwatch/models/",),
    "keras": ("tankwatch/models/",),
    "tf2onnx": ("tankwatch/models/",),
    "onnxruntime": (
        "tankwatch/detectors/",
        "tankwatch/models/export.py",
        "tankwatch/models/forecaster_export.py",
    ),
    "matplotlib": ("tankwatch/notify/", "tankwatch/evaluate/"),
    "apscheduler": ("tankwatch/jobs/scheduler.py",),
    "dask": ("tankwatch/jobs/fanout.py",),
    "distributed": ("tankwatch/jobs/fanout.py",),
    "fastapi": ("tankwatch/web/",),
    "starlette": ("tankwatch/web/",),
    "uvicorn": ("tankwatch/web/",),
    "prometheus_client": ("tankwatch/web/",),
    "orjson": ("tankwatch/ingest/json_text.py",),
    "apprise": ("tankwatch/notify/push.py",),
    "aiomqtt": ("tankwatch/ingest/mqtt/",),
    "paho": ("tankwatch/ingest/mqtt/",),
    "google": ("tankwatch/ingest/mqtt/",),
    "asyncua": ("tankwatch/ingest/opcua/",),
}


def imported(source: str, file: Path) -> set[str]:
    """Return the dotted names that `source` imports anywhere, also in functions and by string."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            stem = ".".join(part for part in (_parent(file, node.level), node.module) if part)
            names |= {f"{stem}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(_BY_STRING):
            names |= {argument.value for argument in node.args[:1] if _is_text(argument)}  # type: ignore[attr-defined]
    return names


_BY_STRING = ("import_module", "__import__")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _parent(file: Path, level: int) -> str:
    return ".".join(file.parts[: len(file.parts) - level]) if level else ""


def layer_of(name: str) -> str | None:
    """Return the layer that a dotted name belongs to, None outside tankwatch."""
    head, _, rest = name.partition(".")
    layer = rest.split(".")[0]
    if head != "tankwatch" or not layer or (layer.startswith("__") and layer != "__main__"):
        return None
    # What `tankwatch` itself hands out comes from the detectors.
    return layer if layer in RANK or layer == "simulate" or layer.islower() else "detectors"


def wrong_way(source: str, file: Path) -> list[str]:
    """Return the imports of `file`, a path from the root, that do not point down the layers."""
    own = file.parts[1].removesuffix(".py")
    targets = {name: layer_of(name) for name in imported(source, file)}
    ours = {name: layer for name, layer in targets.items() if layer is not None}
    return sorted(f"{file} imports {name}" for name, to in ours.items() if not may_import(own, to))


def may_import(own: str, to: str) -> bool:
    """Return whether the layer `own` may import the layer `to`."""
    if own == "__init__":
        return to == "detectors"
    if own == "simulate":
        return to == "simulate" or to in SIMULATE_MAY
    if to == "simulate":
        return own in ORDER[0]
    if own not in RANK or to not in RANK:
        return False
    return own == to or RANK[own] > RANK[to] or {own, to} <= BASE


def at_wrong_door(source: str, file: Path) -> list[str]:
    """Return the imports of libraries that `file`, a path from the root, is no door for."""
    return sorted(
        f"{file} imports {name}"
        for name in imported(source, file)
        if not file.as_posix().startswith(DOORS.get(name.split(".")[0], ("",)))
    )


def imports_at_start(source: str) -> set[str]:
    """Return what a module imports as soon as it is imported itself."""
    tree = ast.parse(source)
    lazy = {id(part) for node in ast.walk(tree) if _is_lazy(node) for part in ast.walk(node)}
    eager = [node for node in ast.walk(tree) if id(node) not in lazy]
    found = [node for node in eager if isinstance(node, ast.Import | ast.ImportFrom)]
    return {name for node in found for name in imported(ast.unparse(node), Path("x.py"))}


def _is_lazy(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return True
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def sources(*folders: str) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file.read_text("utf-8"), file.relative_to(ROOT)


def test_imports_point_one_way() -> None:
    assert [line for text, file in sources("tankwatch") for line in wrong_way(text, file)] == []


def test_each_library_has_one_door() -> None:
    files = sources("tankwatch", "migrations")
    assert [line for text, file in files for line in at_wrong_door(text, file)] == []


def test_every_module_has_a_layer() -> None:
    names = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py"}
    names |= {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file()}
    assert names - set(RANK) - {"__init__", "simulate"} == set()


def test_package_itself_imports_nothing_of_ours_at_start() -> None:
    source = (PACKAGE / "__init__.py").read_text("utf-8")
    assert {name for name in imports_at_start(source) if name.startswith("tankwatch")} == set()


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("tankwatch/core/x.py", "from tankwatch.store.engine import connect"),
        ("tankwatch/store/x.py", "import tankwatch.jobs.detect"),
        ("tankwatch/store/x.py", "from tankwatch import detectors"),
        ("tankwatch/shaping/x.py", "from tankwatch import LSTMAutoencoder"),
        ("tankwatch/notify/x.py", "from ..quality import rules"),
        ("tankwatch/jobs/x.py", "def f():\n    from tankwatch.web import app"),
        ("tankwatch/ingest/x.py", "import_module('tankwatch.evaluate')"),
        ("tankwatch/simulate/x.py", "from tankwatch.shaping.grid import to_block"),
        ("tankwatch/jobs/x.py", "from tankwatch.simulate import farm"),
        ("tankwatch/settings.py", "from tankwatch.core.times import iso"),
        ("tankwatch/novel/x.py", "from tankwatch.core.times import iso"),
        ("tankwatch/__init__.py", "def f():\n    from tankwatch.store import engine"),
    ],
)
def test_import_against_the_layers_is_found(file: str, line: str) -> None:
    assert len(wrong_way(line, Path(file))) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("tankwatch/cli/x.py", "from tankwatch.simulate import farm"),
        ("tankwatch/store/x.py", "from tankwatch import __version__, errors"),
        ("tankwatch/store/x.py", "from .engine import connect"),
        ("tankwatch/settings_sources.py", "from tankwatch.errors import SettingsError"),
        ("tankwatch/__init__.py", "def f():\n    from tankwatch.detectors import base"),
        ("tankwatch/core/x.py", "import numpy"),
    ],
)
def test_import_down_the_layers_is_allowed(file: str, line: str) -> None:
    assert wrong_way(line, Path(file)) == []


def test_library_at_the_wrong_door_is_found() -> None:
    source = "import sqlalchemy.orm\nfrom apscheduler.events import EVENT_JOB_ERROR\nimport numpy"
    assert len(at_wrong_door(source, Path("tankwatch/jobs/detect.py"))) == 2
    assert len(at_wrong_door(source, Path("tankwatch/jobs/scheduler.py"))) == 1
    assert len(at_wrong_door(source, Path("tankwatch/store/engine.py"))) == 1


def test_import_at_start_is_told_from_a_lazy_one() -> None:
    source = (
        "import a\nif TYPE_CHECKING:\n    import b\ndef f():\n    import c\nif X:\n    import d"
    )
    assert imports_at_start(source) == {"a", "d"}
