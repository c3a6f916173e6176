"""route: who is told of what."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from tankwatch import clock
from tankwatch.cli.common import (
    OUTPUT,
    AsOf,
    JsonFlag,
    actor,
    opened,
    present,
    print_json,
    print_table,
)
from tankwatch.core.routing import (
    Fit,
    Hours,
    Route,
    hours_text,
    parse_days,
    parse_severity,
    parse_span,
    route_text,
)
from tankwatch.core.times import human_duration
from tankwatch.jobs.addressing import choose
from tankwatch.store.acts import audit
from tankwatch.store.engine import reading, writing
from tankwatch.store.people import Operator, load_operators
from tankwatch.store.routes import NewRoute, add_route, load_routes, remove_route

route = typer.Typer(help="Routes: who is told of what, and when.", no_args_is_help=True)

By = Annotated[str, typer.Option("--by", help="Who does it (default: your login name).")]
Least = Annotated[str, typer.Option(help="Least severity: journal, alert or alarm.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(route, name="route")


@route.command("add")
def add(
    operator: Annotated[str, typer.Option(help="Login of the operator who is told.")] = "",
    group: Annotated[str, typer.Option(help="Group whose members are told.")] = "",
    site: Annotated[str, typer.Option(help="Site (default: every site).")] = "",
    severity: Least = "alarm",
    days: Annotated[str, typer.Option(help="Days, as mon-fri or sat,sun (default: all).")] = "",
    at: Annotated[
        str, typer.Option("--at", help="Local time of day, as 06:00-14:00 (default: all day).")
    ] = "",
    after_s: Annotated[
        int, typer.Option(help="Seconds: told only if nobody has acknowledged by then.", min=0)
    ] = 0,
    digest: Annotated[
        bool, typer.Option("--digest", help="Also mail the digest at the change of shift.")
    ] = False,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Add a route to an operator or to a group."""
    now = clock.now()
    new = NewRoute(
        site=site or None,
        severity=parse_severity(severity),
        hours=Hours(parse_days(days), *parse_span(at)),
        operator=operator or None,
        group=group or None,
        after_s=after_s,
        digest=digest,
    )
    with opened() as context, writing(context.engine) as connection:
        key = add_route(connection, new, at=now)
        made = next(one for one in load_routes(connection) if one.route_id == key)
        subject, told = f"route {key}", f"{_to(made)}: {route_text(made)}"
        audit(connection, actor(by), action="route-add", subject=subject, at=now, detail=told)
    if json:
        print_json({**_plain(made)})
    else:
        OUTPUT.print(f"route {key} to {told}")


@route.command("list")
def list_routes(json: JsonFlag = False) -> None:
    """List routes."""
    with opened() as context, reading(context.engine) as connection:
        found = load_routes(connection)
    if json:
        print_json([_plain(one) for one in found])
        return
    columns = ("no", "to", "site", "severity", "hours", "after", "digest")
    empty = "no routes: mail.recipients of the settings are told of every alarm"
    print_table(columns, [_cells(one) for one in found], empty=empty)


@route.command("remove")
def remove(
    number: Annotated[int, typer.Argument(help="Number of the route.")],
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """End a route; what was sent by it still tells so."""
    now = clock.now()
    with opened() as context, writing(context.engine) as connection:
        remove_route(connection, number, at=now)
        subject = f"route {number}"
        audit(connection, actor(by), action="route-remove", subject=subject, at=now)
    if json:
        print_json({"route": number, "removed": True})
    else:
        OUTPUT.print(f"route {number} is removed")


@route.command("explain")
def explain(
    site: Annotated[str, typer.Option(help="Site of the tank.")],
    severity: Least = "alarm",
    at: AsOf = "",
    json: JsonFlag = False,
) -> None:
    """Show who would be told of something of a site, when and why, and which routes do not fit."""
    now, wanted = present(at), parse_severity(severity)
    with opened() as context, reading(context.engine) as connection:
        routes, operators = load_routes(connection), load_operators(connection)
        zone = ZoneInfo(context.settings.plant.time_zone)
        plain = ", ".join(context.settings.mail.recipients)
    chosen = choose(routes, operators, site=site, severity=wanted, now=now, zone=zone)
    names = {one.operator_id: f"{one.name} <{one.email}>" for one in operators}
    told = [
        {
            "who": plain if one.operator_id is None else names[one.operator_id],
            "after_s": one.after_s,
            "route": one.route_id,
            "because": one.chosen_by.value,
        }
        for one in chosen
    ]
    local = now.astimezone(zone)
    looked = [
        {"route": one.route_id, "to": _to(one), "fit": _why(one, site, wanted, local, operators)}
        for one in routes
    ]
    if json:
        print_json({"at": now, "told": told, "routes": looked})
        return
    OUTPUT.print(f"{wanted.value} of site {site} at {local:%a %Y-%m-%d %H:%M %Z}:")
    columns = ("who", "when", "route", "because")
    rows = [[one["who"], _when(one), one["route"], one["because"]] for one in told]
    print_table(columns, rows, empty="nobody")
    if looked:
        OUTPUT.print()
        print_table(("route", "to", "fit"), [list(one.values()) for one in looked], empty="")


def _when(told: dict[str, Any]) -> str:
    if not told["after_s"]:
        return "at once"
    return f"after {human_duration(told['after_s'])}, if not acknowledged"


def _why(one: Route, site: str, severity: Any, local: Any, operators: list[Operator]) -> str:
    fit = one.fit(site, severity, local)
    members = [who for who in operators if one.leads_to(who.name, who.groups)]
    reached = [who.name for who in members if who.is_active and who.email.strip()]
    if fit is Fit.FITS and not reached:
        return "fits, but nobody it leads to is active and has a mail address"
    if fit is Fit.OTHER_TIME and one.after_s:
        return "other_time now; it counts as of the time to which it waits"
    return fit.value


def _to(one: Route) -> str:
    return one.operator if one.group is None and one.operator else f"group {one.group}"


def _cells(one: Route) -> list[Any]:
    later = human_duration(one.after_s) if one.after_s else "at once"
    place = one.site or "every site"
    digest = "yes" if one.digest else "no"
    hours = hours_text(one.hours)
    return [one.route_id, _to(one), place, one.severity.value, hours, later, digest]


def _plain(one: Route) -> dict[str, Any]:
    shown = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return {**shown, "hours": hours_text(one.hours)}
