"""The alarm list, and an incident's page with its evidence."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from tankwatch import clock
from tankwatch.core.actor import Role
from tankwatch.errors import ProblemError
from tankwatch.store.alarm_list import (
    count_alarms,
    find_incident,
    load_alarms,
    load_audit,
    load_sites,
    load_verdicts,
)
from tankwatch.store.engine import Connection, reading
from tankwatch.store.incidents import StoredIncident
from tankwatch.store.muting import load_mute, load_muting
from tankwatch.store.siblings import (
    load_memberships,
    load_site_alarms,
    load_site_incidents,
)
from tankwatch.store.transitions import load_transitions
from tankwatch.web import alarm_page, incident_page
from tankwatch.web.alarm_page import AlarmLine, AlarmsView, Shown
from tankwatch.web.evidence import load_evidence
from tankwatch.web.page_access import needs
from tankwatch.web.page_route import PageRoute, page
from tankwatch.web.service import Service

router = APIRouter(
    route_class=PageRoute, dependencies=[Depends(needs(Role.VIEWER))], include_in_schema=False
)
MOST = 200
# In which lists the incidents of sites stand above the rows.
_TOGETHER = (Shown.OPEN, Shown.UNACKNOWLEDGED)
_Text = Annotated[str, Query(max_length=200)]


@router.get("/alarms")
def show_alarms(
    request: Request,
    shown: Annotated[Shown | None, Query(alias="state")] = None,
    site: _Text = "",
    severity: _Text = "",
) -> Response:
    """Show incidents by what they ask of an operator, those nobody has seen first."""
    service: Service = request.app.state.service
    chosen, now = shown or Shown.OPEN, clock.now()
    zone = service.settings.plant.time_zone
    asked = alarm_page.wanted(chosen, site, severity)
    with reading(service.engine) as connection:
        found = load_alarms(connection, asked, limit=MOST)
        total = count_alarms(connection, asked)
        lines = lines_of(connection, found, time_zone=zone, now=now)
        sites = load_sites(connection)
        together, of_sites = load_site_alarms(
            connection, site=site, only_unseen=chosen is Shown.UNACKNOWLEDGED
        )
    together, of_sites = (together, of_sites) if chosen in _TOGETHER else ([], 0)
    view = AlarmsView(
        together=tuple(
            alarm_page.site_line(one, unseen=unseen, time_zone=zone, now=now)
            for one, unseen in together
        ),
        of_sites=of_sites,
        lines=lines,
        total=total,
        shown=chosen,
        site=site,
        severity=severity,
        sites=tuple(sites),
        here=alarm_page.address(chosen, site, severity),
        time_zone=zone,
    )
    return page(request, "alarms", view=view)


@router.get("/incidents/{uid}")
def show_incident(request: Request, uid: str) -> Response:
    """Show an incident: what it is, its evidence, its history, and what can be done."""
    service: Service = request.app.state.service
    now = clock.now()
    with reading(service.engine) as connection:
        stored = need_incident(connection, uid)
        evidence = load_evidence(connection, service.settings, stored, now=now)
        verdicts = load_verdicts(connection, [stored.incident_id])
        history = load_transitions(connection, stored.incident_id)
        audit = load_audit(connection, stored.incident_id, stored.incident.tank)
        mute = load_mute(connection, stored.tank_id, stored.incident_id, now)
        together = _together(connection, [stored.incident_id])
    zone = service.settings.plant.time_zone
    row = alarm_page.line(
        stored,
        verdict=verdicts.get(stored.incident_id, ""),
        mute=alarm_page.mute_words(mute, time_zone=zone),
        together=together.get(stored.incident_id, ""),
        time_zone=zone,
        now=now,
    )
    view = incident_page.incident(
        stored,
        row,
        evidence,
        is_shelved=mute is not None and mute.reason in alarm_page.SHELVED,
        history=history,
        audit=audit,
        time_zone=zone,
        now=now,
    )
    return page(request, "incident", view=view)


@router.get("/incidents/{uid}/picture.png")
def show_picture(request: Request, uid: str) -> Response:
    """Show the readings, limits and scores around an incident as the mail's picture does."""
    from tankwatch.notify.plot import plot_incident  # noqa: PLC0415 - matplotlib takes a second

    service: Service = request.app.state.service
    with reading(service.engine) as connection:
        stored = need_incident(connection, uid)
        evidence = load_evidence(connection, service.settings, stored, now=clock.now())
    with service.drawing:
        drawn = plot_incident(stored.incident, evidence, service.settings.plant.time_zone)
    headers = {"Cache-Control": "private, max-age=60"}
    return Response(drawn, media_type="image/png", headers=headers)


def lines_of(
    connection: Connection, found: Sequence[StoredIncident], *, time_zone: str, now: datetime
) -> tuple[AlarmLine, ...]:
    """Return the rows of incidents at `now`, with what is known of each besides."""
    ids = [stored.incident_id for stored in found]
    muting = load_muting(connection, now)
    mutes = {
        stored.incident_id: alarm_page.mute_words(
            muting.of(stored.tank_id, stored.incident_id), time_zone=time_zone
        )
        for stored in found
    }
    verdicts, together = load_verdicts(connection, ids), _together(connection, ids)
    return alarm_page.lines(found, verdicts, mutes, together, time_zone=time_zone, now=now)


def _together(connection: Connection, incident_ids: Sequence[int]) -> dict[int, str]:
    """Return the name of its site's incident for each incident that belongs to one."""
    member_of = load_memberships(connection, incident_ids)
    found = load_site_incidents(connection, ids=sorted(set(member_of.values())))
    names = {one.site_incident_id: one.uid for one in found}
    return {key: names[site_key] for key, site_key in member_of.items()}


def need_incident(connection: Connection, uid: str) -> StoredIncident:
    """Return the incident of a stable name.

    Raises:
        ProblemError: 404, there is none.
    """
    found = find_incident(connection, uid)
    if found is None:
        raise ProblemError(
            404,
            f"there is no incident {uid[:60]!r}",
            where="address",
            remedy="look for it in the alarm list, also among those that are closed",
        )
    return found
