"""What latches is reset by a command, and what is not latched is refused."""

from datetime import UTC, datetime
from pathlib import Path

from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.store.engine import connect, writing
from tankwatch.store.incidents import apply_event
from tankwatch.store.plant import ensure_tanks
from tests.acceptance.program import inside, inside_json, run_json
from tests.integration.plant_of_incidents import raise_incident


def test_operator_acknowledges_and_resets_what_is_latched(tmp_path: Path) -> None:
    inside(tmp_path, "init")
    engine = connect("sqlite:///tankwatch.db", home=tmp_path)
    now = datetime.now(UTC)
    with writing(engine) as connection:
        tank = ensure_tanks(connection, ["T1"], site="north", at=now)["T1"]
    key = raise_incident(engine, tank, now, latching=True)
    kim = ("--by", "kim")

    refused = inside(tmp_path, "reset", str(key), *kim, code=2)
    assert "that is unacknowledged cannot reset" in refused.stderr
    with writing(engine) as connection:
        event = IncidentEvent.RETURN
        apply_event(connection, key, event, at=now, actor="tankwatch", ended_at=now)
    engine.dispose()
    assert run_json(tmp_path, "ack", str(key), *kim)["state"] == "latched_acknowledged"
    told = inside(tmp_path, "reset", str(key), *kim, "--reason", "vent looked at").stdout
    assert told == f"incident {key} is closed\n"
    history = inside_json(tmp_path, "incidents", str(key))["history"]
    assert [(one["event"], one["actor"]) for one in history] == [
        ("raise", "tankwatch"),
        ("latch", "tankwatch"),
        ("acknowledge", "kim"),
        ("reset", "kim"),
    ]
    assert history[-1]["reason"] == "vent looked at"
