"""From incidents of tanks to one incident of their site, in the transaction that raised them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from tankwatch.core.incident import MessageKind, Symptom
from tankwatch.core.siblings import Kind, Raised, fewest_tanks, gather, kind_of, symptoms_of
from tankwatch.core.times import from_ms
from tankwatch.jobs.context import Context
from tankwatch.scoring.plan import Plan
from tankwatch.settings import Settings
from tankwatch.store.engine import Connection
from tankwatch.store.outbox import message_id, queue_message
from tankwatch.store.outbox_hold import hold_alarms, is_queued
from tankwatch.store.plant import Tank
from tankwatch.store.siblings import (
    Sameness,
    SiteIncident,
    add_members,
    end_site_incidents,
    load_memberships,
    load_raised,
    load_site_incidents,
    lock_sites,
    open_site_incident,
    sites_of,
)

# How far around what was raised incidents are looked at, in windows: a group reaches one beyond
# its core, and a core one beyond each of its members.
_REACH = 4


def due_at(
    symptom: Symptom,
    raised_at: datetime,
    tank: Tank,
    plan: Plan,
    settings: Settings,
    *,
    now: datetime,
) -> datetime:
    """Return when an alarm may leave: later if siblings may yet be found to do the same."""
    wanted = settings.siblings
    tanks = sum(other.site == tank.site for other in plan.tanks.values())
    if kind_of(symptom) is None or not wanted.window_s or tanks < wanted.least_tanks:
        return now
    return max(now, raised_at + timedelta(seconds=wanted.wait_s))


def settle_siblings(
    connection: Connection,
    context: Context,
    raised_ids: Sequence[int],
    *,
    domain: str,
    now: datetime,
) -> list[int]:
    """Group what was raised with what its siblings do, end what is over; return what was opened.

    A group is found from what is stored, whichever pass or shard stored it: sites are held until
    the commit, so that of two shards the later one sees what the earlier one raised.

    Args:
        connection: inside the transaction that raised the incidents.
        context: settings.
        raised_ids: incidents that were raised in it.
        domain: that names our messages.
        now: when messages are queued.
    """
    opened = []
    if context.settings.siblings.window_s and raised_ids:
        found = sites_of(connection, raised_ids)
        raised: dict[tuple[int, int, Kind], list[datetime]] = defaultdict(list)
        for site, channel, symptom, at in found:
            kind = kind_of(symptom)
            if kind is not None:
                raised[site, channel, kind].append(at)
        counts = lock_sites(connection, sorted({site for site, *_ in raised}))
        for (site, channel, kind), moments in sorted(raised.items()):
            same = Sameness(site, channel, symptoms_of(kind))
            opened += _gather(connection, context, same, kind, moments, tanks=counts[site], now=now)
    for key in opened:
        _queue(connection, key, MessageKind.SITE_ALARM, domain=domain, now=now)
    for key in end_site_incidents(connection):
        _queue(connection, key, MessageKind.SITE_ALL_CLEAR, domain=domain, now=now)
    return opened


def _gather(
    connection: Connection,
    context: Context,
    same: Sameness,
    kind: Kind,
    moments: Sequence[datetime],
    *,
    tanks: int,
    now: datetime,
) -> list[int]:
    wanted = context.settings.siblings
    window = timedelta(seconds=wanted.window_s)
    near = load_raised(
        connection,
        same,
        start=min(moments) - _REACH * window,
        end=max(moments) + _REACH * window,
    )
    fewest = fewest_tanks(tanks, share=wanted.share, least=wanted.least_tanks)
    opened = []
    for group in gather(near, window_ms=round(wanted.window_s * 1000), fewest=fewest):
        known = load_memberships(connection, [one.incident_id for one in group])
        new = [one.incident_id for one in group if one.incident_id not in known]
        if not new:
            continue
        if known:
            key = min(known.values())
        else:
            at = _complete_at(group, fewest)
            lead = group[0].incident_id
            key = open_site_incident(connection, same, kind, lead=lead, raised_at=at)
            opened.append(key)
        add_members(connection, key, new)
        hold_alarms(connection, new, at=now)
    return opened


def _complete_at(group: Sequence[Raised], fewest: int) -> datetime:
    """Return when the last of the fewest tanks that make a group was raised."""
    tanks: set[int] = set()
    for one in group:
        tanks.add(one.tank_id)
        if len(tanks) >= fewest:
            return from_ms(one.raised_ms)
    return from_ms(group[-1].raised_ms)


def _queue(
    connection: Connection, key: int, kind: MessageKind, *, domain: str, now: datetime
) -> None:
    """Queue a message about an incident of a site, once; it hangs on the first of its members."""
    one: SiteIncident = load_site_incidents(connection, ids=[key])[0]
    if not is_queued(connection, message_id(one.uid, kind, domain)):
        queue_message(connection, one.incident_ids[0], one.uid, kind=kind, domain=domain, at=now)
