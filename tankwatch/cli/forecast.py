"""forecast: what a tank is expected to do next."""

from typing import Annotated

import numpy as np
import typer

from tankwatch.cli.common import OUTPUT, JsonFlag, opened, print_json, print_table
from tankwatch.core.times import from_ms, human_duration, iso
from tankwatch.jobs.forecast import Forecast, LimitAhead
from tankwatch.jobs.forecast import forecast as look_ahead

_MOST_ROWS = 12
_LIKELY = 0.5


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(forecast)


def forecast(
    tank: Annotated[str, typer.Argument(help="Name of the tank.")],
    steps: Annotated[int, typer.Option(help="Steps ahead.", min=1, max=2880)] = 60,
    paths: Annotated[int, typer.Option(help="Paths that are drawn.", min=20, max=5000)] = 200,
    json: JsonFlag = False,
) -> None:
    """Show the next steps of a tank with a 90 % interval, and the time to each limit."""
    with opened() as context:
        found = look_ahead(context, tank, steps=steps, paths=paths)
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
        OUTPUT.print(_sentence(limit, found, steps))


def _time(found: Forecast, step: int) -> str:
    return iso(from_ms(found.from_ms + step * found.step_s * 1000))


def _sentence(limit: LimitAhead, found: Forecast, steps: int) -> str:
    """Return when a limit is reached, in words."""
    name = f"{limit.channel} and its {limit.side} limit of {limit.limit:g} {limit.unit}".rstrip()
    when, horizon = limit.when, human_duration(steps * found.step_s)
    if when.share < _LIKELY or when.earliest is None or when.latest is None:
        return f"{name}: reached within {horizon} in {when.share:.0%} of the paths"
    first, last = (human_duration(step * found.step_s) for step in (when.earliest, when.latest))
    return f"{name}: reached in {first} to {last} (90 %), in {when.share:.0%} of the paths"


def _plain(tank: str, found: Forecast) -> dict[str, object]:
    steps = found.bands.shape[1]
    return {
        "tank": tank,
        "channels": list(found.channels),
        "units": list(found.units),
        "times": [_time(found, step) for step in range(steps)],
        **{
            name: found.bands[index].tolist()
            for index, name in enumerate(("low", "median", "high"))
        },
        "limits": [
            {
                "channel": limit.channel,
                "side": limit.side,
                "limit": limit.limit,
                "share": limit.when.share,
                "earliest_steps": limit.when.earliest,
                "latest_steps": limit.when.latest,
            }
            for limit in found.limits
        ],
    }
