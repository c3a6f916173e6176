"""What a tank's event says of the incident that it opens."""

from datetime import datetime, timedelta

from tankwatch.core.episodes import TankEvent
from tankwatch.core.incident import Severity
from tankwatch.core.lifecycle import is_latching
from tankwatch.core.nature import nature_of
from tankwatch.core.times import from_ms
from tankwatch.scoring.plan import Plan
from tankwatch.settings import Settings
from tankwatch.store.incidents import Opening
from tankwatch.store.plant import Tank

ACTOR = "tankwatch"


def describe(
    event: TankEvent,
    plan: Plan,
    tank: Tank,
    settings: Settings,
    *,
    now: datetime,
    historical: bool = False,
    planned: bool = False,
) -> Opening:
    """Return the incident that a raised event opens.

    One that was found long after it began is historical: it is filed and pages nobody.  `planned`
    says whether operators have put down work on the tank for that time.
    """
    raised_at = from_ms(event.at_ms)
    is_old = now - raised_at > timedelta(seconds=settings.detect.page_within_s)
    is_model = plan.primary is not None and event.source == settings.detect.detector
    return Opening(
        tank_id=tank.tank_id,
        tank=tank.name,
        detector=event.source,
        model_version_id=plan.primary.model_version_id if plan.primary and is_model else None,
        channel_id=plan.channels[event.channel].channel_id,
        share=event.share,
        symptom=event.symptom,
        severity=Severity.JOURNAL if historical or is_old else Severity.ALARM,
        started_at=from_ms(event.start_ms),
        raised_at=raised_at,
        peak_score=event.peak,
        historical=historical or is_old,
        nature=nature_of(event.symptom, event.source, planned=planned),
        latching=is_latching([event.source], settings.alarms.latching),
    )


def mail_domain(settings: Settings) -> str:
    """Return the domain of the sender, which names our messages."""
    return settings.mail.sender.rpartition("@")[2].strip(" >") or "localhost"


def reason_of(event: TankEvent) -> str:
    """Return why an event happened, as it stands in an incident's history."""
    return f"{event.source}: {event.symptom.value}, score {event.peak:.3g} of threshold 1.0"
