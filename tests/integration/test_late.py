"""Readings that come late: what they open, end, move and withdraw, and what two passes do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from tankwatch.core.incident import IncidentState, Severity, Symptom
from tankwatch.jobs.commit import PassResult, commit
from tankwatch.jobs.context import Context
from tankwatch.jobs.deliver import deliver
from tankwatch.jobs.detect import detect, find_round, judge
from tankwatch.jobs.rewind import survey_site, take_back
from tankwatch.jobs.rounds import Round, TakenError
from tankwatch.jobs.scoring import load_plan
from tankwatch.jobs.train import train
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.transitions import load_transitions
from tankwatch.store.watermarks import claim
from tests.integration.plant import (
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    scores,
    store,
    told,
)

LEARNED, STEPS, TANKS = 1440, 2160, 3
Values = NDArray[np.float64]


@pytest.fixture
def values() -> Values:
    return quiet_values(TANKS, STEPS)


def plant(engine: Engine, home: Path, values: Values, **sections: dict[str, Any]) -> Context:
    """Return a plant that has learned its first day."""
    context = make_context(engine, make_settings(home, **sections))
    store(engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    return context


def send(context: Context, values: Values, first: int, last: int, *tanks: int) -> PassResult:
    """Store steps, and make a pass when the last of them has come."""
    store(context.engine, values, slice(first, last), tanks=tanks or None)
    return detect(context, now=at(last))


def of_tank(context: Context, tank: str) -> list[StoredIncident]:
    return [one for one in incidents(context.engine) if one.incident.tank == tank]


def history(context: Context, incident_id: int) -> list[tuple[str, str, str]]:
    with reading(context.engine) as connection:
        found = load_transitions(connection, incident_id)
    return [(change["event"], change["actor"], change["reason"]) for change in found]


def audit(context: Context) -> list[tuple[str, str, str, str]]:
    columns = "action, actor, subject, detail"
    query = f"SELECT {columns} FROM audit WHERE action <> 'promote' ORDER BY audit_id"  # noqa: S608
    with reading(context.engine) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


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


def begun(context: Context, now_step: int) -> Round:
    """Begin a pass as another daemon would, up to its claim."""
    plan = load_plan(context.engine, context.settings)
    turn = find_round(context, plan, "north", now=at(now_step))
    assert turn is not None
    with writing(context.engine) as connection:
        assert claim(connection, turn.seen_ms, until_ms=turn.until_ms) == set(turn.seen_ms)
    return turn


def test_a_pass_that_read_before_a_late_reading_cannot_store_over_what_it_changed(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    """One daemon has claimed and read, a reading comes late, another goes back for it."""
    context = plant(engine, tmp_path, values)
    values[1, 1600:1660, 0] -= 3.0
    late = values.copy()
    late[1, 1610:1640] = np.nan
    send(context, late, LEARNED, 1700)
    store(engine, values, slice(1700, 1800))
    plan = load_plan(engine, context.settings)
    judged = judge(context, plan, begun(context, 1800), now=at(1800))
    other = Context(engine, context.settings)
    send(other, values, 1610, 1640, 1)
    detect(other, now=at(1800))
    with pytest.raises(TakenError), writing(engine) as connection:
        commit(connection, context, plan, judged, now=at(1800), result=PassResult())
    stored = told(engine), scores(engine)
    detect(context, now=at(1800))
    assert_stored(context, stored)
    assert_like_in_order(context, values, 1800)


def test_of_two_passes_that_see_the_same_late_readings_one_goes_back(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    values[1, 1600:1660, 0] -= 3.0
    late = values.copy()
    late[1, 1610:1640] = np.nan
    send(context, late, LEARNED, 1700)
    store(engine, values, slice(1610, 1640), tanks=[1])
    plan = load_plan(engine, context.settings)
    seen = survey_site(context, plan, "north")
    assert len(seen.dirty) == 1
    detect(Context(engine, context.settings), now=at(1700))
    take_back(context, plan, seen, now=at(1700))
    assert [action for action, *_ in audit(context)].count("score-again") == 1
    assert_like_in_order(context, values, 1700)


def test_a_reading_that_comes_while_a_pass_goes_back_is_not_forgotten(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    values[1, 1600:1660, 0] -= 3.0
    late = values.copy()
    late[1, 1610:1640] = np.nan
    send(context, late, LEARNED, 1700)
    store(engine, values, slice(1610, 1625), tanks=[1])
    plan = load_plan(engine, context.settings)
    judged = judge(context, plan, begun(context, 1700), now=at(1700))
    store(engine, values, slice(1625, 1640), tanks=[1])
    with writing(engine) as connection:
        commit(connection, context, plan, judged, now=at(1700), result=PassResult())
    assert len(survey_site(context, plan, "north").dirty) == 1
    detect(context, now=at(1700))
    assert_like_in_order(context, values, 1700)


def test_a_pass_that_is_cut_off_after_going_back_is_taken_up(
    engine: Engine, tmp_path: Path, values: Values
) -> None:
    context = plant(engine, tmp_path, values)
    values[1, 1600:1660, 0] -= 3.0
    late = values.copy()
    late[1, 1610:1640] = np.nan
    send(context, late, LEARNED, 1900)
    store(engine, values, slice(1610, 1640), tanks=[1])
    plan = load_plan(engine, context.settings)
    judged = judge(context, plan, begun(context, 1900), now=at(1900))
    with writing(engine) as connection:
        commit(connection, context, plan, judged, now=at(1900), result=PassResult())
    # Between two rounds nothing is opened or withdrawn that the rest may show to be otherwise.
    assert [one.incident.historical for one in incidents(engine)] == [False]
    detect(Context(engine, context.settings), now=at(1900))
    assert_like_in_order(context, values, 1900)


def assert_stored(context: Context, stored: tuple[Any, NDArray[np.float64]]) -> None:
    assert told(context.engine) == stored[0]
    np.testing.assert_array_equal(scores(context.engine), stored[1])


def assert_like_in_order(context: Context, values: Values, until: int) -> None:
    """Compare with a plant that got the same readings in order and scored them in one pass."""
    found, found_scores = told(context.engine), scores(context.engine)
    with writing(context.engine) as connection:
        for table in ("transition", "outbox", "incident", "score", "detector_state"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        for table in ("checkpoint", "site_memory", "dirty_window"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        connection.execute(text("UPDATE watermark SET scored_until = NULL, claimed_until = NULL"))
    detect(context, now=at(until))
    assert found == told(context.engine)
    np.testing.assert_allclose(found_scores, scores(context.engine), atol=2e-4)
    assert np.isfinite(values[:, :until]).all()
