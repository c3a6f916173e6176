"""response: the time in which somebody can act on a tank."""

import getpass
from typing import Annotated

import typer

from tankwatch import clock
from tankwatch.cli.common import OUTPUT, JsonFlag, opened, print_json
from tankwatch.core.times import human_duration
from tankwatch.errors import UsageError
from tankwatch.store.engine import reading, writing
from tankwatch.store.plant import load_tanks, set_response
from tankwatch.store.runs import write_audit


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(response)


def response(
    tank: Annotated[str, typer.Argument(help="Name of the tank.")],
    minutes: Annotated[
        float | None, typer.Option(help="Set it; 0: never warn.", min=0, max=1440)
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Take the settings'.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who (default: your login name).")] = "",
    json: JsonFlag = False,
) -> None:
    """Show or set in what time somebody can act on a tank: a limit nearer than that is told of."""
    if default and minutes is not None:
        message = "say --minutes or --default, one of the two"
        raise UsageError(message)
    with opened() as context:
        with reading(context.engine) as connection:
            found = next((one for one in load_tanks(connection) if one.name == tank), None)
        if found is None:
            message = f"there is no tank {tank!r}: `tankwatch tanks` lists them"
            raise UsageError(message)
        own = found.response_s
        if default or minutes is not None:
            own = None if minutes is None else minutes * 60.0
            with writing(context.engine) as connection:
                set_response(connection, found.tank_id, own)
                write_audit(
                    connection,
                    at=clock.now(),
                    actor=by or getpass.getuser(),
                    action="response",
                    subject=f"tank {tank}",
                    detail="the settings'" if own is None else human_duration(own),
                )
        common = context.settings.limit_ahead.response_s
    seconds = common if own is None else own
    if json:
        print_json({"tank": tank, "response_s": seconds, "is_own": own is not None})
        return
    whose = "of its own" if own is not None else "of the settings"
    told = human_duration(seconds) if seconds else "none: no limit ahead is told of"
    OUTPUT.print(f"{tank}: response time {told} ({whose})")
