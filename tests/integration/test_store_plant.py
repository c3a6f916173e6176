import threading
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import inspect, text

from tankwatch.core.readings import Rejected, RejectReason
from tankwatch.errors import UsageError
from tankwatch.store.channels import add_channel, ensure_channels
from tankwatch.store.engine import Engine, connect, reading, writing
from tankwatch.store.intake import delete_quarantine_before, load_quarantine, quarantine
from tankwatch.store.plant import (
    ensure_tanks,
    load_channels,
    load_limits,
    load_tanks,
    set_limits,
    tank_ids,
)

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)


def view_columns(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(text("SELECT * FROM dash_readings")).keys())


def rejected(line: int, raw: str, *, detail: str = "not a number") -> Rejected:
    return Rejected("day.csv", line, RejectReason.BAD_NUMBER, detail, raw)


def test_tanks_are_created_once_and_keep_their_ids(engine: Engine) -> None:
    with writing(engine) as connection:
        first = ensure_tanks(connection, ["B", "A", "B"], site="north", at=NOW)
        again = ensure_tanks(connection, ["A", "C"], site="south", at=NOW)
        tanks = load_tanks(connection)
        assert tank_ids(connection, ["C", "nobody"]) == {"C": again["C"]}
    assert again["A"] == first["A"]
    sites = [(tank.name, tank.site) for tank in tanks]
    assert sites == [("A", "north"), ("B", "north"), ("C", "south")]


def test_two_programs_may_create_the_same_tanks_at_once(engine: Engine, database_url: str) -> None:
    other = connect(database_url)
    seen: list[dict[str, int]] = []

    def create() -> None:
        with writing(other) as connection:
            seen.append(ensure_tanks(connection, ["A", "B"], site="north", at=NOW))

    thread = threading.Thread(target=create)
    with writing(engine) as connection:
        mine = ensure_tanks(connection, ["A"], site="north", at=NOW)
        thread.start()
        wait_until_blocked(engine, thread)
    thread.join()
    other.dispose()
    assert seen[0]["A"] == mine["A"]
    assert set(seen[0]) == {"A", "B"}


def wait_until_blocked(engine: Engine, thread: threading.Thread) -> None:
    """Return when another connection waits for a lock; on SQLite writers always queue."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    while engine.name == "postgresql" and thread.is_alive():
        with engine.connect() as connection:
            if connection.execute(query).scalar_one():
                return
        time.sleep(0.01)


def test_added_channel_is_a_nullable_column_and_shown_by_the_view(engine: Engine) -> None:
    before = view_columns(engine)
    with writing(engine) as connection:
        add_channel(connection, "density", "kg/m3")
        names = [(channel.name, channel.unit) for channel in load_channels(connection)]
        column = inspect(connection).get_columns("reading")[-1]
    assert names == [("pressure", "kPa"), ("temperature", "degC"), ("density", "kg/m3")]
    assert (column["name"], column["nullable"]) == ("density", True)
    assert view_columns(engine) == [*before, "density"]


def test_missing_channels_are_added_once(engine: Engine) -> None:
    units = {"temperature": "degC", "flow": "m3/h", "level_2": ""}
    with writing(engine) as connection:
        assert ensure_channels(connection, units) == ["flow", "level_2"]
        assert ensure_channels(connection, units) == []


WRONG_NAMES = (
    ("x DOUBLE PRECISION; DROP TABLE tank; --", "cannot name a channel"),
    ("x) --", "cannot name a channel"),
    ('"x"', "cannot name a channel"),
    ("Level", "cannot name a channel"),
    ("level\n", "cannot name a channel"),
    ("_level", "cannot name a channel"),
    ("l" * 49, "cannot name a channel"),
    ("", "cannot name a channel"),
    ("tank_id", "choose another name"),
    ("observed_at", "choose another name"),
    ("site", "choose another name"),
    ("order", "choose another name"),
    ("xmin", "choose another name"),
    ("pressure", "there already"),
)


def test_channel_with_a_wrong_name_is_refused_and_changes_nothing(engine: Engine) -> None:
    before = view_columns(engine)
    for name, complaint in WRONG_NAMES:
        with pytest.raises(UsageError, match=complaint), writing(engine) as connection:
            add_channel(connection, name, "")
    assert view_columns(engine) == before
    with reading(engine) as connection:
        assert len(load_channels(connection)) == 2
        assert load_tanks(connection) == []


def test_longest_allowed_channel_name_works(engine: Engine) -> None:
    with writing(engine) as connection:
        add_channel(connection, "l" * 48, "")
    assert view_columns(engine)[-1] == "l" * 48


def test_limits_of_a_tank_replace_earlier_ones(engine: Engine, tanks: dict[str, int]) -> None:
    first, second = tanks["T1"], tanks["T2"]
    with writing(engine) as connection:
        pressure, temperature = (channel.channel_id for channel in load_channels(connection))
        set_limits(connection, first, {pressure: (-1.0, 5.0), temperature: (None, 60.0)})
        set_limits(connection, second, {pressure: (None, None)})
        set_limits(connection, first, {pressure: (0.0, None)})
    with reading(engine) as connection:
        assert load_limits(connection) == {
            (first, pressure): (0.0, None),
            (first, temperature): (None, 60.0),
            (second, pressure): (None, None),
        }


def test_refused_rows_are_stored_once(engine: Engine) -> None:
    rows = [rejected(2, "T1,oops"), rejected(3, "T1,oops"), rejected(2, "T1,oops")]
    with writing(engine) as connection:
        assert quarantine(connection, rows, at=NOW) == 2
        assert quarantine(connection, rows, at=NOW) == 0
        assert quarantine(connection, [], at=NOW) == 0
        assert load_quarantine(connection, limit=9) == [rows[1], rows[0]]
        assert load_quarantine(connection, limit=1) == [rows[1]]


def test_any_text_can_be_quarantined_and_is_recognised_again(engine: Engine) -> None:
    texts = ["a\x00b", "x" * 600, "\x00" * 600, "half \ud83d pair", "°C 🛢"]
    rows = [rejected(line, raw, detail=raw) for line, raw in enumerate(texts)]
    with writing(engine) as connection:
        assert quarantine(connection, rows, at=NOW) == len(rows)
        assert quarantine(connection, rows, at=NOW) == 0
        stored = [row.raw for row in load_quarantine(connection, limit=9)[::-1]]
    null = "\N{SYMBOL FOR NULL}"
    assert stored == [f"a{null}b", "x" * 500, null * 500, "half ? pair", "°C 🛢"]


def test_old_quarantine_is_deleted(engine: Engine) -> None:
    with writing(engine) as connection:
        quarantine(connection, [rejected(1, "old")], at=NOW.replace(day=1))
        quarantine(connection, [rejected(2, "new")], at=NOW)
        assert delete_quarantine_before(connection, NOW) == 1
        assert [row.raw for row in load_quarantine(connection, limit=9)] == ["new"]
