"""The page on years, as an operator follows it: export, backup, loss, restore."""

from pathlib import Path

import pytest

from tests.acceptance.program import inside, inside_json

CSV = "tank,timestamp,pressure,temperature\n"


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """Set up a plant on SQLite with readings of two winters."""
    rows = [
        f"TK-{tank},{year}-{month:02}-{day:02}T12:00:00Z,1.{day},{tank}\n"
        for tank in (1, 2)
        for year, month in ((2023, 12), (2024, 1), (2026, 1))
        for day in (1, 15)
    ]
    (tmp_path / "history.csv").write_text(CSV + "".join(rows), encoding="utf-8")
    inside(tmp_path, "init")
    inside(tmp_path, "ingest", "history.csv")
    return tmp_path


def test_page_on_years_works_as_written(plant: Path) -> None:
    done = inside_json(plant, "db", "clean", "--as-of", "2026-03-02")
    assert (done["readings"], done["files"]) == (8, 2)
    archives = inside_json(plant, "db", "archives")
    assert [row["path"] for row in archives] == ["main/2023-12.parquet", "main/2024-01.parquet"]
    assert "main/2024-01.parquet" in inside(plant, "db", "archives").stdout
    quality = inside_json(plant, "quality", "--days", "900")
    assert {row["tank"] for row in quality} == {"TK-1", "TK-2"}
    assert "data quality of the newest day: completeness" in inside(plant, "status").stdout
    assert "TK-1" in inside(plant, "quality").stdout

    inside(plant, "db", "backup", "plant.backup")
    other = plant / "other"
    other.mkdir()
    inside(other, "init")
    backup = str(plant / "plant.backup")
    assert "say so with --yes" in inside(other, "db", "restore", backup, code=2).stderr
    assert "restored" in inside(other, "db", "restore", backup, "--yes").stdout
    assert inside_json(other, "tanks") == inside_json(plant, "tanks")

    month = str(plant / "archive" / "main" / "2023-12.parquet")
    assert inside_json(other, "ingest", month)["stored"] == 4
    assert inside_json(other, "db", "clean", "--as-of", "2026-03-02")["readings"] == 4
