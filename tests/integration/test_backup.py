"""A backup that was restored is the database that was backed up, row for row."""

import json
import sqlite3
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tankwatch.core.readings import Rejected, RejectReason
from tankwatch.errors import StoreError, UsageError
from tankwatch.jobs.retention import drop_old_readings
from tankwatch.jobs.rollup import roll_up
from tankwatch.store.backup import back_up, restore
from tankwatch.store.channels import add_channel
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.intake import quarantine, store_readings
from tankwatch.store.migrate import check, downgrade, upgrade
from tankwatch.store.plant import ensure_tanks, set_limits
from tankwatch.store.registry import Artefact, TrainingFacts, store_model
from tankwatch.store.runs import write_audit
from tankwatch.store.schema import require_current
from tankwatch.store.scores import ScoreRows, store_scores
from tankwatch.store.tables import METADATA
from tankwatch.store.views import VIEWS
from tests.integration.months import NOW, context_of, fill, rows_of

LATER = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def plant(engine: Engine, tmp_path: Path) -> dict[str, int]:
    """Fill every kind of table that a plant fills, and drop what is old."""
    ids = fill(engine)
    with writing(engine) as connection:
        add_channel(connection, "density", "kg/m3")
        more = rows_of([ids["T2"]], 400, seed=3)
        store_readings(connection, more, ("density", "temperature"))
        set_limits(connection, ids["T1"], {1: (0.0, None)})
        quarantine(connection, [Rejected("ø.csv", 7, RejectReason.BAD_TIME, "so", "x")], at=NOW)
        facts = TrainingFacts(NOW, 7, 900, 12, 0.25, 0.5)
        model = store_model(
            connection, Artefact("autoencoder", {"a": 1}, b"\x00keras", b"onnx"), facts, reason=""
        )
        rows = rows_of([ids["T1"]], 50)
        scores = ScoreRows(rows.tank_id, rows.observed_ms, abs(rows.values[:, 1]), rows.tank_id)
        store_scores(connection, model, scores)
        write_audit(connection, at=NOW, actor="kim", action="tidy", subject="øl")
    roll_up(context_of(engine, tmp_path))
    drop_old_readings(context_of(engine, tmp_path), now=NOW)
    return ids


def everything(engine: Engine) -> dict[str, list[Any]]:
    """Return the rows of every table and view."""
    found: dict[str, list[Any]] = {}
    with reading(engine) as connection:
        for name in (*METADATA.tables, "alembic_version", *VIEWS):
            rows = connection.execute(text(f"SELECT * FROM {name}"))  # noqa: S608
            found[name] = [list(rows.keys()), *sorted(repr(tuple(row)) for row in rows)]
    return found


@pytest.mark.usefixtures("plant")
def test_restored_database_is_the_one_that_was_backed_up(engine: Engine, tmp_path: Path) -> None:
    before = everything(engine)
    assert sum(len(rows) > 1 for rows in before.values()) > 20
    done = back_up(engine, tmp_path / "plant.backup")
    with writing(engine) as connection:
        ids = ensure_tanks(connection, ["new"], site="north", at=LATER)
        store_readings(connection, rows_of(list(ids.values()), 5), ("pressure", "temperature"))
        add_channel(connection, "level", "m")
    assert everything(engine) != before
    assert restore(engine, done.path, replace=True) == done
    assert everything(engine) == before
    require_current(engine)
    check(engine)


@pytest.mark.usefixtures("plant")
def test_restored_database_goes_on_where_it_was(engine: Engine, tmp_path: Path) -> None:
    done = back_up(engine, tmp_path / "plant.backup")
    restore(engine, done.path, replace=True)
    with writing(engine) as connection:
        ids = ensure_tanks(connection, ["next"], site="new site", at=LATER)
        write_audit(connection, at=LATER, actor="kim", action="go on", subject="")
        late = rows_of([ids["next"]], 440)
        assert store_readings(connection, late, ("pressure", "temperature")).stored == 440
    assert roll_up(context_of(engine, tmp_path)).hours >= 440


@pytest.mark.usefixtures("plant")
def test_backup_goes_into_a_database_without_tables(engine: Engine, tmp_path: Path) -> None:
    before = everything(engine)
    done = back_up(engine, tmp_path / "plant.backup")
    downgrade(engine, "base")
    with writing(engine) as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(UsageError, match="is empty: there is nothing to back up"):
        back_up(engine, tmp_path / "empty.backup")
    restore(engine, done.path, replace=False)
    assert everything(engine) == before


def test_backup_of_an_older_version_is_migrated_after_it(engine: Engine, tmp_path: Path) -> None:
    downgrade(engine, "0008")
    with writing(engine) as connection:
        ensure_tanks(connection, ["T1"], site="north", at=NOW)
    done = back_up(engine, tmp_path / "old.backup")
    upgrade(engine)
    assert restore(engine, done.path, replace=True).revision == "0008"
    upgrade(engine)
    check(engine)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT name FROM tank")).scalars().all() == ["T1"]


@pytest.mark.usefixtures("plant")
def test_restore_that_is_refused_leaves_what_was_there(engine: Engine, tmp_path: Path) -> None:
    before = everything(engine)
    good = back_up(engine, tmp_path / "good.backup").path
    with pytest.raises(UsageError, match="say so with --yes"):
        restore(engine, good, replace=False)
    with pytest.raises(UsageError, match="exists already, and a backup never overwrites"):
        back_up(engine, good)
    with pytest.raises(UsageError, match="there is no file"):
        restore(engine, tmp_path / "missing.backup", replace=True)
    damaged = tmp_path / "damaged.backup"
    content = bytearray(good.read_bytes())
    # From the middle on: one page alone may be a free one, which nobody would miss.
    middle = len(content) // 2
    content[middle:] = bytes(byte ^ 0xFF for byte in content[middle:])
    damaged.write_bytes(content)
    other = tmp_path / "letter.txt"
    other.write_text("Dear operator", encoding="utf-8")
    for wrong in (damaged, other):
        with pytest.raises((UsageError, StoreError)):
            restore(engine, wrong, replace=True)
    assert everything(engine) == before


def test_backup_of_a_newer_version_is_refused(engine: Engine, tmp_path: Path) -> None:
    done = back_up(engine, tmp_path / "new.backup")
    if engine.name == "sqlite":
        with sqlite3.connect(done.path) as database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.close()
    else:
        _rewrite_manifest(done.path, revision="9999")
    with pytest.raises(UsageError, match=r"made by a newer tankwatch \(9999\): upgrade this one"):
        restore(engine, done.path, replace=True)


def test_folder_that_is_not_there_is_told(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"backup"):
        back_up(engine, tmp_path / "missing" / "x.backup")


def _rewrite_manifest(path: Path, **changes: str) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "tankwatch-backup.json"
    parts[name] = json.dumps({**json.loads(parts[name]), **changes}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
