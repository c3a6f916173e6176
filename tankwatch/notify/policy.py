"""Whether a queued message leaves the house, as a reason that is stored and shown."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from tankwatch.core.incident import IncidentState, MessageKind, Notice, Severity
from tankwatch.core.muting import MuteReason
from tankwatch.core.siblings import SiteNotice


class Reason(StrEnum):
    """Why a message is sent or held."""

    SEND_ALARM = "send_alarm"
    SEND_ALL_CLEAR = "send_all_clear"
    SEND_WITHDRAWAL = "send_withdrawal"
    SEND_ESCALATED = "send_escalated"
    SEND_GROUPED = "send_grouped"
    SEND_REALARM = "send_realarm"
    SEND_CHATTERING = "send_chattering"
    SEND_SETTLED = "send_settled"
    HOLD_MAIL_OFF = "hold_mail_off"
    HOLD_NO_RECIPIENT = "hold_no_recipient"
    HOLD_NOT_ALARM_SEVERITY = "hold_not_alarm_severity"
    HOLD_HISTORICAL = "hold_historical"
    HOLD_WAITED_TOO_LONG = "hold_waited_too_long"
    HOLD_ALREADY_CLOSED = "hold_already_closed"
    HOLD_ALARM_NEVER_SENT = "hold_alarm_never_sent"
    HOLD_GROUPED = "hold_grouped"
    HOLD_OUT_OF_SERVICE = "hold_out_of_service"
    HOLD_ONE_SHOT = "hold_one_shot"
    HOLD_SHELVED = "hold_shelved"
    HOLD_MAINTENANCE = "hold_maintenance"
    HOLD_SUPPRESSED_MAINTENANCE = "hold_suppressed_maintenance"
    HOLD_SUPPRESSED_TRANSFER = "hold_suppressed_transfer"
    HOLD_SUPPRESSED_BAD_SENSOR = "hold_suppressed_bad_sensor"
    HOLD_ACKNOWLEDGED = "hold_acknowledged"
    HOLD_TOLD = "hold_told"
    HOLD_OVER = "hold_over"
    HOLD_CHATTERING = "hold_chattering"
    HOLD_STANDS = "hold_stands"
    HOLD_OPERATOR_DISABLED = "hold_operator_disabled"
    HOLD_NO_ADDRESS = "hold_no_address"
    HOLD_OTHER_SITE = "hold_other_site"

    @property
    def is_send(self) -> bool:
        """Return whether the message is to be sent."""
        return self.value.startswith("send_")

    @property
    def is_mute(self) -> bool:
        """Return whether it holds for a time, while a tank is muted."""
        return self in {Reason.of_mute(reason) for reason in MuteReason}

    @classmethod
    def of_mute(cls, reason: MuteReason) -> "Reason":
        """Return the reason for which a message is held while a tank is muted for `reason`."""
        return cls(f"hold_{reason.value}")


_ENDS = {
    MessageKind.ALL_CLEAR: Reason.SEND_ALL_CLEAR,
    MessageKind.WITHDRAWAL: Reason.SEND_WITHDRAWAL,
    MessageKind.SETTLED: Reason.SEND_SETTLED,
}


def decide(
    notice: Notice,
    *,
    mail_enabled: bool,
    recipients: Sequence[str],
    alarm_sent: bool,
    now: datetime,
    page_within_s: float,
    least: Severity = Severity.ALARM,
    was_muted: bool = False,
) -> Reason:
    """Return what to do with `notice`, and why.

    An alarm is held when it came too late to act on: its incident was found more than
    `page_within_s` after it began, an operator closed it already, or it is over and the message
    waited for more than `page_within_s`.  An all-clear, and the withdrawal of an alarm, go to
    whoever got the alarm: they are held only if nobody did, since an alarm that leaves after the
    end says itself that it is over.

    `alarm_sent` is whether the incident's alarm was handed over; `least` the severity from which
    on the recipient asked to be told, for others only an alarm pages; `was_muted` whether the
    message was held while its tank was muted, or its incident got worse: what then stands or is
    latched was not found late.
    """
    if not mail_enabled:
        return Reason.HOLD_MAIL_OFF
    if not any(recipient.strip() for recipient in recipients):
        return Reason.HOLD_NO_RECIPIENT
    if notice.kind in _ENDS:
        return _ENDS[notice.kind] if alarm_sent else Reason.HOLD_ALARM_NEVER_SENT
    within = timedelta(seconds=page_within_s)
    reason = _decide_alarm(notice, now, within, least, was_muted=was_muted)
    if notice.kind is MessageKind.CHATTERING and reason is Reason.SEND_ALARM:
        return Reason.SEND_CHATTERING
    return reason


def decide_site(
    notice: SiteNotice,
    *,
    recipients: Sequence[str],
    alarm_sent: bool,
    now: datetime,
    page_within_s: float,
    was_muted: bool = False,
) -> Reason:
    """Return what to do with a message about a site, and why; see `decide`."""
    if not any(recipient.strip() for recipient in recipients):
        return Reason.HOLD_NO_RECIPIENT
    if notice.kind is MessageKind.SITE_ALL_CLEAR:
        return Reason.SEND_ALL_CLEAR if alarm_sent else Reason.HOLD_ALARM_NEVER_SENT
    within = timedelta(seconds=page_within_s)
    stands_after_mute = was_muted and notice.ended_at is None
    if notice.queued_at - notice.started_at > within and not stands_after_mute:
        return Reason.HOLD_HISTORICAL
    if all(member.state is IncidentState.CLOSED for member in notice.members):
        return Reason.HOLD_ALREADY_CLOSED
    if notice.ended_at is not None and now - notice.queued_at > within:
        return Reason.HOLD_WAITED_TOO_LONG
    return Reason.SEND_ALARM


def decide_escalation(*, is_acknowledged: bool, is_over: bool) -> Reason:
    """Return whether what was told to others before is told to the next ones, and why.

    What is over asks for nobody else: who was told first still has to acknowledge it.
    """
    if is_acknowledged:
        return Reason.HOLD_ACKNOWLEDGED
    return Reason.HOLD_OVER if is_over else Reason.SEND_ESCALATED


def decide_realarm(*, alarm_sent: bool, is_acknowledged: bool, is_over: bool) -> Reason:
    """Return whether what was told is told again to the same recipients, and why."""
    if not alarm_sent:
        return Reason.HOLD_ALARM_NEVER_SENT
    if is_acknowledged:
        return Reason.HOLD_ACKNOWLEDGED
    return Reason.HOLD_OVER if is_over else Reason.SEND_REALARM


def decide_recipient(*, is_active: bool, email: str) -> Reason | None:
    """Return why an operator is not told whatever it is; None if there is nothing against it."""
    if not is_active:
        return Reason.HOLD_OPERATOR_DISABLED
    return None if email.strip() else Reason.HOLD_NO_ADDRESS


def _decide_alarm(
    notice: Notice, now: datetime, within: timedelta, least: Severity, *, was_muted: bool
) -> Reason:
    incident = notice.incident
    if incident.severity.rank < least.rank:
        return Reason.HOLD_NOT_ALARM_SEVERITY
    waits_after_mute = was_muted and (incident.ended_at is None or incident.state.is_latched)
    is_late = notice.queued_at - incident.started_at > within and not waits_after_mute
    if incident.historical or is_late:
        return Reason.HOLD_HISTORICAL
    if incident.state is IncidentState.CLOSED:
        return Reason.HOLD_ALREADY_CLOSED
    if incident.ended_at is not None and now - notice.queued_at > within:
        return Reason.HOLD_WAITED_TOO_LONG
    return Reason.SEND_ALARM
