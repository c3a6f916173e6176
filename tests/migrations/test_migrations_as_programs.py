"""Migrations run by Alembic's own command, and from an installed package."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tankwatch.store.engine import connect
from tankwatch.store.schema import head_revision, require_current

ROOT = Path(__file__).parents[2]
_MIGRATE = """
import sys
import tankwatch
from tankwatch.store.engine import connect
from tankwatch.store.migrate import check, downgrade, upgrade
from tankwatch.store.schema import migrations_folder, require_current
engine = connect(sys.argv[1])
upgrade(engine)
downgrade(engine, "base")
upgrade(engine)
require_current(engine)
check(engine)
print(tankwatch.__file__)
print(migrations_folder())
"""


def run(command: list[str], *, cwd: Path, environment: Mapping[str, str]) -> str:
    """Run a program, which must succeed without a warning, and return what it printed."""
    # An unpacked package is not what the coverage of this run is about.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    kept |= {"PYTHONWARNINGS": "error", **environment}
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and return the folder that it was unpacked to."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    run(build, cwd=ROOT, environment={"PYTHONWARNINGS": "default"})
    (wheel,) = folder.glob("tankwatch-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_plain_alembic_upgrades_the_database_of_the_settings(empty_database_url: str) -> None:
    environment = {"TANKWATCH_DATABASE__URL": empty_database_url}
    run(["-m", "alembic", "upgrade", "head"], cwd=ROOT, environment=environment)
    engine = connect(empty_database_url)
    require_current(engine)
    engine.dispose()
    current = run(["-m", "alembic", "current"], cwd=ROOT, environment=environment)
    assert f"{head_revision()} (head)" in current


def test_wheel_holds_every_migration_and_view(unpacked: Path) -> None:
    source, packaged = ROOT / "migrations", unpacked / "tankwatch" / "_migrations"
    files = {file.relative_to(source) for file in source.rglob("*") if file.suffix != ".pyc"}
    copied = {file.relative_to(packaged) for file in packaged.rglob("*")}
    assert {file for file in files if (source / file).is_file()} <= copied
    assert Path("views/dash_tank_status_v1.sql") in copied


def test_wheel_holds_the_templates_and_no_tests(unpacked: Path) -> None:
    assert list(unpacked.glob("tankwatch/notify/templates/*/subject.txt.j2"))
    web = unpacked / "tankwatch" / "web"
    for file in (
        *(ROOT / "tankwatch/web/templates").iterdir(),
        ROOT / "tankwatch/web/static/page.css",
    ):
        assert (web / file.parent.name / file.name).is_file()
    assert not list(unpacked.rglob("test_*.py"))
    assert not list(unpacked.rglob("*.pyc"))


def test_unpacked_wheel_migrates_with_its_own_copy(
    unpacked: Path, empty_database_url: str, tmp_path: Path
) -> None:
    command = ["-c", _MIGRATE, empty_database_url]
    told = run(command, cwd=tmp_path, environment={"PYTHONPATH": str(unpacked)}).splitlines()
    package = unpacked / "tankwatch"
    assert told[-2:] == [str(package / "__init__.py"), str(package / "_migrations")]
