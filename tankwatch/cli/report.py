"""report: how well operators are served by alarms."""

import json as machine
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from tankwatch.cli.common import OUTPUT, AsOf, JsonFlag, opened, present, print_json
from tankwatch.jobs.alarm_report import month_of, parse_month, report_on
from tankwatch.notify.health import health_json, render_health


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(report)


def report(
    month: Annotated[str, typer.Option(help="Month, as 2026-10 (default: the last one).")] = "",
    out: Annotated[Path, typer.Option(help="Folder for report.html and report.json.")] = Path(
        "report"
    ),
    as_of: AsOf = "",
    json: JsonFlag = False,
) -> None:
    """Write the report on the alarms of a month, beside what ISA-18.2 and EEMUA 191 recommend."""
    now = present(as_of)
    with opened() as context:
        plant = context.settings.plant
        zone = ZoneInfo(plant.time_zone)
        wanted = parse_month(month) if month else month_of(now, zone).before()
        health = report_on(context, wanted, now=now)
    told = health_json(health, month=str(wanted))
    out.mkdir(parents=True, exist_ok=True)
    page = render_health(health, month=str(wanted), plant=plant.site, time_zone=plant.time_zone)
    (out / "report.html").write_text(page, encoding="utf-8")
    (out / "report.json").write_text(machine.dumps(told, indent=2), encoding="utf-8")
    if json:
        print_json(told)
    else:
        OUTPUT.print(f"{wanted}: {health.alarms} alarms; see {out / 'report.html'}")
