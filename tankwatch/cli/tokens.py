"""token: who may send readings over HTTP, and to which sites."""

import getpass
from typing import Annotated

import typer

from tankwatch import clock
from tankwatch.cli.common import ERRORS, OUTPUT, JsonFlag, opened, print_json, print_table
from tankwatch.store.engine import Connection, reading, writing
from tankwatch.store.runs import write_audit
from tankwatch.store.tokens import Token, add_token, load_tokens, revoke_token

token = typer.Typer(help="Tokens of sources that send over HTTP.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the source, for instance a gateway's.")]
By = Annotated[str, typer.Option(help="Who does it (default: the user).")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(token, name="token")


@token.command("add")
def add(
    name: Name,
    site: Annotated[
        list[str] | None, typer.Option(help="Site that it may write to; more than once for more.")
    ] = None,
    every_site: Annotated[
        bool, typer.Option("--every-site", help="It may write to every site.")
    ] = False,
    by: By = "",
    json: JsonFlag = False,
) -> None:
    """Make a token for a source, and show it this once: only its hash is kept."""
    sites = tuple(site or ())
    with opened() as context, writing(context.engine) as connection:
        made = add_token(connection, name, sites=sites, every_site=every_site, at=clock.now())
        _audit(connection, "token-add", name, ", ".join(sites) or "every site", by=by)
    if json:
        print_json({"name": name, "token": made, "sites": sites, "every_site": every_site})
        return
    OUTPUT.print(made, markup=False)
    ERRORS.print("keep it now: it is shown this once, and only its hash is stored")


@token.command("list")
def list_tokens(json: JsonFlag = False) -> None:
    """Show every token: its sites, when it was made, last used and revoked."""
    with opened() as context, reading(context.engine) as connection:
        found = load_tokens(connection)
    if json:
        print_json(found)
        return
    columns = ("source", "sites", "made", "last used", "revoked")
    print_table(
        columns, [_cells(one) for one in found], empty="no token yet: `tankwatch token add`"
    )


@token.command("revoke")
def revoke(name: Name, by: By = "", json: JsonFlag = False) -> None:
    """End a source's token, from its next request on."""
    with opened() as context, writing(context.engine) as connection:
        revoke_token(connection, name, at=clock.now())
        _audit(connection, "token-revoke", name, "", by=by)
    if json:
        print_json({"name": name, "revoked": True})
    else:
        OUTPUT.print(f"revoked the token of {name}", markup=False)


def _audit(connection: Connection, action: str, name: str, detail: str, *, by: str) -> None:
    write_audit(
        connection,
        at=clock.now(),
        actor=by or getpass.getuser(),
        action=action,
        subject=f"source {name}",
        detail=detail,
    )


def _cells(one: Token) -> tuple[object, ...]:
    sites = "every site" if one.every_site else ", ".join(one.sites)
    return (one.name, sites, one.created_at, one.last_used_at, one.revoked_at)
