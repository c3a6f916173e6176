"""suppress and transfer: rules by which a plant mutes tanks, and what one of them looks at."""

from datetime import timedelta
from typing import Annotated

import typer

from tankwatch import clock
from tankwatch.cli.common import OUTPUT, JsonFlag, actor, opened, present, print_json, print_table
from tankwatch.cli.durations import parse_moment, parse_span
from tankwatch.core.muting import SuppressionRule
from tankwatch.core.times import iso
from tankwatch.store.engine import reading, writing
from tankwatch.store.scope import scope_of, scope_of_tank
from tankwatch.store.suppression import (
    add_suppression,
    end_suppression,
    end_transfer,
    load_suppressions,
    load_transfers,
    start_transfer,
)

suppress = typer.Typer(help="Rules that mute tanks by design.", no_args_is_help=True)
transfer = typer.Typer(
    help="Transfers that run, for rules that look at them.", no_args_is_help=True
)

By = Annotated[str, typer.Option("--by", help="Who (default: your login name).")]
Name = Annotated[str, typer.Argument(help="Name of the tank.")]
AsOf = Annotated[str, typer.Option(help="Take this as the present (ISO 8601).")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(suppress, name="suppress")
    app.add_typer(transfer, name="transfer")


@suppress.command("add")
def add(
    rule: Annotated[
        SuppressionRule,
        typer.Argument(
            help="While a transfer runs, while it or its site is under maintenance, or while its "
            "sensor is bad."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why; stored.")],
    tank: Annotated[str, typer.Option(help="For this tank.")] = "",
    site: Annotated[str, typer.Option(help="For the tanks of this site.")] = "",
    until: Annotated[str, typer.Option(help="The rule ends then (ISO 8601).")] = "",
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Set a rule for a tank, for a site, or, without either, for every tank."""
    now = clock.now()
    with opened() as context, writing(context.engine) as connection:
        what = scope_of(connection, tank=tank, site=site)
        zone = context.settings.plant.zone_of(what.site)
        end = parse_moment(until, zone) if until else None
        key = add_suppression(
            connection, what, rule, by=actor(by), at=now, reason=reason, until=end
        )
    if json:
        print_json({"suppression_id": key, "rule": rule, "subject": what.name, "until": end})
    else:
        OUTPUT.print(f"rule {key}: mail about {what.name} waits, {_SAID[rule]}")


@suppress.command("list")
def list_rules(as_of: AsOf = "", json: JsonFlag = False) -> None:
    """List the rules that hold."""
    with opened() as context, reading(context.engine) as connection:
        found = load_suppressions(connection, present(as_of))
    if json:
        print_json(found)
        return
    columns = ("no", "rule", "for", "since", "until", "by", "reason")
    cells = [
        (one.suppression_id, one.rule.value, one.name, one.since, one.until, one.by, one.reason)
        for one in found
    ]
    print_table(columns, cells, empty="no rule holds: `tankwatch suppress add`")


@suppress.command("end")
def end_rule(
    number: Annotated[int, typer.Argument(help="Number of the rule.")],
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """End a rule."""
    with opened() as context, writing(context.engine) as connection:
        end_suppression(connection, number, by=actor(by), at=clock.now())
    if json:
        print_json({"suppression_id": number, "ended": True})
    else:
        OUTPUT.print(f"rule {number} has ended")


@transfer.command("start")
def start(
    tank: Name,
    span: Annotated[str, typer.Option("--for", help="How long at the most.")] = "12h",
    note: Annotated[str, typer.Option(help="What is moved; stored.")] = "",
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Say that a transfer of a tank begins; one that runs goes on until the new time."""
    with opened() as context, writing(context.engine) as connection:
        until = start_transfer(
            connection,
            scope_of_tank(connection, tank),
            span=parse_span(span),
            longest=timedelta(hours=context.settings.alarms.longest_transfer_h),
            by=actor(by),
            at=clock.now(),
            note=note,
        )
    if json:
        print_json({"tank": tank, "until": until})
    else:
        OUTPUT.print(f"a transfer of {tank} runs until {iso(until)} at the latest")


@transfer.command("end")
def stop(tank: Name, by: By = "", json: JsonFlag = False) -> None:
    """Say that the transfer of a tank is over."""
    with opened() as context, writing(context.engine) as connection:
        end_transfer(connection, scope_of_tank(connection, tank), by=actor(by), at=clock.now())
    if json:
        print_json({"tank": tank, "ended": True})
    else:
        OUTPUT.print(f"the transfer of {tank} is over")


@transfer.command("list")
def list_transfers(as_of: AsOf = "", json: JsonFlag = False) -> None:
    """List the transfers that run."""
    with opened() as context, reading(context.engine) as connection:
        found = load_transfers(connection, present(as_of))
    if json:
        print_json(found)
        return
    columns = ("tank", "since", "until", "by", "note")
    cells = [(one.tank, one.since, one.until, one.by, one.note) for one in found]
    print_table(columns, cells, empty="no transfer runs")


_SAID = {
    SuppressionRule.TRANSFER: "while a transfer of the tank runs",
    SuppressionRule.MAINTENANCE: "while the tank or its site is under maintenance",
    SuppressionRule.BAD_SENSOR: "while a sensor of the tank is bad",
}
