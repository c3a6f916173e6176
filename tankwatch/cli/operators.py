"""operator: who may act, and who can be told."""

import sys
from typing import Annotated

import typer

from tankwatch import clock
from tankwatch.cli.common import OUTPUT, JsonFlag, actor, opened, print_json, print_table
from tankwatch.core.actor import parse_role
from tankwatch.errors import SettingsError
from tankwatch.store.acts import audit
from tankwatch.store.engine import reading, writing
from tankwatch.store.people import (
    Operator,
    add_operator,
    load_operators,
    need_operator,
    set_active,
    set_groups,
    set_password_hash,
)

operator = typer.Typer(help="Operators: who may act, and who is told.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Login.")]
By = Annotated[str, typer.Option("--by", help="Who does it (default: your login name).")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(operator, name="operator")


@operator.command("add")
def add(
    name: Name,
    email: Annotated[str, typer.Option(help="Mail address; empty: is never mailed.")] = "",
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "operator",
    full_name: Annotated[str, typer.Option(help="Name as it is shown.")] = "",
    group: Annotated[
        list[str] | None, typer.Option(help="Group, for instance a shift; more than once for more.")
    ] = None,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Add an operator."""
    now, wanted = clock.now(), parse_role(role)
    with opened() as context, writing(context.engine) as connection:
        key = add_operator(
            connection, name, full_name=full_name or name, email=email, role=wanted, at=now
        )
        set_groups(connection, key, group or [])
        subject = f"operator {name}"
        audit(connection, actor(by), action="operator-add", subject=subject, at=now, detail=role)
        made = need_operator(connection, name)
    if json:
        print_json(made)
    else:
        OUTPUT.print(f"operator {name} is added as {wanted.value}")


@operator.command("list")
def list_operators(json: JsonFlag = False) -> None:
    """List operators with their groups."""
    with opened() as context, reading(context.engine) as connection:
        found = load_operators(connection)
    if json:
        print_json(found)
        return
    columns = ("login", "name", "mail", "role", "groups", "active", "password")
    print_table(
        columns, [_cells(one) for one in found], empty="no operators yet: `tankwatch operator add`"
    )


@operator.command("password")
def password(
    name: Name,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read it from standard input: its first line.")
    ] = False,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Set an operator's password of the page; sessions and links of before are void."""
    try:
        from tankwatch.web.passwords import hash_password  # noqa: PLC0415 - an extra brings it
    except ModuleNotFoundError as error:
        message = "logins need the parts of the page: pip install 'tankwatch[serve]'"
        raise SettingsError(message) from error
    with opened() as context:
        with reading(context.engine) as connection:
            key = need_operator(connection, name).operator_id
        made = hash_password(_asked(name, from_stdin=stdin))
        with writing(context.engine) as connection:
            set_password_hash(connection, key, made)
            subject = f"operator {name}"
            audit(
                connection, actor(by), action="operator-password", subject=subject, at=clock.now()
            )
            changed = need_operator(connection, name)
    if json:
        print_json(changed)
    else:
        OUTPUT.print(f"operator {name} has a new password")


def _asked(name: str, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt(f"New password of {name}", hide_input=True, confirmation_prompt=True))


@operator.command("disable")
def disable(name: Name, by: By = "", json: JsonFlag = False) -> None:
    """Keep an operator out: sessions and links are void at once, and no mail is sent."""
    _set_active(name, is_active=False, by=by, json=json)


@operator.command("enable")
def enable(name: Name, by: By = "", json: JsonFlag = False) -> None:
    """Let an operator in again."""
    _set_active(name, is_active=True, by=by, json=json)


@operator.command("group")
def group(
    name: Name,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", help="Group; more than once for more, none leaves every group."),
    ] = None,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Make an operator a member of these groups and of no other."""
    now = clock.now()
    with opened() as context, writing(context.engine) as connection:
        found = need_operator(connection, name)
        set_groups(connection, found.operator_id, groups or [])
        subject, detail = f"operator {name}", ", ".join(groups or ["no group"])
        audit(
            connection, actor(by), action="operator-group", subject=subject, at=now, detail=detail
        )
        changed = need_operator(connection, name)
    if json:
        print_json(changed)
    else:
        OUTPUT.print(f"operator {name} is in: {', '.join(changed.groups) or 'no group'}")


def _set_active(name: str, *, is_active: bool, by: str, json: bool) -> None:
    action = "enable" if is_active else "disable"
    now = clock.now()
    with opened() as context, writing(context.engine) as connection:
        found = need_operator(connection, name)
        set_active(connection, found.operator_id, is_active=is_active)
        subject = f"operator {name}"
        audit(connection, actor(by), action=f"operator-{action}", subject=subject, at=now)
        changed = need_operator(connection, name)
    if json:
        print_json(changed)
    else:
        OUTPUT.print(f"operator {name} is {action}d")


def _cells(one: Operator) -> list[object]:
    return [
        one.name,
        one.full_name,
        one.email or "-",
        one.role.value,
        ", ".join(one.groups) or "-",
        "yes" if one.is_active else "no",
        "yes" if one.has_password else "no",
    ]
