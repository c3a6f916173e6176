"""models show, shadow, compare, promote, rollback: which version is used, and why."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from tankwatch import clock
from tankwatch.cli.common import OUTPUT, JsonFlag, actor, opened, print_json, print_table
from tankwatch.errors import UsageError
from tankwatch.jobs.context import Context
from tankwatch.jobs.shadow import Comparison, compare_shadow, find_version
from tankwatch.store import model_acts
from tankwatch.store.acts import audit
from tankwatch.store.champions import find_shadows, start_shadow, stop_shadow
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.registry import ModelState, load_artefact

Version = Annotated[int, typer.Argument(help="Number of the version.")]
By = Annotated[str, typer.Option("--by", help="Who (default: your login name).")]
Reason = Annotated[str, typer.Option(help="Why; stored.")]
SHOWN = (
    "trained_because",
    "from",
    "until",
    "stretches",
    "calibrated_from",
    "channel_names",
    "tank_names",
    "left_out_tanks",
    "parameters",
    "excluded",
    "excluded_not_listed",
)


def register(models: typer.Typer) -> None:
    """Add these commands."""
    for name, command in (
        ("show", show),
        ("shadow", shadow),
        ("compare", compare),
        ("promote", promote_version),
        ("rollback", roll_back),
    ):
        models.command(name)(command)


def show(version: Version, json: JsonFlag = False) -> None:
    """Show one version: what it learned from, what it did not and why, how it has drifted."""
    with opened() as context:
        found = find_version(context, version)
        with reading(context.engine) as connection:
            manifest = load_artefact(connection, version).manifest
    facts = asdict(found) | {name: manifest[name] for name in SHOWN if name in manifest}
    if json:
        print_json(facts)
        return
    excluded = facts.pop("excluded", [])
    stretches = facts.pop("stretches", [])
    rows = [(name.replace("_", " "), _cell(value)) for name, value in facts.items()]
    print_table(("what", "is"), rows, empty="")
    OUTPUT.print()
    if len(stretches) > 1:
        spans = [[one["from"], one["until"]] for one in stretches]
        print_table(("learned from", "until"), spans, empty="")
        OUTPUT.print()
    columns = ("tank", "start", "end", "why")
    listed = [[one[column] for column in columns] for one in excluded]
    print_table(columns, listed, empty="nothing was left out of its training")


def shadow(
    version: Version,
    stop: Annotated[bool, typer.Option("--stop", help="End it instead.")] = False,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Score with a version beside the one in use, from now on; it never alarms."""
    with opened() as context, writing(context.engine) as connection:
        (stop_shadow if stop else start_shadow)(connection, version, at=clock.now())
        _audit(connection, "shadow-stop" if stop else "shadow", version, by=by)
    if json:
        print_json({"model_version": version, "state": "candidate" if stop else "shadow"})
        return
    word = "scores no more" if stop else "is in shadow from the next pass on: `models compare`"
    OUTPUT.print(f"version {version} {word}")


def compare(
    version: Annotated[
        int | None, typer.Argument(help="Number of the version (default: each in shadow).")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Show what a version in shadow and the one in use said of the time that both scored."""
    with opened() as context:
        with reading(context.engine) as connection:
            shadows = [one.model_version_id for one in find_shadows(connection)]
        chosen = shadows if version is None else [version]
        found = [compare_shadow(context, one) for one in chosen]
    if json:
        print_json([_plain(one) for one in found])
        return
    columns = ("version", "role", "tank-months", "false alarms", "a tank-month", "faults found")
    rows = [
        (number, role, one.tank_months, one.alarms, one.rate, f"{one.found} of {one.real}")
        for each in found
        for number, role, one in (
            (each.champion, "in use", each.old),
            (each.version, "in shadow", each.new),
        )
    ]
    print_table(columns, rows, empty="nothing is in shadow: `tankwatch models shadow N`")
    for each in found:
        OUTPUT.print(f"version {each.version}: {each.sentence()}")


def promote_version(
    version: Annotated[int, typer.Argument(help="Version to use from now on.")],
    reason: Reason,
    anyway: Annotated[bool, typer.Option("--anyway", help="Even if it did worse.")] = False,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Use a version from now on; scores of other versions are kept."""
    with opened() as context:
        if find_version(context, version).state is ModelState.SHADOW:
            shown = _in_shadow(context, version, anyway=anyway)
            reason = f"{_stated(reason)} ({shown})"
        with writing(context.engine) as connection:
            model_acts.use_version(
                connection, version, by=actor(by), at=clock.now(), reason=_stated(reason)
            )
    _tell(version, json)


def _in_shadow(context: Context, version: int, *, anyway: bool) -> str:
    """Return what the time in shadow showed; refuse a version that did worse."""
    try:
        compared = compare_shadow(context, version)
    except UsageError as error:
        if anyway:
            return str(error)
        raise
    if not (compared.no_worse or anyway):
        message = f"version {version} is {compared.sentence()}; use it with --anyway"
        raise UsageError(message)
    return compared.sentence()


def roll_back(
    reason: Reason,
    detector: Annotated[
        str, typer.Argument(help="Detector to roll back (default: the one that alarms).")
    ] = "",
    to: Annotated[int | None, typer.Option(help="Version (default: the one before).")] = None,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Use the version again that was in use before; past scores are kept."""
    with opened() as context, writing(context.engine) as connection:
        chosen = model_acts.roll_back(
            connection,
            detector or context.settings.detect.detector,
            by=actor(by),
            at=clock.now(),
            reason=_stated(reason),
            to=to,
        )
    _tell(chosen, json)


def _stated(reason: str) -> str:
    if not reason.strip():
        message = "say why with --reason: it is stored with the version"
        raise UsageError(message)
    return reason.strip()


def _audit(connection: Connection, action: str, version: int, *, by: str) -> None:
    audit(connection, actor(by), action=action, subject=f"model version {version}", at=clock.now())


def _plain(one: Comparison) -> dict[str, Any]:
    rates = {"new_rate": one.new.rate, "old_rate": one.old.rate, "told": one.sentence()}
    return asdict(one) | rates


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or None
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return value


def _tell(version: int, json: bool) -> None:
    if json:
        print_json({"model_version": version})
    else:
        OUTPUT.print(f"version {version} scores from the next pass on")
