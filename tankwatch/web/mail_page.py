"""What the page behind a mail's button shows: what it would do, or what was done already."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from tankwatch.core.incident import IncidentState
from tankwatch.core.mail_action import BUTTON_WORDS, LinkClaim, MailAction
from tankwatch.core.muting import ShelfKind
from tankwatch.notify import wording
from tankwatch.store.mail_acts import VERDICTS, LinkLook, LinkState
from tankwatch.store.operators import NOT_A_FAULT, REAL_FAULT

_QUESTION: Final = {
    MailAction.ACKNOWLEDGE: "Acknowledge this alarm?",
    MailAction.SHELVE_1H: "Shelve this tank for 1 h?",
    MailAction.SHELVE_8H: "Shelve this tank for 8 h?",
    MailAction.SHELVE_UNTIL_CLEAR: "Shelve this alarm until it clears?",
    MailAction.NOT_A_FAULT: "Was this not a fault?",
    MailAction.REAL_FAULT: "Was this a real fault?",
}
_DONE: Final = {
    MailAction.ACKNOWLEDGE: "Acknowledged",
    MailAction.SHELVE_1H: "Shelved for 1 h",
    MailAction.SHELVE_8H: "Shelved for 8 h",
    MailAction.SHELVE_UNTIL_CLEAR: "Shelved until it clears",
    MailAction.NOT_A_FAULT: "Put down as not a fault",
    MailAction.REAL_FAULT: "Put down as a real fault",
}
_SHELVING: Final = "No mail about it is sent in that time; detection and records go on."
_MEANS: Final = {
    MailAction.SHELVE_1H: _SHELVING,
    MailAction.SHELVE_8H: _SHELVING,
    MailAction.SHELVE_UNTIL_CLEAR: _SHELVING,
    MailAction.ACKNOWLEDGE: "The record shows that you have seen it. Nothing is switched off.",
    MailAction.NOT_A_FAULT: "The tank's threshold learns from it, and the models may learn this "
    "time as normal.",
    MailAction.REAL_FAULT: "The models never learn this time as normal.",
}
_STATE_WORDS: Final = {
    IncidentState.UNACKNOWLEDGED: "standing, not acknowledged",
    IncidentState.ACKNOWLEDGED: "standing, acknowledged",
    IncidentState.RETURNED_UNACKNOWLEDGED: "over, not acknowledged",
    IncidentState.LATCHED_UNACKNOWLEDGED: "over, latched, not acknowledged",
    IncidentState.LATCHED_ACKNOWLEDGED: "over, latched, acknowledged",
    IncidentState.CLOSED: "closed",
}
_SHELF_WORDS: Final = {
    ShelfKind.SHELVED: "Shelved",
    ShelfKind.ONE_SHOT: "Shelved until it clears",
    ShelfKind.OUT_OF_SERVICE: "Out of service",
}
_VERDICT_WORDS: Final = {NOT_A_FAULT: "not a fault", REAL_FAULT: "a real fault"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of what is known of the incident."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class ActView:
    """The page; `button` is empty where nothing can be done, `why` where nothing can be added.

    `needs_why` is whether something must be added.
    """

    title: str
    about: str
    told: str
    button: str
    why: str
    needs_why: bool
    rows: tuple[Row, ...]
    uid: str


def act_view(claim: LinkClaim, look: LinkLook, zone: ZoneInfo) -> ActView:
    """Return the page of a link that is not refused, with times in the plant's zone."""
    assert look.stored is not None  # noqa: S101 - only a refusal has none
    incident = look.stored.incident
    name = f"{wording.clean_name(incident.tank)} {wording.channel_label(incident.channel)}"
    is_ready = look.state is LinkState.READY
    title, told = _ready(claim) if is_ready else _told(claim, look, zone)
    return ActView(
        title=title,
        about=f"{name} {wording.SYMPTOM_WORDS[incident.symptom]}",
        told=told,
        button=BUTTON_WORDS[claim.action] if is_ready else "",
        why=_why(claim.action) if is_ready else "",
        needs_why=claim.action.is_shelving,
        rows=_rows(look, zone),
        uid=incident.uid,
    )


def _why(action: MailAction) -> str:
    if action.is_shelving:
        return "Why, for those who wonder later?"
    return "What was the cause, if you know it?" if action in VERDICTS else ""


def _ready(claim: LinkClaim) -> tuple[str, str]:
    return _QUESTION[claim.action], f"Nothing has happened yet. {_MEANS[claim.action]}"


def _told(claim: LinkClaim, look: LinkLook, zone: ZoneInfo) -> tuple[str, str]:
    """Return the headline and the sentence of a link that does nothing any more."""
    done, at = _DONE[claim.action], _time(look.at, zone)
    match look.state:
        case LinkState.USED:
            place = f" from {look.address}" if look.address else ""
            told = f"{look.by} did this on {at}{place}. A button acts once."
            return done, told
        case LinkState.ACKNOWLEDGED | LinkState.LABELLED:
            return f"{done} already", f"{look.by} did this on {at}: nothing is left to do."
        case LinkState.OVER:
            return "This alarm is over", f"It cleared on {at}: nothing is left to shelve."
        case LinkState.WITHDRAWN:
            told = f"Readings that came later show that nothing was wrong: withdrawn on {at}."
            return "This alarm was withdrawn", told
        case _:
            return "This incident is closed", f"It was closed on {at}: nothing is left to do."


def _rows(look: LinkLook, zone: ZoneInfo) -> tuple[Row, ...]:
    assert look.stored is not None  # noqa: S101
    stored, incident = look.stored, look.stored.incident
    rows = [
        Row(
            "Tank", f"{wording.clean_name(incident.tank)}, site {wording.clean_name(incident.site)}"
        ),
        Row("Flagged since", _time(incident.started_at, zone)),
    ]
    if incident.ended_at is not None:
        rows.append(Row("Until", _time(incident.ended_at, zone)))
    rows.append(Row("State now", _STATE_WORDS[incident.state]))
    if stored.acknowledged_by is not None:
        seen = f"{stored.acknowledged_by}, {_time(stored.acknowledged_at, zone)}"
        rows.append(Row("Acknowledged by", seen))
    if look.label is not None:
        said = _VERDICT_WORDS.get(look.label.verdict, look.label.verdict)
        rows.append(Row("Put down as", f"{said} by {look.label.by}, {_time(look.label.at, zone)}"))
    if look.shelf is not None:
        until = "somebody ends it" if look.shelf.until is None else _time(look.shelf.until, zone)
        what = _SHELF_WORDS[look.shelf.kind]
        rows.append(Row(what, f"until {until}, by {look.shelf.by}: {look.shelf.reason}"))
    if look.operator is not None:
        you = look.operator
        rows.append(Row("You act as", f"{you.full_name} ({you.name}, {you.role.value})"))
    return tuple(rows)


def _time(moment: datetime | None, zone: ZoneInfo) -> str:
    return "an unknown time" if moment is None else wording.date_time(moment, zone)
