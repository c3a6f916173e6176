"""forecast: what a tank is expected to do next."""

from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
import typer

from tankwatch.cli.common import OUTPUT, JsonFlag, opened, print_json, print_table
from tankwatch.core.times import from_ms, iso
from tankwatch.errors import UsageError
from tankwatch.scoring.forecast import MOST_STEPS, Forecast
from tankwatch.scoring.forecast import forecast as look_ahead
from tankwatch.scoring.wording import basis_sentence, limit_sentence
from tankwatch.store.engine import reading
from tankwatch.store.tanks import find_tank_called

_MOST_ROWS = 12


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(forecast)


def forecast(
    tank: Annotated[str, typer.Argument(help="Name of the tank.")],
    steps: Annotated[int, typer.Option(help="Steps ahead.", min=1, max=MOST_STEPS)] = 60,
    paths: Annotated[int, typer.Option(help="Paths that are drawn.", min=20, max=5000)] = 200,
    json: JsonFlag = False,
) -> None:
    """Show the next steps of a tank with a 90 % interval, and the time to each limit.

    They count from its last reading, however old that is.
    """
    with opened() as context:
        with reading(context.engine) as connection:
            known = find_tank_called(connection, tank)
        if known is None:
            message = f"there is no tank {tank!r}: `tankwatch tanks` lists them"
            raise UsageError(message)
        zone = ZoneInfo(context.settings.plant.time_zone)
        found = look_ahead(context.engine, context.settings, known, steps=steps, paths=paths)
    if json:
        print_json(_plain(tank, found))
        return
    shown = np.unique(np.linspace(0, steps - 1, min(steps, _MOST_ROWS)).round().astype(int))
    columns = ["time"]
    for name, unit in zip(found.channels, found.units, strict=True):
        columns += [f"{name} {unit}".strip(), "5 % to 95 %"]
    rows = []
    for step in shown.tolist():
        cells = [_time(found, step)]
        for channel in range(len(found.channels)):
            low, middle, high = found.bands[:, step, channel]
            cells += [f"{middle:.4g}", f"{low:.4g} to {high:.4g}"]
        rows.append(cells)
    print_table(tuple(columns), rows, empty="nothing ahead")
    for limit in found.limits:
        OUTPUT.print(limit_sentence(limit, found))
    OUTPUT.print(basis_sentence(found, zone))


def _time(found: Forecast, step: int) -> str:
    return iso(from_ms(found.from_ms + step * found.step_s * 1000))


def _plain(tank: str, found: Forecast) -> dict[str, object]:
    return {
        "tank": tank,
        "channels": list(found.channels),
        "units": list(found.units),
        "by_trend": list(found.by_trend),
        "untrusted": list(found.untrusted),
        "times": [_time(found, step) for step in range(found.steps)],
        **{
            name: found.bands[index].tolist()
            for index, name in enumerate(("low", "median", "high"))
        },
        "limits": [
            {
                "channel": limit.channel,
                "side": limit.side,
                "limit": limit.limit,
                "is_passed": limit.is_passed,
                "share": limit.when.share,
                "earliest_steps": limit.when.earliest,
                "latest_steps": limit.when.latest,
            }
            for limit in found.limits
        ],
    }
