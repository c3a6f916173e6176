"""Readings that come late: what they open, end, move and withdraw, and what two passes do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from tankwatch.core.incident import IncidentState, Severity, Symptom
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import find_round
from tankwatch.jobs.rewind import survey_site
from tankwatch.scoring.plan import load_plan
from tankwatch.store.engine import Engine, reading
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.transitions import load_transitions
from tests.integration.late_plant import LEARNED, STEPS, TANKS, Values, audit, plant, send
from tests.integration.plant import (
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    scores,
)


@pytest.fixture
def values() -> Values:
    return quiet_values(TANKS, STEPS)


def of_tank(context: Context, tank: str) -> list[StoredIncident]:
    return [one for one in incidents(context.engine) if one.incident.tank == tank]


def history(context: Context, incident_id: int) -> list[tuple[str, str, str]]:
    with reading(context.engine) as connection:
        found = load_transitions(connection, incident_id)
    return [(change["event"], change["actor"], change["reason"]) for change in found]


def mails(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "outbox").glob("*.eml"))


def test_a_silence_that_late_readings_fill_is_withdrawn_and_whoever_was_told_is_told(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    silent = values.copy()
    silent[1, 1600:1660] = np.nan
    assert send(context, silent, LEARNED, 1660).raised == 1
    assert deliver(context, now=at(1660)).sent == 1
    result = send(context, values, 1600, 1660, 1)
    assert result.settled.withdrawn == 1
    assert deliver(context, now=at(1661)).sent == 1
    (stale,) = of_tank(context, "TK-2")
    assert (stale.incident.symptom, stale.incident.state) == (Symptom.STALE, IncidentState.CLOSED)
    event, actor, reason = history(context, stale.incident_id)[-1]
    assert (event, actor) == ("withdraw", "tankwatch")
    assert "TK-2 2026-03-03T02:40:00Z to 2026-03-03T03:38:00Z" in reason
    actions = {action: (who, subject) for action, who, subject, _ in audit(context)}
    assert actions["withdraw"] == ("tankwatch", f"incident {stale.incident_id} of TK-2")
    assert actions["score-again"] == ("tankwatch", "north")
    (mail,) = [p for p in (tmp_path / "outbox").glob("*.eml") if "withdrawal" in p.read_text()]
    assert "Subject: Alarm withdrawn: TK-2" in mail.read_text()


def test_nobody_is_told_of_a_withdrawal_who_was_not_told_of_the_alarm(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    silent = values.copy()
    silent[1, 1600:1660] = np.nan
    send(context, silent, LEARNED, 1660)
    send(context, values, 1600, 1660, 1)
    result = deliver(context, now=at(1661))
    assert (result.sent, result.held) == (0, 2)
    assert mails(tmp_path) == []


def test_what_late_readings_show_to_stand_is_paged_and_what_is_over_is_filed(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values, late={"wait_s": 60})
    values[0, 1600:1620, 0] -= 3.0
    values[1, 1600:, 0] -= 3.0
    late = values.copy()
    late[:2, 1595:1670] = np.nan
    send(context, late, LEARNED, 1670)
    send(context, values, 1595, 1670, 0, 1)
    over = [one.incident for one in of_tank(context, "TK-1") if one.incident.symptom != "stale"]
    stands = [one.incident for one in of_tank(context, "TK-2") if one.incident.symptom != "stale"]
    assert [(one.historical, one.severity) for one in over] == [(True, Severity.JOURNAL)]
    assert [(one.historical, one.severity) for one in stands] == [(False, Severity.ALARM)]
    assert [action for action, *_ in audit(context)].count("historical") == 1


def test_a_correction_moves_the_end_of_an_incident_and_tells_it(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    values[1, 1600:1660, 0] -= 3.0
    send(context, values, LEARNED, 1900)
    (before,) = of_tank(context, "TK-2")
    values[1, 1640:1660, 0] += 3.0
    result = send(context, values, 1640, 1660, 1)
    assert result.settled.corrected == 1
    (after,) = of_tank(context, "TK-2")
    assert after.incident.uid == before.incident.uid
    assert before.incident.ended_at is not None
    assert after.incident.ended_at is not None
    assert after.incident.ended_at < before.incident.ended_at
    assert history(context, after.incident_id)[-1][0] == "correct"


def test_an_incident_that_goes_on_after_all_is_open_again_and_paged_again(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    faulty = values.copy()
    faulty[1, 1600:, 0] -= 3.0
    seen = faulty.copy()
    seen[1, 1700:, 0] += 3.0  # a gateway sends what it expects, and the readings after it
    send(context, seen, LEARNED, 1800)
    assert deliver(context, now=at(1800)).sent == 2
    send(context, faulty, 1700, 1800, 1)
    (again,) = of_tank(context, "TK-2")
    assert again.incident.ended_at is None
    assert again.incident.state is IncidentState.UNACKNOWLEDGED
    assert deliver(context, now=at(1801)).sent == 1
    assert "reopen" in [event for event, *_ in history(context, again.incident_id)]


def test_what_is_older_than_every_checkpoint_is_stored_and_recorded(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values, late={"horizon_h": 1.0, "checkpoint_h": 1.0})
    send(context, values, LEARNED, STEPS)
    before = scores(engine)
    values[1, 1500:1560, 0] -= 3.0
    result = send(context, values, 1500, 1560, 1)
    assert result.rescored == 0
    np.testing.assert_array_equal(scores(engine), before)
    (record,) = audit(context)
    assert record[:3] == ("late-beyond-horizon", "tankwatch", "TK-2")
    assert "2026-03-03T01:00:00Z to 2026-03-03T01:59:00Z" in record[3]
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM dirty_window")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM checkpoint")).scalar_one() <= 9


def test_a_new_tank_with_an_old_history_catches_up_with_its_site(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values[:2], late={"horizon_h": 1.0, "checkpoint_h": 1.0})
    send(context, values[:2], LEARNED, STEPS)
    values[2, 1000:1060, 0] = 9.0
    context = make_context(
        engine,
        make_settings(
            tmp_path,
            late={"horizon_h": 1.0, "checkpoint_h": 1.0},
            channels={"pressure": {"high": 5.0}},
        ),
    )
    send(context, values, 0, STEPS, 2)
    (found,) = of_tank(context, "TK-3")
    assert (found.incident.symptom, found.incident.started_at) == (Symptom.ABOVE_LIMIT, at(1000))
    turn = find_round(context, load_plan(engine, context.settings), "north", now=at(STEPS))
    assert turn is None


@pytest.mark.parametrize(
    ("sections", "scored"),
    [
        ({}, {0: 1549, 1: 1549, 2: 1549}),
        ({"grid": {"lateness_s": 300}}, {0: 1544, 1: 1544, 2: 1544}),
        ({"late": {"sites": {"north": 120}, "tanks": {"TK-2": 600}}}, {0: 1547, 1: 1539, 2: 1547}),
    ],
)
def test_each_tank_is_scored_up_to_its_own_allowed_lateness(
    engine: Engine,
    tmp_path: Path,
    values: Values,
    sections: dict[str, Any],
    scored: dict[int, int],
) -> None:
    context = plant(engine, tmp_path, values)
    context = make_context(engine, make_settings(tmp_path, **sections))
    send(context, values, LEARNED, 1550)
    survey = survey_site(context, load_plan(engine, context.settings), "north")
    assert {mark.tank_id - 1: mark.scored_ms for mark in survey.marks} == {
        tank: int(at(step).timestamp() * 1000) for tank, step in scored.items()
    }
