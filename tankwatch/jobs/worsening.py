"""How grave what steps show is, and what becomes of an incident that gets worse."""

from tankwatch.core.incident import Incident, MessageKind, Nature, Severity, Symptom
from tankwatch.core.nature import nature_of
from tankwatch.core.outlook import Outlook
from tankwatch.core.settling import Found
from tankwatch.core.severity import SeverityRule, Sight
from tankwatch.core.times import human_duration
from tankwatch.jobs.desk import Desk, Window
from tankwatch.jobs.incidents import ACTOR, mail_domain
from tankwatch.notify import wording
from tankwatch.settings_severity import SeverityRules
from tankwatch.store.corrections import correct_incident
from tankwatch.store.incidents import Opening, StoredIncident, set_outlook
from tankwatch.store.outbox import count_of_kind, message_id, queue_reply
from tankwatch.store.outbox_hold import WORSENED
from tankwatch.store.worsening import is_to_be_told, raise_severity


def severity_of(desk: Desk, window: Window, one: Found, told: Opening | Incident) -> Severity:
    """Return how grave it is what the steps show of an incident, of which `told` is told.

    Each event counts as what it was taken for when it happened: a better word that is known later
    would make it matter in how many passes the same steps were gone through.
    """
    planned = told.nature is Nature.OPERATION
    sights = [
        Sight(
            nature_of(event.symptom, event.source, planned=planned),
            event.symptom,
            _time_left(window.ahead.get(event)),
        )
        for event in (*([] if one.raised is None else [one.raised]), *one.joins)
    ]
    rule = _rule(desk.context.settings.severity)
    left = None if one.returned is not None else _time_left(window.outlook)
    if left is not None and left <= rule.alarm_within_s:
        sights.append(Sight(told.nature, told.symptom, left))
    return rule.severity(window.tank.name, sights, score=one.peak)


def worsen(desk: Desk, window: Window, one: Found, stored: StoredIncident) -> None:
    """Raise the severity of an incident that stands, if the steps show it graver than it was.

    It asks for a new answer and is told again.  It is never lowered: who was told of an alarm
    keeps it, whatever late readings make of it.
    """
    incident, key = stored.incident, stored.incident_id
    found = severity_of(desk, window, one, incident)
    if incident.historical or found.rank <= incident.severity.rank:
        return
    if incident.ended_at is not None and one.returned is not None:
        correct_incident(desk.connection, key, severity=found.value)
        return
    why = f"from {incident.severity.value} to {found.value}: {_why(desk, window, one)}"
    if not raise_severity(desk.connection, key, found, at=desk.now, actor=ACTOR, reason=why):
        return
    if window.outlook is not None:
        set_outlook(desk.connection, key, window.outlook)
    if not is_to_be_told(desk.connection, key):
        return
    kind, domain = MessageKind.ALARM, mail_domain(desk.context.settings)
    first = message_id(incident.uid, kind, domain)
    number = count_of_kind(desk.connection, key, kind) + 1
    own = message_id(incident.uid, kind, domain, number)
    queue_reply(desk.connection, key, own, first, kind=kind, at=desk.now, reason=WORSENED)


def _why(desk: Desk, window: Window, one: Found) -> str:
    """Return why it got worse, for its history and for whoever is told."""
    told = [
        f"{wording.SYMPTOM_WORDS[event.symptom]} ({wording.found_by(event.source)}, score "
        f"{wording.score_text(event.peak)})"
        for event in one.joins
    ]
    left = _time_left(window.outlook)
    if left is not None and left <= desk.context.settings.severity.alarm_within_s:
        told.append(f"its limit in {human_duration(left)} at the earliest")
    score = f"its score reached {wording.score_text(one.peak)} where 1.0 is the threshold"
    return " and ".join(told) or score


def _time_left(outlook: Outlook | None) -> float | None:
    return None if outlook is None else outlook.earliest_s


def _rule(stated: SeverityRules) -> SeverityRule:
    return SeverityRule(
        limit=Severity(stated.limit),
        by_nature={nature: Severity(getattr(stated, nature.value)) for nature in Nature},
        by_symptom={Symptom(name): Severity(grade) for name, grade in stated.symptoms.items()},
        alert_only=stated.alert_only,
        alarm_from_score=stated.alarm_from_score,
        alarm_within_s=stated.alarm_within_s,
    )
