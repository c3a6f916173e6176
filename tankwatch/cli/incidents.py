"""incidents, ack, reset, close and label: the operator's verbs."""

from typing import Annotated, Any

import typer

from tankwatch import clock
from tankwatch.cli.common import OUTPUT, JsonFlag, actor, opened, print_json, print_table
from tankwatch.core.feedback import tank_factors
from tankwatch.core.incident import IncidentState
from tankwatch.errors import UsageError
from tankwatch.store import acts
from tankwatch.store.engine import reading, writing
from tankwatch.store.incidents import StoredIncident, load_incidents
from tankwatch.store.operators import REAL_FAULT, load_labelled_alarms
from tankwatch.store.transitions import load_transitions

Number = Annotated[int, typer.Argument(help="Number of the incident.")]
By = Annotated[str, typer.Option("--by", help="Who (default: your login name).")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(incidents)
    app.command()(ack)
    app.command()(reset)
    app.command()(close)
    app.command()(label)


def incidents(
    number: Annotated[int | None, typer.Argument(help="Show one, with its history.")] = None,
    tank: Annotated[str, typer.Option(help="Of this tank only.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    limit: Annotated[int, typer.Option(help="Most incidents.", min=1)] = 50,
    json: JsonFlag = False,
) -> None:
    """List incidents that are not closed, or show one."""
    with opened() as context, reading(context.engine) as connection:
        if number is not None:
            found = load_incidents(connection, ids=[number])
            history = load_transitions(connection, number)
        else:
            found = load_incidents(connection, tank=tank or None, only_open=not all_, limit=limit)
            history = []
    if number is not None and not found:
        message = f"there is no incident {number}: see `tankwatch incidents --all`"
        raise UsageError(message)
    if json:
        rows = [_plain(stored) for stored in found]
        print_json(rows if number is None else {**rows[0], "history": history})
        return
    columns = (
        "no",
        "tank",
        "state",
        "detector",
        "channel",
        "symptom",
        "nature",
        "start",
        "end",
        "score",
    )
    print_table(columns, [_cells(stored) for stored in found], empty="no incidents")
    if history:
        OUTPUT.print()
        told = ("at", "event", "from_state", "to_state", "actor", "reason")
        print_table(told, [[row[column] for column in told] for row in history], empty="")


def ack(number: Number, by: By = "", json: JsonFlag = False) -> None:
    """Acknowledge an incident: somebody has seen it."""
    with opened() as context, writing(context.engine) as connection:
        state = acts.acknowledge(connection, number, by=actor(by), at=clock.now())
    _print_state(number, state, json=json)


def reset(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; stored.")] = "",
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Let go of an incident that is over and latched."""
    with opened() as context, writing(context.engine) as connection:
        state = acts.reset(connection, number, by=actor(by), at=clock.now(), reason=reason)
    _print_state(number, state, json=json)


def close(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; stored.")],
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Close an incident by hand."""
    with opened() as context, writing(context.engine) as connection:
        state = acts.close(connection, number, by=actor(by), at=clock.now(), reason=reason)
    _print_state(number, state, json=json)


def label(
    number: Number,
    verdict: Annotated[str, typer.Argument(help="not_a_fault or real_fault (real for short).")],
    cause: Annotated[str, typer.Option(help="What it was.")] = "",
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Say what an incident really was; training and the tank's threshold learn from it."""
    verdict = REAL_FAULT if verdict == "real" else verdict
    now = clock.now()
    with opened() as context, writing(context.engine) as connection:
        acts.label(connection, number, verdict=verdict, by=actor(by), at=now, cause=cause)
        tank_id = load_incidents(connection, ids=[number])[0].tank_id
        factor = tank_factors(load_labelled_alarms(connection), now).get(tank_id, 1.0)
    if json:
        print_json({"incident": number, "verdict": verdict, "threshold_factor": factor})
    else:
        raised = f"; its tank's threshold is now {factor:.2f} times what was learned"
        OUTPUT.print(f"incident {number}: {verdict}{raised if factor > 1 else ''}")


def _print_state(number: int, state: IncidentState, *, json: bool) -> None:
    if json:
        print_json({"incident": number, "state": state})
    else:
        OUTPUT.print(f"incident {number} is {state.value}")


def _cells(stored: StoredIncident) -> list[Any]:
    incident = stored.incident
    state = f"{incident.state.value}{' (historical)' if incident.historical else ''}"
    return [
        stored.incident_id,
        incident.tank,
        state,
        incident.detector,
        incident.channel,
        incident.symptom.value,
        incident.nature.value,
        incident.started_at,
        incident.ended_at,
        incident.peak_score,
    ]


def _plain(stored: StoredIncident) -> dict[str, Any]:
    incident = stored.incident
    shown = {name: getattr(incident, name) for name in incident.__dataclass_fields__}
    return {"incident_id": stored.incident_id, **shown}
