"""Old readings are exported, read back and deleted, and nothing is lost on the way."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from tankwatch.errors import StoreError
from tankwatch.ingest.accept import accept_file, file_options, intake_of
from tankwatch.jobs import archive_file, retention
from tankwatch.jobs.context import Context
from tankwatch.jobs.housekeeping import housekeeping
from tankwatch.jobs.retention import drop_old_readings
from tankwatch.settings import Settings, Train
from tankwatch.settings_keep import Keep
from tankwatch.store.archives import load_archives
from tankwatch.store.channels import add_channel
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.intake import store_readings
from tankwatch.store.partitions import load_partitions
from tankwatch.store.readings import ReadingRows
from tankwatch.store.runs import write_audit
from tests.integration.months import (
    BOTH,
    FIRST_MS,
    NOW,
    SIX_HOURS_MS,
    assert_same,
    context_of,
    everything,
    fill,
    rows_of,
    stored,
)


@pytest.fixture
def plant(engine: Engine) -> dict[str, int]:
    return fill(engine)


def test_old_months_are_exported_and_then_deleted(
    engine: Engine, plant: dict[str, int], tmp_path: Path
) -> None:
    before = stored(engine, plant)
    result = drop_old_readings(context_of(engine, tmp_path), now=NOW)
    left = stored(engine, plant)
    assert datetime.fromtimestamp(left.observed_ms.min() / 1000, UTC) == datetime(
        2026, 4, 1, tzinfo=UTC
    )
    assert result.rows == before.size - left.size
    with reading(engine) as connection:
        paths = [one.path for one in load_archives(connection)]
        assert "reading_y2026m03" not in load_partitions(connection, "reading")
    odd = "%2E%2E%2Fodd site"
    assert paths == [
        *(f"{odd}/2026-02.parquet", f"{odd}/2026-03.parquet"),
        *("north/2026-02.parquet", "north/2026-03.parquet"),
    ]
    assert_same(everything(engine, tmp_path, plant), before)
    again = drop_old_readings(context_of(engine, tmp_path), now=NOW)
    assert (again.files, again.rows) == (0, 0)


def test_exported_file_is_compressed_and_comes_back_by_ingest(
    engine: Engine, plant: dict[str, int], tmp_path: Path
) -> None:
    before = stored(engine, plant)
    context = context_of(engine, tmp_path)
    drop_old_readings(context, now=NOW)
    files = sorted((tmp_path / "archive").rglob("*.parquet"))
    kind = pq.ParquetFile(files[0]).metadata.row_group(0).column(1).compression
    assert kind == "ZSTD"
    options = file_options(engine, context.settings, now=NOW)
    for file in files:
        accept_file(intake_of(engine, context.settings), file, options, now=NOW)
    assert_same(stored(engine, plant), before)


def test_roll_ups_stay_when_their_readings_go(
    engine: Engine, plant: dict[str, int], tmp_path: Path
) -> None:
    query = text("SELECT count(*), sum(readings) FROM dash_readings_hourly")
    drop_old_readings(context_of(engine, tmp_path), now=NOW)
    with reading(engine) as connection:
        hours, readings = connection.execute(query).one()
    known = int((~np.isnan(rows_of(list(plant.values()), 440).values)).sum())
    assert (hours, readings) == (known, known)


def test_late_readings_of_an_exported_month_go_into_a_further_file(
    engine: Engine, plant: dict[str, int], tmp_path: Path
) -> None:
    context = context_of(engine, tmp_path)
    drop_old_readings(context, now=NOW)
    tank = plant["T1"]
    late = ReadingRows(np.array([tank]), np.array([FIRST_MS + 1]), np.array([[7.0, np.nan]]))
    with writing(engine) as connection:
        store_readings(connection, late, BOTH)
    before = everything(engine, tmp_path, plant)
    result = drop_old_readings(context, now=NOW)
    assert (result.files, result.rows) == (1, 1)
    assert (tmp_path / "archive" / "north" / "2026-02.2.parquet").is_file()
    assert_same(everything(engine, tmp_path, plant), before)


def test_what_came_after_the_export_is_not_deleted(
    engine: Engine, plant: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction that slips in between keeps its tanks' month until it is exported, too."""
    context, export = context_of(engine, tmp_path), retention._export
    changed = ReadingRows(np.array([plant["T1"]]), np.array([FIRST_MS]), np.array([[9.0, 9.0]]))

    def export_and_correct(*args: Any, **kwargs: Any) -> Any:
        files = export(*args, **kwargs)
        with writing(engine) as connection:
            store_readings(connection, changed, BOTH)
        return files

    with monkeypatch.context() as patch:
        patch.setattr(retention, "_export", export_and_correct)
        drop_old_readings(context, now=NOW)
    left = stored(engine, plant)
    assert (left.values[left.observed_ms == FIRST_MS] == 9.0).all(axis=1).any()
    drop_old_readings(context, now=NOW)
    whole = everything(engine, tmp_path, plant)
    first = (whole.tank_id == plant["T1"]) & (whole.observed_ms == FIRST_MS)
    assert whole.values[first].tolist() == [[9.0, 9.0]]
    assert whole.size == 3 * 440
    assert stored(engine, plant).observed_ms.min() >= FIRST_MS + 38 * 4 * SIX_HOURS_MS - 1


