"""site-incidents: what many tanks of a site do together."""

from typing import Annotated

import typer

from tankwatch import clock
from tankwatch.cli.common import OUTPUT, JsonFlag, actor, opened, print_json, print_table
from tankwatch.errors import UsageError
from tankwatch.store.acts import acknowledge_together
from tankwatch.store.engine import Connection, reading
from tankwatch.store.incidents import load_incidents
from tankwatch.store.patience import written
from tankwatch.store.siblings import SiteIncident, load_site_incidents


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("site-incidents")(site_incidents)


def site_incidents(
    number: Annotated[int | None, typer.Argument(help="Show one, with its tanks.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    ack: Annotated[bool, typer.Option("--ack", help="Acknowledge all its incidents.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who (default: your login name).")] = "",
    json: JsonFlag = False,
) -> None:
    """List what many tanks of a site do together, show one, or acknowledge all of it at once."""
    if ack and number is None:
        message = "say which: `tankwatch site-incidents NUMBER --ack`"
        raise UsageError(message)
    with opened() as context:
        with reading(context.engine) as connection:
            ids = None if number is None else [number]
            only_open = number is None and not all_
            found = load_site_incidents(connection, ids=ids, only_open=only_open)
        if number is not None and not found:
            message = f"there is no site incident {number}: see `tankwatch site-incidents --all`"
            raise UsageError(message)
        if ack:
            who, now = actor(by), clock.now()
            done: set[int] = set()

            def note(connection: Connection) -> None:
                # Done again, as the answer to the commit was lost, it finds nothing left to do.
                done.update(acknowledge_together(connection, found[0], by=who, at=now))

            written(context.engine, note)
            seen = sorted(done)
            if json:
                print_json({"site_incident": number, "acknowledged": seen})
            else:
                OUTPUT.print(f"site incident {number}: {len(seen)} incidents acknowledged")
            return
        with reading(context.engine) as connection:
            members = _members(connection, found[0]) if number is not None else []
    if json:
        rows = [_plain(one) for one in found]
        print_json(rows if number is None else {**rows[0], "members": members})
        return
    columns = ("no", "site", "channel", "kind", "tanks", "started", "ended")
    cells = [
        (
            one.site_incident_id,
            one.site,
            one.channel,
            one.kind.value,
            f"{one.tanks} of {one.site_tanks}",
            one.started_at,
            one.ended_at,
        )
        for one in found
    ]
    print_table(columns, cells, empty="no incidents of a whole site")
    if members:
        OUTPUT.print()
        told = ("incident", "tank", "state", "symptom", "started_at", "ended_at", "peak_score")
        print_table(told, [[row[column] for column in told] for row in members], empty="")


def _members(connection: Connection, one: SiteIncident) -> list[dict[str, object]]:
    return [
        {
            "incident": stored.incident_id,
            "tank": stored.incident.tank,
            "state": stored.incident.state.value,
            "symptom": stored.incident.symptom.value,
            "started_at": stored.incident.started_at,
            "ended_at": stored.incident.ended_at,
            "peak_score": stored.incident.peak_score,
        }
        for stored in reversed(load_incidents(connection, ids=one.incident_ids))
    ]


def _plain(one: SiteIncident) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}
