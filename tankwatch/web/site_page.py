"""What the page shows of what many tanks of a site do together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tankwatch.core.incident import MessageKind
from tankwatch.core.siblings import SiteNotice
from tankwatch.notify import wording
from tankwatch.notify.site import site_checks, site_sentence
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.siblings import SiteIncident
from tankwatch.web.alarm_page import AlarmLine, SiteLine, site_line


@dataclass(frozen=True, slots=True)
class SiteIncidentView:
    """An incident of a site as its page shows it; `here` is its address.

    Of its `total` incidents, `lines` shows the first.
    """

    line: SiteLine
    total: int
    number: int
    sentence: str
    ended: str
    checks: tuple[str, ...]
    lines: tuple[AlarmLine, ...]
    here: str
    time_zone: str


def site_incident(
    one: SiteIncident,
    members: Sequence[StoredIncident],
    lines: tuple[AlarmLine, ...],
    *,
    time_zone: str,
    now: datetime,
) -> SiteIncidentView:
    """Return what the page of an incident of a site shows at `now`.

    Args:
        one: what the tanks do together.
        members: the incidents of its tanks.
        lines: the first of them as the alarm list has them.
        time_zone: IANA zone in which times are shown.
        now: the present.
    """
    zone = wording.zone_of(time_zone)
    unseen = sum(stored.incident.state.is_unseen for stored in members)
    notice = SiteNotice(
        kind=MessageKind.SITE_ALARM,
        uid=one.uid,
        site=one.site,
        channel=one.channel,
        what=one.kind,
        started_at=one.started_at,
        raised_at=one.raised_at,
        ended_at=one.ended_at,
        site_tanks=one.site_tanks,
        members=tuple(stored.incident for stored in members),
        message_id="",
        thread_id="",
        queued_at=now,
    )
    return SiteIncidentView(
        line=site_line(one, unseen=unseen, time_zone=time_zone, now=now),
        total=len(members),
        number=one.site_incident_id,
        sentence=site_sentence(notice, zone),
        ended=wording.date_time(one.ended_at, zone) if one.ended_at else "",
        checks=site_checks(one.kind) if one.ended_at is None else (),
        lines=tuple(replace(line, together="") for line in lines),  # they lead here
        here=f"/site-incidents/{one.uid}",
        time_zone=time_zone,
    )
