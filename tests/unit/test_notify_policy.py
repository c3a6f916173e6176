"""Which messages leave the house, and why the others do not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tankwatch.core.incident import (
    Incident,
    IncidentState,
    MessageKind,
    Notice,
    Severity,
    Symptom,
)
from tankwatch.notify.policy import Reason, decide, decide_escalation, decide_recipient

STARTED = datetime(2026, 3, 2, 5, 12, tzinfo=UTC)
RAISED = STARTED + timedelta(minutes=3)
INCIDENT = Incident(
    uid="3f9a1c2b77d04e51",
    site="north",
    tank="TK-104",
    state=IncidentState.UNACKNOWLEDGED,
    severity=Severity.ALARM,
    detector="autoencoder",
    channel="pressure",
    share=0.87,
    symptom=Symptom.BELOW_EXPECTED,
    started_at=STARTED,
    raised_at=RAISED,
    ended_at=None,
    peak_score=4.1,
)
ALARM = Notice(INCIDENT, MessageKind.ALARM, "<a@farm.example>", "<a@farm.example>", RAISED)
WITHDRAWAL = replace(ALARM, kind=MessageKind.WITHDRAWAL, message_id="<w@farm.example>")
ALL_CLEAR = replace(ALARM, kind=MessageKind.ALL_CLEAR, message_id="<c@farm.example>")


def decided(
    notice: Notice,
    *,
    mail_enabled: bool = True,
    recipients: tuple[str, ...] = ("control.room@farm.example",),
    alarm_sent: bool = True,
    waited: timedelta = timedelta(seconds=20),
) -> Reason:
    return decide(
        notice,
        mail_enabled=mail_enabled,
        recipients=recipients,
        alarm_sent=alarm_sent,
        now=notice.queued_at + waited,
        page_within_s=3600,
    )


def test_fresh_alarm_is_sent() -> None:
    assert decided(ALARM, alarm_sent=False) is Reason.SEND_ALARM


def test_all_clear_follows_an_alarm_that_was_sent() -> None:
    assert decided(ALL_CLEAR) is Reason.SEND_ALL_CLEAR
    assert decided(ALL_CLEAR, alarm_sent=False) is Reason.HOLD_ALARM_NEVER_SENT


def test_a_withdrawal_follows_an_alarm_that_was_sent() -> None:
    assert decided(WITHDRAWAL) is Reason.SEND_WITHDRAWAL
    assert decided(WITHDRAWAL, alarm_sent=False) is Reason.HOLD_ALARM_NEVER_SENT


def test_nothing_is_sent_while_mail_is_off_or_nobody_listens() -> None:
    assert decided(ALARM, mail_enabled=False) is Reason.HOLD_MAIL_OFF
    assert decided(ALL_CLEAR, mail_enabled=False) is Reason.HOLD_MAIL_OFF
    assert decided(ALARM, recipients=()) is Reason.HOLD_NO_RECIPIENT
    assert decided(ALL_CLEAR, recipients=(" ",)) is Reason.HOLD_NO_RECIPIENT


@pytest.mark.parametrize("severity", [Severity.ALERT, Severity.JOURNAL])
def test_only_an_alarm_pages(severity: Severity) -> None:
    notice = replace(ALARM, incident=replace(INCIDENT, severity=severity))
    assert decided(notice) is Reason.HOLD_NOT_ALARM_SEVERITY


def test_historical_incident_never_pages() -> None:
    notice = replace(ALARM, incident=replace(INCIDENT, historical=True))
    assert decided(notice) is Reason.HOLD_HISTORICAL


def test_incident_found_too_long_after_it_began_does_not_page() -> None:
    at_the_limit = replace(ALARM, queued_at=STARTED + timedelta(seconds=3600))
    too_late = replace(ALARM, queued_at=STARTED + timedelta(seconds=3601))
    assert decided(at_the_limit) is Reason.SEND_ALARM
    assert decided(too_late) is Reason.HOLD_HISTORICAL


def test_alarm_that_was_closed_before_it_left_is_held() -> None:
    notice = replace(ALARM, incident=replace(INCIDENT, state=IncidentState.CLOSED))
    assert decided(notice) is Reason.HOLD_ALREADY_CLOSED


def test_alarm_that_still_stands_is_sent_however_long_it_waited() -> None:
    assert decided(ALARM, waited=timedelta(days=2)) is Reason.SEND_ALARM


def test_alarm_that_is_over_is_sent_only_while_it_is_fresh() -> None:
    over = replace(INCIDENT, ended_at=STARTED + timedelta(minutes=30))
    notice = replace(ALARM, incident=over)
    assert decided(notice, waited=timedelta(minutes=59)) is Reason.SEND_ALARM
    assert decided(notice, waited=timedelta(minutes=61)) is Reason.HOLD_WAITED_TOO_LONG


def test_only_the_send_reasons_send() -> None:
    for reason in Reason:
        assert reason.is_send is reason.name.startswith("SEND_"), reason


@pytest.mark.parametrize("least", [Severity.ALERT, Severity.JOURNAL])
def test_who_asked_for_less_severe_ones_is_told_of_them(least: Severity) -> None:
    alert = replace(ALARM, incident=replace(INCIDENT, severity=Severity.ALERT))
    told = decide(
        alert,
        mail_enabled=True,
        recipients=("a",),
        alarm_sent=False,
        now=RAISED,
        page_within_s=60_000,
        least=least,
    )
    assert told is Reason.SEND_ALARM


def test_escalation_is_held_once_somebody_answered_or_it_is_over() -> None:
    assert decide_escalation(is_acknowledged=False, is_over=False) is Reason.SEND_ESCALATED
    assert decide_escalation(is_acknowledged=True, is_over=False) is Reason.HOLD_ACKNOWLEDGED
    assert decide_escalation(is_acknowledged=False, is_over=True) is Reason.HOLD_OVER


def test_operator_who_cannot_be_reached_is_held_for_that() -> None:
    assert decide_recipient(is_active=True, email="kim@x.example") is None
    assert decide_recipient(is_active=False, email="kim@x.example") is Reason.HOLD_OPERATOR_DISABLED
    assert decide_recipient(is_active=True, email=" ") is Reason.HOLD_NO_ADDRESS
