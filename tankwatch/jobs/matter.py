"""What a queued message is about: an incident of a tank, or one of its site."""

from dataclasses import dataclass, replace
from datetime import datetime

from tankwatch.core.incident import MessageKind, Notice, Severity
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.core.siblings import SiteNotice
from tankwatch.store.chatter import load_spell
from tankwatch.store.engine import Connection
from tankwatch.store.incidents import StoredIncident, load_incidents
from tankwatch.store.outbox import QueuedMessage, first_kind
from tankwatch.store.outbox_hold import WORSENED
from tankwatch.store.siblings import load_memberships, load_site_incidents
from tankwatch.store.transitions import load_last_reason


@dataclass(frozen=True, slots=True)
class Matter:
    """What a message is about.

    Attributes:
        message: as it was queued.
        notice: what is to be told, as it stands now.
        stored: the incident of a tank, the first member's where the notice is of a site.
        incident_ids: incidents that are told of.
        number: of the incident, or of the site's, as commands take it.
    """

    message: QueuedMessage
    notice: Notice | SiteNotice
    stored: StoredIncident
    incident_ids: tuple[int, ...]
    number: int

    @property
    def site(self) -> str:
        """Return the site that it is of."""
        return self.stored.incident.site

    @property
    def severity(self) -> Severity:
        """Return how much it asks of an operator."""
        if isinstance(self.notice, SiteNotice):
            return Severity.ALARM
        return self.notice.incident.severity

    @property
    def is_acknowledged(self) -> bool:
        """Return whether somebody has seen all of it."""
        if isinstance(self.notice, SiteNotice):
            return not any(member.state.is_unseen for member in self.notice.members)
        return not self.notice.incident.state.is_unseen

    @property
    def is_latched(self) -> bool:
        """Return whether it is over and waits for its reset; a whole site never does."""
        return isinstance(self.notice, Notice) and self.notice.incident.state.is_latched

    @property
    def ended_at(self) -> datetime | None:
        """Return when it was over; None while it lasts."""
        if isinstance(self.notice, SiteNotice):
            return self.notice.ended_at
        return self.notice.incident.ended_at

    @property
    def alarm_kind(self) -> MessageKind:
        """Return the kind of the message that tells of it first."""
        return first_kind(self.message.kind)

    @property
    def is_alarm(self) -> bool:
        """Return whether it is the first that is told of something: whom it goes to, routes say."""
        return self.message.kind is self.alarm_kind

    def in_mail(self, message_id: str, thread_id: str) -> Notice | SiteNotice:
        """Return the notice as one recipient's mail has it."""
        return replace(self.notice, message_id=message_id, thread_id=thread_id)


def load_matter(connection: Connection, message: QueuedMessage) -> Matter:
    """Return what a message is about, as it stands now."""
    if message.kind.is_of_site:
        return _of_site(connection, message)
    chatter, key = None, message.incident_id
    if message.kind in {MessageKind.CHATTERING, MessageKind.SETTLED}:
        spell = load_spell(connection, message.incident_id, message.thread_id)
        # What began to come and go is told as it was then, its end by what came last.
        until = spell.head if message.kind is MessageKind.CHATTERING else spell.last
        chatter, key = spell.until(until), until.incident_id
    stored = load_incidents(connection, ids=[key])[0]
    worse = ""
    if message.reason == WORSENED:
        worse = load_last_reason(connection, key, IncidentEvent.WORSEN)
    notice = Notice(
        stored.incident,
        message.kind,
        message.message_id,
        message.thread_id,
        message.queued_at,
        chatter,
        worse,
    )
    return Matter(message, notice, stored, (message.incident_id,), key)


def _of_site(connection: Connection, message: QueuedMessage) -> Matter:
    key = load_memberships(connection, [message.incident_id])[message.incident_id]
    site = load_site_incidents(connection, ids=[key])[0]
    members = load_incidents(connection, ids=site.incident_ids)
    notice = SiteNotice(
        kind=message.kind,
        uid=site.uid,
        site=site.site,
        channel=site.channel,
        what=site.kind,
        started_at=min(member.incident.started_at for member in members),
        raised_at=site.raised_at,
        ended_at=site.ended_at,
        site_tanks=site.site_tanks,
        members=tuple(member.incident for member in members),
        message_id=message.message_id,
        thread_id=message.thread_id,
        queued_at=message.queued_at,
    )
    first = next(one for one in members if one.incident_id == message.incident_id)
    return Matter(message, notice, first, site.incident_ids, key)
