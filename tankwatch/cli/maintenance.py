"""maintenance: work on tanks and sites, once or again and again."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from tankwatch import clock
from tankwatch.cli.common import OUTPUT, JsonFlag, actor, opened, present, print_json, print_table
from tankwatch.cli.durations import parse_moment
from tankwatch.core.recurrence import Recurrence
from tankwatch.core.times import iso
from tankwatch.store.engine import reading, writing
from tankwatch.store.maintenance import (
    Maintenance,
    MaintenanceRow,
    add_maintenance,
    cancel_maintenance,
    load_maintenance,
)
from tankwatch.store.scope import scope_of

maintenance = typer.Typer(help="Work on tanks and sites: mail waits.", no_args_is_help=True)

By = Annotated[str, typer.Option("--by", help="Who (default: your login name).")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(maintenance, name="maintenance")


@maintenance.command("add")
def add(
    start: Annotated[
        str, typer.Option("--from", help="Beginning of the (first) window, in the site's time.")
    ],
    hours: Annotated[float, typer.Option(help="How long each window takes.", min=0.01, max=8760)],
    reason: Annotated[str, typer.Option(help="What is done; stored.")],
    tank: Annotated[str, typer.Option(help="Work on this tank.")] = "",
    site: Annotated[str, typer.Option(help="Work on every tank of this site.")] = "",
    rrule: Annotated[
        str, typer.Option(help='It comes again by this RFC 5545 rule: "FREQ=WEEKLY;BYDAY=TU".')
    ] = "",
    keep_mail: Annotated[
        bool, typer.Option("--keep-mail", help="Mail goes out; training still leaves it out.")
    ] = False,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Put work down: mail waits, incidents are called an operation, models do not learn from it."""
    now = clock.now()
    with opened() as context, writing(context.engine) as connection:
        what = scope_of(connection, tank=tank, site=site)
        zone = context.settings.plant.zone_of(what.site)
        first = parse_moment(start, zone)
        window = Recurrence(first, first + timedelta(hours=hours), rrule, zone)
        key = add_maintenance(
            connection, what, window, by=actor(by), at=now, reason=reason, mutes=not keep_mail
        )
        made = load_maintenance(connection, MaintenanceRow.maintenance_id == key)[0]
    following = made.next_window(now)
    if json:
        print_json({"maintenance_id": key, "subject": what.name, "next": following})
        return
    when = f"next from {iso(following[0])} to {iso(following[1])}" if following else "it is past"
    OUTPUT.print(f"maintenance {key} of {what.name}: {when}")


@maintenance.command("list")
def list_maintenance(
    all_: Annotated[bool, typer.Option("--all", help="What is past or cancelled, too.")] = False,
    as_of: Annotated[str, typer.Option(help="Take this as the present (ISO 8601).")] = "",
    json: JsonFlag = False,
) -> None:
    """List what work is put down, with the window that is under way or comes next."""
    now = present(as_of)
    with opened() as context, reading(context.engine) as connection:
        found = [(one, one.next_window(now)) for one in load_maintenance(connection)]
    rows = [_plain(one, following) for one, following in found if all_ or following]
    if json:
        print_json(rows)
        return
    columns = ("no", "of", "from", "until", "rule", "zone", "mutes", "by", "reason", "cancelled_at")
    print_table(columns, [list(row.values()) for row in rows], empty="no work is put down")


@maintenance.command("cancel")
def cancel(
    number: Annotated[int, typer.Argument(help="Number of the work.")],
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Have work not take place from now on."""
    with opened() as context, writing(context.engine) as connection:
        cancel_maintenance(connection, number, by=actor(by), at=clock.now())
    if json:
        print_json({"maintenance_id": number, "cancelled": True})
    else:
        OUTPUT.print(f"maintenance {number} is cancelled")


def _plain(one: Maintenance, following: Any) -> dict[str, Any]:
    first = one.recurrence
    start, end = following or (first.start, first.end)
    return {
        "maintenance_id": one.maintenance_id,
        "of": one.name,
        "from": start,
        "until": end,
        "rule": first.rule or None,
        "zone": first.zone,
        "mutes": one.mutes,
        "by": one.by or None,
        "reason": one.reason,
        "cancelled_at": one.cancelled_at,
    }
