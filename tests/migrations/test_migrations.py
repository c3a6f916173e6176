"""Every revision goes up and down on both backends, and ends in the schema of the models."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Inspector, inspect, text

from tankwatch.errors import SchemaError
from tankwatch.store.base import NAMING
from tankwatch.store.channels import add_channel
from tankwatch.store.engine import Engine, writing
from tankwatch.store.migrate import check, downgrade, upgrade
from tankwatch.store.plant import ensure_tanks, load_channels
from tankwatch.store.schema import (
    current_revision,
    head_revision,
    known_revisions,
    migrations_folder,
    require_current,
)
from tankwatch.store.tables import METADATA
from tankwatch.store.views import VIEWS

# DESIGN, section 4.
TABLES = {
    *("site", "tank", "channel", "channel_limit", "reading", "quarantine", "watermark"),
    *(
        "dirty_window",
        "last_score",
        "model_version",
        "detector_state",
        "score",
        "incident",
        "transition",
    ),
    *("shelf", "maintenance", "label", "outbox", "delivery", "job_run", "lease", "audit"),
    *("site_incident", "site_member"),
    *("token", "token_site", "site_memory", "checkpoint"),
    *("reading_hour", "reading_day", "tank_channel", "plant_day", "rollup", "rollup_due"),
    *("arrival_day", "archive"),
    *("operator", "operator_group", "group_member", "secret", "used_link", "push"),
    *("suppression", "transfer"),
    *("route", "notification", "mail"),
    *("score_hour", "expected_band"),
}
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
REVISIONS = [f"{number:04}" for number in range(1, 26)]
PARTITIONS = {
    *("reading_before_2000", "reading_from_2100"),
    *("score_before_2000", "score_from_2100"),
}
_OLD_INCIDENT = (
    "INSERT INTO incident (uid, tank_id, state, severity, detector, channel_id, share, symptom,"
    " started_at, raised_at, peak_score, historical) VALUES "
    "(:symptom, :tank, 'closed', 'alarm', 'old', 1, 1, :symptom, :at, :at, 3, :no)"
)


def schema(engine: Engine) -> dict[str, Any]:
    """Return everything that can be inspected, in a form that can be compared."""
    with engine.connect() as connection:
        found = inspect(connection)
        tables = {name: table(found, name) for name in found.get_table_names()}
        views = {name: found.get_view_definition(name) for name in found.get_view_names()}
    return {"tables": tables, "views": views}


def table(found: Inspector, name: str) -> dict[str, Any]:
    columns = [
        {key: str(value) for key, value in column.items()} for column in found.get_columns(name)
    ]
    return {
        "columns": columns,
        "primary key": found.get_pk_constraint(name),
        "foreign keys": ordered(found.get_foreign_keys(name)),
        "indexes": [index_as_text(index) for index in ordered(found.get_indexes(name))],
        "unique": ordered(found.get_unique_constraints(name)),
        "checks": ordered(found.get_check_constraints(name)),
        "options": found.get_table_options(name),
    }


def index_as_text(index: Any) -> dict[str, Any]:
    """Return an index whose condition, an expression object, can be compared."""
    options = index.get("dialect_options", {})
    return {**index, "dialect_options": {key: str(value) for key, value in options.items()}}


def ordered(items: Any) -> list[Any]:
    return sorted(items, key=lambda item: str(item["name"]))


def test_revisions_are_in_one_line_and_known_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert [found.revision for found in scripts.walk_revisions()][::-1] == REVISIONS
    assert scripts.get_current_head() == head_revision() == REVISIONS[-1]
    assert known_revisions() == set(REVISIONS)


def test_up_down_up_leaves_the_same_schema(empty_engine: Engine) -> None:
    upgrade(empty_engine)
    first = schema(empty_engine)
    downgrade(empty_engine, "base")
    assert set(schema(empty_engine)["tables"]) - {"alembic_version"} == set()
    assert schema(empty_engine)["views"] == {}
    upgrade(empty_engine)
    assert schema(empty_engine) == first
    assert set(first["tables"]) > TABLES


def test_each_step_down_undoes_its_step_up(empty_engine: Engine) -> None:
    seen = []
    for revision in REVISIONS:
        upgrade(empty_engine, revision)
        seen.append(schema(empty_engine))
    for revision, before in list(zip(REVISIONS, seen, strict=True))[-2::-1]:
        downgrade(empty_engine, revision)
        assert schema(empty_engine) == before
        assert current_revision(empty_engine) == revision


def test_views_made_again_show_an_added_channel(engine: Engine) -> None:
    with writing(engine) as connection:
        add_channel(connection, "density", "kg/m3")
    before = schema(engine)
    downgrade(engine, "0002")
    upgrade(engine)
    assert schema(engine) == before
    with engine.connect() as connection:
        assert [channel.name for channel in load_channels(connection)][-1] == "density"
        columns = list(connection.execute(text("SELECT * FROM dash_readings")).keys())
    assert columns[-1] == "density"


def test_every_table_of_the_design_exists_and_no_other(engine: Engine) -> None:
    found = set(schema(engine)["tables"]) - {"alembic_version"} - PARTITIONS
    assert found == TABLES == set(METADATA.tables)
    assert set(schema(engine)["views"]) == set(VIEWS)


def test_database_has_what_the_models_say(engine: Engine) -> None:
    check(engine)


def test_database_with_an_added_channel_still_fits_the_models(engine: Engine) -> None:
    with writing(engine) as connection:
        add_channel(connection, "density", "kg/m3")
    check(engine)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE quarantine ADD COLUMN extra integer",
        "DROP TABLE audit",
        "DROP INDEX ix_outbox_incident_id_state",
    ],
)
def test_database_that_differs_from_the_models_is_found(engine: Engine, change: str) -> None:
    with writing(engine) as connection:
        connection.execute(text(change))
    with pytest.raises(CommandError, match="New upgrade operations detected"):
        check(engine)


def test_names_of_constraints_follow_the_convention(engine: Engine) -> None:
    tables = {name: parts for name, parts in schema(engine)["tables"].items() if name in TABLES}
    for name, parts in tables.items():
        assert parts["primary key"]["name"] == NAMING["pk"] % {"table_name": name}
        for key in parts["foreign keys"]:
            own, other = "_".join(key["constrained_columns"]), key["referred_table"]
            assert key["name"] == f"fk_{name}_{own}_{other}"
        for unique in parts["unique"]:
            assert unique["name"] == f"uq_{name}_{'_'.join(unique['column_names'])}"
        for index in parts["indexes"]:
            if not index["unique"]:
                assert index["name"] == f"ix_{name}_{'_'.join(index['column_names'])}"
    assert sum(len(parts["indexes"]) for parts in tables.values()) > 10


def test_every_foreign_key_that_work_is_found_by_has_an_index(engine: Engine) -> None:
    tables = schema(engine)["tables"]
    for name in ("outbox", "transition", "label", "delivery", "dirty_window", "shelf"):
        for key in tables[name]["foreign keys"]:
            indexed = [index["column_names"][:1] for index in tables[name]["indexes"]]
            assert key["constrained_columns"] in indexed


def test_readings_are_kept_by_tank_and_time(engine: Engine) -> None:
    key = schema(engine)["tables"]["reading"]["primary key"]["constrained_columns"]
    assert key == ["tank_id", "observed_at"]


def test_current_database_is_accepted(engine: Engine) -> None:
    require_current(engine)
    assert current_revision(engine) == head_revision()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_older_database_is_refused_with_the_remedy(engine: Engine, revision: str) -> None:
    downgrade(engine, revision)
    told = f"is at {revision}, not {REVISIONS[-1]}: .*`tankwatch db upgrade`"
    with pytest.raises(SchemaError, match=told):
        require_current(engine)


def test_empty_database_is_refused_with_the_remedy(empty_engine: Engine) -> None:
    with pytest.raises(SchemaError, match="is empty: create it with `tankwatch init`"):
        require_current(empty_engine)


def test_the_nature_of_what_was_stored_before_is_told_by_its_symptom(empty_engine: Engine) -> None:
    upgrade(empty_engine, "0005")
    with writing(empty_engine) as connection:
        tank = ensure_tanks(connection, ["T1"], site="north", at=LONG_AGO)["T1"]
        at = LONG_AGO if empty_engine.name == "postgresql" else 0
        for symptom in ("above_limit", "flat_line"):
            row = {"symptom": symptom, "tank": tank, "at": at, "no": False}
            connection.execute(text(_OLD_INCIDENT), row)
    upgrade(empty_engine, "0006")
    with empty_engine.connect() as connection:
        told = connection.execute(text("SELECT symptom, nature FROM dash_incidents")).all()
    assert sorted(map(tuple, told)) == [("above_limit", "process"), ("flat_line", "sensor")]


def test_what_is_latched_waits_or_is_closed_for_the_version_before(empty_engine: Engine) -> None:
    upgrade(empty_engine, "0024")
    with writing(empty_engine) as connection:
        tank = ensure_tanks(connection, ["T1"], site="north", at=LONG_AGO)["T1"]
        at = LONG_AGO if empty_engine.name == "postgresql" else 0
        for state in ("latched_unacknowledged", "latched_acknowledged"):
            row = {"symptom": state, "tank": tank, "at": at, "no": False}
            connection.execute(text(_OLD_INCIDENT), row)
            change = "UPDATE incident SET state = symptom, acknowledged_at = :at"
            connection.execute(text(change), {"at": at})
    downgrade(empty_engine, "0023")
    with empty_engine.connect() as connection:
        query = text("SELECT state, closed_at IS NOT NULL FROM incident ORDER BY incident_id")
        found = [(state, bool(closed)) for state, closed in connection.execute(query)]
    assert found == [("returned_unacknowledged", False), ("closed", True)]


def test_database_of_a_newer_version_is_refused_with_the_remedy(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=r"newer tankwatch \(9999\): upgrade this one"):
        require_current(engine)
    with pytest.raises(SchemaError, match="cannot be migrated"):
        upgrade(engine)


def test_revision_that_there_is_not_is_refused(engine: Engine) -> None:
    known = re.escape(", ".join(REVISIONS))
    with pytest.raises(SchemaError, match=f"'7777'.*revisions here: {known}"):
        upgrade(engine, "7777")
    with pytest.raises(SchemaError, match="cannot be migrated"):
        downgrade(engine, "7777")
    require_current(engine)


def test_migration_that_fails_leaves_the_database_as_it_was(empty_engine: Engine) -> None:
    upgrade(empty_engine, "0001")
    with writing(empty_engine) as connection:
        connection.execute(text("CREATE TABLE audit (audit_id integer)"))
    before = schema(empty_engine)
    with pytest.raises(Exception, match="audit"):
        upgrade(empty_engine)
    assert schema(empty_engine) == before
    assert current_revision(empty_engine) == "0001"
