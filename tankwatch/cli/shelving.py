"""shelve, unshelve, service and shelved: alarms that operators keep away for a time."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from tankwatch import clock
from tankwatch.cli.common import OUTPUT, JsonFlag, actor, opened, present, print_json, print_table
from tankwatch.cli.durations import parse_span
from tankwatch.core.muting import Mute
from tankwatch.core.times import iso
from tankwatch.errors import UsageError
from tankwatch.store import shelves
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.muting import load_muting
from tankwatch.store.plant import load_tanks
from tankwatch.store.scope import Scope, scope_of_incident, scope_of_site, scope_of_tank

service = typer.Typer(help="Tanks out of service, and back in.", no_args_is_help=True)

Place = Annotated[str, typer.Argument(help="Name of the tank, or number of an incident.")]
Tank = Annotated[str, typer.Argument(help="Name of the tank; none with --site.")]
Site = Annotated[str, typer.Option(help="Each tank of this site instead.")]
Reason = Annotated[str, typer.Option(help="Why; stored.")]
By = Annotated[str, typer.Option("--by", help="Who (default: your login name).")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(shelve)
    app.command()(unshelve)
    app.command()(shelved)
    app.add_typer(service, name="service")


def shelve(
    reason: Reason,
    place: Place = "",
    site: Site = "",
    span: Annotated[str, typer.Option("--for", help="How long, for instance 8h.")] = "",
    until_clear: Annotated[
        bool, typer.Option("--until-clear", help="What stands now, until it clears.")
    ] = False,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Keep a tank's alarms away for a time, or until they clear; they are still recorded."""
    if bool(span) == until_clear:
        message = "say --for, for instance --for 8h, or --until-clear, one of the two"
        raise UsageError(message)
    now, who = clock.now(), actor(by)
    with opened() as context, writing(context.engine) as connection:
        alarms = context.settings.alarms
        what, incident = _place(connection, place, site)
        if until_clear:
            found = shelves.standing_incidents(connection, what)
            found = found if incident is None else [incident]
            if not found:
                message = f"no incident of {what.name} stands: shelve it for a time with --for"
                raise UsageError(message)
            longest = timedelta(hours=alarms.longest_one_shot_h)
            until = min(
                shelves.shelve_until_clear(
                    connection, key, longest=longest, by=who, at=now, reason=reason
                )
                for key in found
            )
        else:
            longest = timedelta(hours=alarms.longest_shelf_h)
            until = shelves.shelve(
                connection,
                what,
                span=parse_span(span),
                longest=longest,
                by=who,
                at=now,
                reason=reason,
            )
    kind = "one_shot" if until_clear else "shelved"
    if json:
        print_json({"subject": what.name, "kind": kind, "until": until})
        return
    clears = "until it clears, at the latest " if until_clear else "until "
    OUTPUT.print(f"{what.name} is shelved {clears}{iso(until)}; it is still recorded")


def unshelve(place: Place = "", site: Site = "", by: By = "", json: JsonFlag = False) -> None:
    """Let the alarms of a tank through again."""
    with opened() as context, writing(context.engine) as connection:
        what, _ = _place(connection, place, site)
        shelves.unshelve(connection, what, by=actor(by), at=clock.now())
    _print(what, "unshelved", "is not shelved any more", json=json)


@service.command("out")
def out(
    reason: Reason, tank: Tank = "", site: Site = "", by: By = "", json: JsonFlag = False
) -> None:
    """Take a tank out of service: no mail about it until it is put back in."""
    with opened() as context, writing(context.engine) as connection:
        what, _ = _place(connection, tank, site)
        shelves.take_out_of_service(connection, what, by=actor(by), at=clock.now(), reason=reason)
    _print(what, "out_of_service", "is out of service: `tankwatch service in` ends it", json=json)


@service.command("in")
def back_in(
    tank: Tank = "",
    site: Site = "",
    reason: Annotated[str, typer.Option(help="Why; stored.")] = "",
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Put a tank back in service."""
    with opened() as context, writing(context.engine) as connection:
        what, _ = _place(connection, tank, site)
        shelves.put_back_in_service(connection, what, by=actor(by), at=clock.now(), reason=reason)
    _print(what, "in_service", "is in service again", json=json)


def shelved(
    as_of: Annotated[str, typer.Option(help="Take this as the present (ISO 8601).")] = "",
    json: JsonFlag = False,
) -> None:
    """Show what is muted now, why and until when."""
    now = present(as_of)
    with opened() as context, reading(context.engine) as connection:
        rows = _muted(connection, now)
    if json:
        print_json(rows)
        return
    columns = ("tank", "site", "incident", "reason", "until", "detail")
    cells = [[row[column] for column in columns] for row in rows]
    print_table(columns, cells, empty="nothing is muted")


def _muted(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """Return each mute of each tank: of all its incidents, or of one."""
    muting = load_muting(connection, now)
    rows = []
    for tank in load_tanks(connection):
        row = {"tank": tank.name, "site": tank.site}
        mutes: list[tuple[int | None, Mute]]
        mutes = [(None, mute) for mute in muting.all_of(tank.tank_id)]
        for shelf in muting.shelves.get(tank.tank_id, ()):
            if shelf.incident_id is not None:
                of_one = muting.all_of(tank.tank_id, shelf.incident_id)
                mutes += [(shelf.incident_id, m) for m in of_one if m.reason == "one_shot"]
        rows += [
            {
                **row,
                "incident": incident,
                "reason": mute.reason.value,
                "until": mute.until,
                "detail": mute.detail,
            }
            for incident, mute in mutes
        ]
    return rows


def _place(connection: Connection, place: str, site: str) -> tuple[Scope, int | None]:
    """Return what a command is about, and the incident if it was named by one."""
    if bool(place) == bool(site):
        message = "name a tank, or a site with --site, one of the two"
        raise UsageError(message)
    if site:
        return scope_of_site(connection, site), None
    try:
        return scope_of_tank(connection, place), None
    except UsageError:
        if not place.isdecimal() or len(place) > 18:
            raise
    return scope_of_incident(connection, int(place)), int(place)


def _print(what: Scope, state: str, told: str, *, json: bool) -> None:
    if json:
        print_json({"subject": what.name, "state": state})
    else:
        OUTPUT.print(f"{what.name} {told}")
