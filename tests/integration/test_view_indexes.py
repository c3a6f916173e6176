"""The usual query of each panel finds what it shows through an index, on both backends."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from benchmarks.view_queries import USUAL, Usual, given
from tankwatch.store.engine import Engine, reading
from tests.integration.view_columns import COLUMNS

# What is small, or shown whole, may be read whole; by the names that the views give it.
WHOLE = {
    *("site", "channel", "version", "model_version", "better", "s", "tank", "shelf"),
    *("alarm_day", "named", "newest", "of_site", "champion", "dash_data_quality"),
}
BIG = ("reading", "score", "incident", "outbox", "label", "job_run", "reading_hour", "reading_day")


def plan(engine: Engine, usual: Usual) -> list[str]:
    """Return the lines of a plan."""
    query = usual.sql(engine.name)
    explain = "EXPLAIN QUERY PLAN " if engine.name == "sqlite" else "EXPLAIN "
    with reading(engine) as connection:
        if engine.name == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        found = connection.execute(text(explain + query), given(query))
        return [str(row[-1]).strip() for row in found]


@pytest.mark.parametrize("usual", USUAL, ids=lambda usual: str(usual.panel))
def test_no_large_table_is_read_whole(engine: Engine, usual: Usual) -> None:
    lines = plan(engine, usual)
    assert lines
    if engine.name == "postgresql":
        whole = [line for line in lines if "Seq Scan on" in line]
        assert [line for line in whole if line.split("Seq Scan on ")[1].split()[0] in BIG] == []
        return
    scans = [line.split()[1] for line in lines if line.startswith("SCAN ")]
    # The index of open incidents holds no others.
    is_open = {line.split()[1] for line in lines if "USING INDEX ix_incident_tank_id" in line}
    assert {name for name in scans if name[0] != "("} - WHOLE - is_open == set()
    made = {line.split()[1] for line in lines if "AUTOMATIC" in line}
    assert made <= {"shelved", "one_shot", "own", "better", "champion"}


def test_the_page_tells_every_column_of_every_view_in_order() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/views.md").read_text("utf-8")
    told = {}
    for part in page.split("\n### `")[1:]:
        name, _, rest = part.partition("`")
        table = rest.split("\n## ")[0]
        told[name] = re.findall(r"^\| `(\w+)` \| .+ \|$", table, re.MULTILINE)
    assert told == {name: columns.split() for name, columns in COLUMNS.items()}
