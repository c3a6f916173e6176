from pathlib import Path

import pytest
from sqlalchemy import text

from tankwatch.errors import SettingsError, StoreError
from tankwatch.store.engine import Engine, connect, reading, writing
from tankwatch.store.migrate import upgrade
from tankwatch.store.plant import load_tanks
from tankwatch.store.schema import require_current
from tankwatch.store.status import count_rows, load_job_health, load_tank_status

ADD_SITE = text("INSERT INTO site (name) VALUES (:name)")
SITES = text("SELECT name FROM site ORDER BY name")


def sites(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(SITES).scalars())


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "not an SQLAlchemy URL: write sqlite"),
        ("tankwatch.db", "not an SQLAlchemy URL"),
        ("postgresql://plant:secret@server:port/db", "not an SQLAlchemy URL"),
        ("mysql://plant:secret@server/db", "names 'mysql': .* sqlite or postgresql"),
        ("oracle+cx://plant:secret@server/db", "names 'oracle'"),
        ("postgresql://plant:se@cret@server/db", "more than one @: .*%40"),
    ],
)
def test_wrong_url_is_refused_with_the_remedy_and_without_the_password(
    url: str, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint) as caught:
        connect(url)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://plant:secret@127.0.0.1:1/db",
        "postgresql+psycopg2://plant:secret@127.0.0.1:1/db",
        "postgresql://plant@127.0.0.1:1/db?password=secret",
    ],
)
def test_password_is_shown_neither_by_the_url_nor_by_a_failed_connection(url: str) -> None:
    engine = connect(url)
    assert engine.url.password == "secret"
    with pytest.raises(StoreError, match="refused") as caught:
        require_current(engine)
    engine.dispose()
    assert "secret" not in f"{caught.value} {engine.url} {engine!r}"
    assert "secret" not in engine.url.render_as_string(hide_password=True)


def test_relative_sqlite_path_starts_at_home(tmp_path: Path) -> None:
    engine = connect("sqlite:///data.db", home=tmp_path)
    upgrade(engine)
    engine.dispose()
    assert (tmp_path / "data.db").is_file()


def test_absolute_sqlite_path_ignores_home(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'data.db'}", home=Path("elsewhere"))
    upgrade(engine)
    engine.dispose()
    assert (tmp_path / "data.db").is_file()


def test_sqlite_file_in_a_missing_folder_is_told_with_the_remedy(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'missing' / 'data.db'}")
    with pytest.raises(StoreError, match=r"does the folder of database\.url exist"):
        require_current(engine)
    engine.dispose()


def test_missing_table_is_told_with_the_remedy(empty_engine: Engine) -> None:
    with (
        pytest.raises(StoreError, match="tankwatch db upgrade"),
        reading(empty_engine) as connection,
    ):
        load_tanks(connection)


def test_locked_sqlite_is_told_with_the_remedy(sqlite_template: Path, tmp_path: Path) -> None:
    file = tmp_path / "busy.db"
    file.write_bytes(sqlite_template.read_bytes())
    first, second = (connect(f"sqlite:///{file}", busy_timeout_s=0.05) for _ in range(2))
    with writing(first) as connection:
        connection.execute(ADD_SITE, {"name": "north"})
        assert sites(second) == []
        with pytest.raises(StoreError, match=r"locked.*database\.busy_timeout_s"), writing(second):
            pass
    with writing(second) as connection:
        connection.execute(ADD_SITE, {"name": "south"})
    assert sites(first) == ["north", "south"]
    first.dispose()
    second.dispose()


def test_sqlite_keeps_foreign_keys_and_a_write_ahead_log(sqlite_template: Path) -> None:
    engine = connect(f"sqlite:///{sqlite_template}")
    with engine.connect() as connection:
        pragmas = ("foreign_keys", "journal_mode", "synchronous")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas]
    engine.dispose()
    assert found == [1, "wal", 2]


def test_row_of_a_tank_that_is_not_there_is_refused(engine: Engine) -> None:
    with pytest.raises(StoreError, match=r"(?i)foreign key"), writing(engine) as connection:
        connection.execute(text("INSERT INTO watermark (tank_id) VALUES (77)"))


def test_readers_see_one_state_while_another_writes(engine: Engine) -> None:
    with reading(engine) as connection:
        assert list(connection.execute(SITES).scalars()) == []
        with writing(engine) as other:
            other.execute(ADD_SITE, {"name": "north"})
        assert list(connection.execute(SITES).scalars()) == []
    assert sites(engine) == ["north"]


def test_reading_stores_nothing(engine: Engine) -> None:
    with reading(engine) as connection:
        connection.execute(ADD_SITE, {"name": "north"})
    assert sites(engine) == []


@pytest.mark.usefixtures("tanks")
def test_status_is_read_from_the_views(engine: Engine) -> None:
    with reading(engine) as connection:
        assert [row["tank"] for row in load_tank_status(connection)] == ["T1", "T2", "T3"]
        assert load_job_health(connection) == []
        assert count_rows(connection, "quarantine") == 0
        with pytest.raises(ValueError, match="tank; DROP"):
            count_rows(connection, "tank; DROP TABLE tank")
