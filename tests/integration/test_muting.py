"""What mutes a tank: put down by operators, judged by the present, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tankwatch.core.incident import Nature
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.muting import Mute, MuteReason, SuppressionRule
from tankwatch.core.recurrence import Recurrence
from tankwatch.errors import UsageError
from tankwatch.store.corrections import correct_incident
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import apply_event
from tankwatch.store.maintenance import add_maintenance, cancel_maintenance, is_planned
from tankwatch.store.muting import load_muting
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.scope import EVERYWHERE, scope_of_site, scope_of_tank
from tankwatch.store.shelves import (
    load_shelves,
    put_back_in_service,
    shelve_until_clear,
    standing_incidents,
    take_out_of_service,
    unshelve,
)
from tankwatch.store.stretches import load_stretches
from tankwatch.store.suppression import (
    add_suppression,
    end_suppression,
    end_transfer,
    load_transfers,
    start_transfer,
)
from tests.integration.muting import DAY, HOUR, KIM, NOW, mute, put_on_shelf, scope, why
from tests.integration.plant_of_incidents import raise_incident


@pytest.fixture
def tanks(engine: Engine) -> dict[str, int]:
    with writing(engine) as connection:
        found = ensure_tanks(connection, ["T1", "T2"], site="north", at=NOW - DAY)
        return found | ensure_tanks(connection, ["T3"], site="south", at=NOW - DAY)


def test_shelved_tank_is_muted_until_its_time_is_up_and_no_other_tank_is(
    engine: Engine, tanks: dict[str, int]
) -> None:
    until = put_on_shelf(engine, scope(engine, tank="T1"), 8)
    assert mute(engine, tanks["T1"], NOW) == Mute(MuteReason.SHELVED, until, "kim: noisy")
    assert why(engine, tanks["T1"], until - timedelta(milliseconds=1)) == "shelved"
    assert why(engine, tanks["T1"], until) == ""
    assert why(engine, tanks["T1"], NOW - HOUR) == ""
    assert why(engine, tanks["T2"], NOW) == ""


def test_shelved_site_is_each_of_its_tanks_and_one_can_be_let_through_again(
    engine: Engine, tanks: dict[str, int]
) -> None:
    put_on_shelf(engine, scope(engine, site="north"), 8)
    assert [why(engine, tanks[name], NOW) for name in ("T1", "T2", "T3")] == ["shelved"] * 2 + [""]
    with writing(engine) as connection:
        what = scope_of_tank(connection, "T2")
        assert unshelve(connection, what, by=KIM, at=NOW + HOUR) == 1
    assert why(engine, tanks["T1"], NOW + HOUR) == "shelved"
    assert why(engine, tanks["T2"], NOW + HOUR) == ""
    assert why(engine, tanks["T2"], NOW) == "shelved"


def test_tank_shelved_again_is_shelved_once_until_the_new_time(
    engine: Engine, tanks: dict[str, int]
) -> None:
    put_on_shelf(engine, scope(engine, tank="T1"), 8)
    put_on_shelf(engine, scope(engine, tank="T1"), 1, reason="sooner")
    with reading(engine) as connection:
        assert [shelf.reason for shelf in load_shelves(connection, NOW)] == ["sooner"]
    assert why(engine, tanks["T1"], NOW + HOUR) == ""


@pytest.mark.parametrize(
    ("hours", "reason", "told"),
    [
        (24.1, "noisy", "longer than 1 d.*take it out of service, or raise alarms.longest_shelf_h"),
        (0, "noisy", "needs a time ahead"),
        (8, "  ", "needs a reason"),
    ],
)
@pytest.mark.usefixtures("tanks")
def test_shelving_without_reason_or_for_too_long_is_refused(
    engine: Engine, hours: float, reason: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        put_on_shelf(engine, scope(engine, tank="T1"), hours, reason=reason)


@pytest.mark.usefixtures("tanks")
def test_nothing_can_be_ended_that_does_not_hold(engine: Engine) -> None:
    what = scope(engine, tank="T1")
    with writing(engine) as connection:
        with pytest.raises(UsageError, match="tank T1 is not shelved"):
            unshelve(connection, what, by=KIM, at=NOW)
        with pytest.raises(UsageError, match="tank T1 is in service"):
            put_back_in_service(connection, what, by=KIM, at=NOW)
        with pytest.raises(UsageError, match="no suppression rule 7"):
            end_suppression(connection, 7, by=KIM, at=NOW)
        with pytest.raises(UsageError, match="no maintenance 7"):
            cancel_maintenance(connection, 7, by=KIM, at=NOW)
        with pytest.raises(UsageError, match="no transfer of tank T1 runs"):
            end_transfer(connection, what, by=KIM, at=NOW)
        with pytest.raises(UsageError, match="there is no tank 'T9'"):
            scope_of_tank(connection, "T9")
        with pytest.raises(UsageError, match="there is no site 'east'; there are: north, south"):
            scope_of_site(connection, "east")


def test_incident_shelved_until_it_clears_is_muted_alone_and_until_then(
    engine: Engine, tanks: dict[str, int]
) -> None:
    first = raise_incident(engine, tanks["T1"], NOW)
    other = raise_incident(engine, tanks["T1"], NOW + timedelta(minutes=1))
    with writing(engine) as connection:
        assert standing_incidents(connection, scope_of_tank(connection, "T1")) == [first, other]
        shelve_until_clear(connection, first, longest=7 * DAY, by=KIM, at=NOW, reason="known")
    assert why(engine, tanks["T1"], NOW + HOUR, first) == "one_shot"
    assert why(engine, tanks["T1"], NOW + HOUR, other) == ""
    assert why(engine, tanks["T1"], NOW + HOUR) == ""
    assert why(engine, tanks["T1"], NOW + 7 * DAY, first) == ""
    with writing(engine) as connection:
        end = {"at": NOW + HOUR, "ended_at": NOW + HOUR, "actor": "tankwatch"}
        apply_event(connection, first, IncidentEvent.RETURN, **end)  # type: ignore[arg-type]
    assert why(engine, tanks["T1"], NOW + HOUR, first) == ""
    with writing(engine) as connection, pytest.raises(UsageError, match="is over"):
        shelve_until_clear(connection, first, longest=DAY, by=KIM, at=NOW, reason="again")


def test_tank_out_of_service_is_muted_until_it_is_put_back(
    engine: Engine, tanks: dict[str, int]
) -> None:
    put_on_shelf(engine, scope(engine, tank="T1"), 8)
    what = scope(engine, tank="T1")
    with writing(engine) as connection:
        assert take_out_of_service(connection, what, by=KIM, at=NOW, reason="cleaning") == 1
        with pytest.raises(UsageError, match="out of service already"):
            take_out_of_service(connection, what, by=KIM, at=NOW, reason="cleaning")
    later = NOW + 900 * DAY
    assert mute(engine, tanks["T1"], later) == Mute(
        MuteReason.OUT_OF_SERVICE, None, "kim: cleaning"
    )
    with writing(engine) as connection:
        assert put_back_in_service(connection, what, by=KIM, at=later) == 1
    assert why(engine, tanks["T1"], later) == ""


def test_window_of_maintenance_mutes_its_tanks_each_time_it_comes(
    engine: Engine, tanks: dict[str, int]
) -> None:
    start = NOW - 14 * DAY - 5 * HOUR  # 08:00 in Oslo, two weeks ago
    weekly = Recurrence(start, start + 2 * HOUR, "FREQ=WEEKLY;BYDAY=TU", "Europe/Oslo")
    with writing(engine) as connection:
        north = scope_of_site(connection, "north")
        key = add_maintenance(connection, north, weekly, by=KIM, at=NOW, reason="pump swap")
    winter, summer = NOW - 5 * HOUR, NOW + 7 * DAY - 6 * HOUR
    assert mute(engine, tanks["T1"], winter) == Mute(
        MuteReason.MAINTENANCE, winter + 2 * HOUR, "kim: pump swap"
    )
    assert why(engine, tanks["T1"], winter - timedelta(milliseconds=1)) == ""
    assert why(engine, tanks["T1"], winter + 2 * HOUR) == ""
    assert why(engine, tanks["T2"], summer) == "maintenance"
    assert why(engine, tanks["T2"], summer - HOUR / 2) == ""
    assert why(engine, tanks["T3"], summer) == ""
    with writing(engine) as connection:
        cancel_maintenance(connection, key, by=KIM, at=NOW)
    assert why(engine, tanks["T2"], summer) == ""
    assert why(engine, tanks["T2"], winter) == "maintenance"


def test_jobs_know_of_maintenance_that_comes_again(engine: Engine, tanks: dict[str, int]) -> None:
    start = NOW - 21 * DAY
    daily = Recurrence(start, start + HOUR, "FREQ=DAILY", "UTC")
    with writing(engine) as connection:
        key = add_maintenance(
            connection, scope_of_tank(connection, "T2"), daily, by=KIM, at=NOW, reason="sampling"
        )
        assert is_planned(connection, tanks["T2"], NOW + HOUR / 2, NOW + HOUR)
        assert not is_planned(connection, tanks["T2"], NOW + 2 * HOUR, NOW + 3 * HOUR)
        assert not is_planned(connection, tanks["T1"], NOW, NOW + HOUR)
        cancel_maintenance(connection, key, by=KIM, at=NOW - DAY + HOUR / 2)
        assert not is_planned(connection, tanks["T2"], NOW, NOW + HOUR)
        stretches = load_stretches(connection, recurring=(NOW - 2 * DAY, NOW + 9 * DAY))
    spans = [(one.tank_id, one.start, one.end) for one in stretches]
    assert spans == [
        (tanks["T2"], NOW - 2 * DAY, NOW - 2 * DAY + HOUR),
        (tanks["T2"], NOW - DAY, NOW - DAY + HOUR / 2),
    ]


def test_transfer_mutes_a_tank_only_where_a_rule_says_so(
    engine: Engine, tanks: dict[str, int]
) -> None:
    for name in ("T1", "T3"):
        with writing(engine) as connection:
            what = scope_of_tank(connection, name)
            start_transfer(connection, what, span=12 * HOUR, longest=3 * DAY, by=KIM, at=NOW)
    assert why(engine, tanks["T1"], NOW) == ""
    rule, reason = SuppressionRule.TRANSFER, "levels jump"
    with writing(engine) as connection:
        north = scope_of_site(connection, "north")
        key = add_suppression(connection, north, rule, by=KIM, at=NOW, reason=reason)
    until = NOW + 12 * HOUR
    assert mute(engine, tanks["T1"], NOW) == Mute(
        MuteReason.SUPPRESSED_TRANSFER, until, "kim: levels jump"
    )
    assert [why(engine, tanks[name], NOW) for name in ("T2", "T3")] == ["", ""]
    assert why(engine, tanks["T1"], until) == ""
    with writing(engine) as connection:
        end_transfer(connection, scope_of_tank(connection, "T1"), by=KIM, at=NOW + HOUR)
        assert [one.tank for one in load_transfers(connection, NOW + HOUR)] == ["T3"]
    assert why(engine, tanks["T1"], NOW + HOUR) == ""
    with writing(engine) as connection:
        end_suppression(connection, key, by=KIM, at=NOW + HOUR)
    assert why(engine, tanks["T1"], NOW + HOUR / 2) == "suppressed_transfer"


def test_maintenance_that_keeps_mail_mutes_where_a_rule_says_so(
    engine: Engine, tanks: dict[str, int]
) -> None:
    once = Recurrence(NOW, NOW + 4 * HOUR)
    with writing(engine) as connection:
        north = scope_of_site(connection, "north")
        add_maintenance(connection, north, once, by=KIM, at=NOW, reason="roads", mutes=False)
        what = scope_of_tank(connection, "T2")
        rule = SuppressionRule.MAINTENANCE
        add_suppression(connection, what, rule, by=KIM, at=NOW, reason="shakes", until=NOW + HOUR)
    assert why(engine, tanks["T1"], NOW) == ""
    assert mute(engine, tanks["T2"], NOW) == Mute(
        MuteReason.SUPPRESSED_MAINTENANCE, NOW + HOUR, "kim: shakes"
    )
    assert why(engine, tanks["T2"], NOW + HOUR) == ""


def test_tank_with_a_bad_sensor_is_muted_but_for_the_sensor_while_its_incident_stands(
    engine: Engine, tanks: dict[str, int]
) -> None:
    rule = SuppressionRule.BAD_SENSOR
    with writing(engine) as connection:
        add_suppression(connection, EVERYWHERE, rule, by=KIM, at=NOW, reason="parts ordered")
    elsewhere = raise_incident(engine, tanks["T1"], NOW)
    process = raise_incident(engine, tanks["T2"], NOW)
    sensor = raise_incident(engine, tanks["T2"], NOW - HOUR)
    with writing(engine) as connection:
        correct_incident(connection, sensor, nature=Nature.SENSOR.value)
    assert why(engine, tanks["T1"], NOW, elsewhere) == ""
    for incident in (process, None):
        assert mute(engine, tanks["T2"], NOW, incident) == Mute(
            MuteReason.SUPPRESSED_BAD_SENSOR, None, "kim: parts ordered"
        )
    assert why(engine, tanks["T2"], NOW, sensor) == ""
    with writing(engine) as connection:
        end = {"at": NOW, "ended_at": NOW, "actor": "tankwatch"}
        apply_event(connection, sensor, IncidentEvent.RETURN, **end)  # type: ignore[arg-type]
    assert why(engine, tanks["T2"], NOW, process) == ""


def test_of_several_mutes_the_most_telling_is_shown(engine: Engine, tanks: dict[str, int]) -> None:
    put_on_shelf(engine, scope(engine, tank="T1"), 8)
    once = Recurrence(NOW, NOW + 4 * HOUR)
    with writing(engine) as connection:
        what = scope_of_tank(connection, "T1")
        add_maintenance(connection, what, once, by=KIM, at=NOW, reason="inspection")
        found = load_muting(connection, NOW).all_of(tanks["T1"])
    assert [one.reason.value for one in found] == ["shelved", "maintenance"]
    assert why(engine, tanks["T1"], NOW) == "shelved"


@pytest.mark.usefixtures("tanks")
def test_who_muted_what_from_where_and_why_is_audited(engine: Engine) -> None:
    put_on_shelf(engine, scope(engine, site="north"), 8)
    with reading(engine) as connection:
        row = connection.execute(
            text("SELECT actor, action, subject, detail, via, address FROM audit")
        ).one()
    assert tuple(row) == (
        *("kim", "shelve", "site north", "until 2026-03-24 20:00 UTC: noisy"),
        *("page", "192.0.2.7"),
    )


@pytest.mark.parametrize(
    ("span", "reason", "told"),
    [(0 * HOUR, "x", "takes more than no time"), (HOUR, "", "needs a reason")],
)
@pytest.mark.usefixtures("tanks")
def test_maintenance_without_time_or_reason_is_refused(
    engine: Engine, span: timedelta, reason: str, told: str
) -> None:
    what, once = scope(engine, tank="T1"), Recurrence(NOW, NOW + span)
    with writing(engine) as connection, pytest.raises(UsageError, match=told):
        add_maintenance(connection, what, once, by=KIM, at=NOW, reason=reason)