def test_file_that_cannot_be_verified_deletes_nothing(
    engine: Engine, plant: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(*args: Any) -> ReadingRows:
        rows = archive_file.read_archive(*args)
        return ReadingRows(rows.tank_id, rows.observed_ms, rows.values + 1.0)

    before = stored(engine, plant)
    monkeypatch.setattr(retention, "read_archive", spoiled)
    with pytest.raises(StoreError, match="does not hold what was written"):
        drop_old_readings(context_of(engine, tmp_path), now=NOW)
    assert_same(stored(engine, plant), before)
    assert not list((tmp_path / "archive").rglob("*.parquet"))


def test_damaged_file_is_told_and_its_month_stays(
    engine: Engine, plant: dict[str, int], tmp_path: Path
) -> None:
    context = context_of(engine, tmp_path)
    drop_old_readings(context, now=NOW)
    with writing(engine) as connection:
        store_readings(connection, rows_of([plant["T1"]], 10, seed=5), BOTH)
    file = tmp_path / "archive" / "north" / "2026-02.parquet"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(StoreError, match=r"2026-02\.parquet cannot be read .*put it back"):
        drop_old_readings(context, now=NOW)
    assert (stored(engine, plant).observed_ms < FIRST_MS + 11 * SIX_HOURS_MS).sum() == 10


def test_what_comes_back_after_its_file_was_taken_elsewhere_is_exported_again(
    engine: Engine, plant: dict[str, int], tmp_path: Path
) -> None:
    context = context_of(engine, tmp_path)
    drop_old_readings(context, now=NOW)
    again = rows_of([plant["T1"]], 10)
    with writing(engine) as connection:
        store_readings(connection, again, BOTH)
    folder = tmp_path / "archive" / "north"
    (folder / "2026-02.parquet").unlink()
    assert drop_old_readings(context, now=NOW).rows == 10
    back = archive_file.read_archive(folder / "2026-02.2.parquet", {"T1": plant["T1"]}, BOTH)
    assert_same(back, again)


def test_what_training_looks_back_at_is_never_deleted(
    engine: Engine, plant: dict[str, int], tmp_path: Path
) -> None:
    settings = Settings(keep=Keep(reading_days=1), train=Train(history_days=400), home=tmp_path)
    assert drop_old_readings(Context(engine, settings), now=NOW).rows == 0
    assert stored(engine, plant).size == 3 * 440


def test_without_export_old_months_are_just_deleted(
    engine: Engine, plant: dict[str, int], tmp_path: Path
) -> None:
    assert drop_old_readings(context_of(engine, tmp_path, export=False), now=NOW).rows > 0
    assert not (tmp_path / "archive").exists()
    assert stored(engine, plant).size > 0


def test_added_channel_is_archived_too(
    engine: Engine, plant: dict[str, int], tmp_path: Path
) -> None:
    with writing(engine) as connection:
        add_channel(connection, "density", "kg/m3")
        one = ReadingRows(np.array([plant["T1"]]), np.array([FIRST_MS]), np.array([[0.8]]))
        store_readings(connection, one, ("density",))
    drop_old_readings(context_of(engine, tmp_path), now=NOW)
    file = tmp_path / "archive" / "north" / "2026-02.parquet"
    rows = archive_file.read_archive(file, {"T1": plant["T1"]}, ("density",))
    assert rows.values[0].tolist() == [0.8]


@pytest.mark.usefixtures("plant")
def test_housekeeping_deletes_each_kind_by_its_own_age(engine: Engine, tmp_path: Path) -> None:
    context = context_of(engine, tmp_path, hour_days=90.0, day_days=100.0, audit_days=10.0)
    with writing(engine) as connection:
        for days, action in ((20, "old"), (1, "new")):
            at = NOW - timedelta(days=days)
            write_audit(connection, at=at, actor="kim", action=action, subject="")
    housekeeping(context, now=NOW)
    result = housekeeping(context, now=NOW)
    with reading(engine) as connection:
        oldest_hour = connection.execute(text("SELECT min(hour_ms) FROM dash_readings_hourly"))
        oldest_day = connection.execute(text("SELECT min(day_ms) FROM dash_readings_daily"))
        kept = list(connection.execute(text("SELECT action FROM audit")).scalars())
        assert oldest_hour.scalar_one() >= (NOW - timedelta(days=90)).timestamp() * 1000
        assert oldest_day.scalar_one() >= (NOW - timedelta(days=101)).timestamp() * 1000
    assert kept == ["new"]
    assert result.readings == 0
