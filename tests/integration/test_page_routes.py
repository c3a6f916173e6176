"""Each role against each route, from the application's own table: a new one needs a rule."""

from collections.abc import Iterator

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from tankwatch.core.actor import Role
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, connect
from tankwatch.web.app import create_app
from tankwatch.web.page_access import Needs
from tests.integration.logins import Visit, add_login, visit
from tests.integration.web_server import served

# What is open to whoever reaches the server, and why that does no harm.
OPEN = {
    ("GET", "/healthz"): "says that the server runs",
    ("GET", "/readyz"): "says whether readings would be taken",
    ("POST", "/api/v1/readings"): "asks for a token of its own",
    ("GET", "/metrics"): "asks for a token of its own, or for this machine",
    ("GET", "/login"): "is where one becomes known",
    ("POST", "/login"): "is where one becomes known",
    ("GET", "/act/{token}"): "shows what its link names, which is signed for one operator",
    ("HEAD", "/act/{token}"): "shows nothing",
    ("POST", "/act/{token}"): "does the one thing that its link is signed for, once",
}
# Every POST needs an operator but for these.
VIEWERS_MAY_POST = {"/logout"}


def roles_asked(dependant: Dependant) -> set[Role]:
    """Return the roles that a route asks for, at any depth."""
    found = {dependant.call.role} if isinstance(dependant.call, Needs) else set()
    return found.union(*(roles_asked(inner) for inner in dependant.dependencies))


def routes() -> list[tuple[str, str, Role | None]]:
    """Return method, path and the highest role asked for of every route of the application."""
    app = create_app(connect("sqlite://"), Settings())
    table = []
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            asked = roles_asked(route.dependant)
            most = max(asked, key=list(Role).index) if asked else None
            table += [(method, str(route.path), most) for method in sorted(route.methods or ())]
    return table


ROUTES = routes()
GUARDED = [(method, path, role) for method, path, role in ROUTES if role is not None]


def test_every_route_asks_for_a_role_or_is_open_for_a_reason() -> None:
    assert {(method, path) for method, path, role in ROUTES if role is None} == set(OPEN)
    assert len(GUARDED) > 3


def test_whoever_may_only_look_changes_nothing() -> None:
    changing = {(path, role) for method, path, role in GUARDED if method != "GET"}
    assert {path for path, role in changing if role is Role.VIEWER} == VIEWERS_MAY_POST


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Role | None, Visit]]:
    """Return a visit of each role, and of somebody who is not logged in."""
    from tankwatch.store.migrate import upgrade  # noqa: PLC0415

    engine: Engine = connect(f"sqlite:///{tmp_path_factory.mktemp('roles')}/tankwatch.db")
    upgrade(engine)
    for role in Role:
        add_login(engine, role.value, role)
    with served(engine) as web:
        address = str(web.client.base_url)
        with visit(address) as a, visit(address) as b, visit(address) as c, visit(address) as d:
            begun: dict[Role | None, Visit] = {None: a}
            for role, one in zip(Role, (b, c, d), strict=True):
                assert one.log_in(role.value).status_code == 303
                begun[role] = one
            yield begun
    engine.dispose()


@pytest.mark.parametrize("who", [None, *Role], ids=str)
@pytest.mark.parametrize(("method", "path", "needed"), GUARDED, ids=str)
def test_route_is_open_to_its_role_and_those_above(
    visits: dict[Role | None, Visit], who: Role | None, method: str, path: str, needed: Role
) -> None:
    one = visits[who]
    # Names of nothing: a page says that there is none (404), or what the form lacks (422).
    address = path.replace(":path}", "}")
    for name in ("place", "uid", "site", "tank", "version"):
        address = address.replace(f"{{{name}}}", "0")
    if method == "POST":
        token = one.token() if who is not None else "x"
        answer = one.client.post(address, data={"form_token": token})
    else:
        # News has no end: the status is enough.
        with one.client.stream("GET", address, headers={"accept": "text/html"}) as answer:
            pass
    if who is None:
        expected = {303} if method == "GET" else {401}
        assert answer.status_code in expected
        assert method == "POST" or answer.headers["location"].startswith("/login")
    elif who.covers(needed):
        assert answer.status_code not in {401, 403}
        assert answer.status_code < 500
        if path == "/logout":
            one.log_in(who.value)
    else:
        assert answer.status_code == 403
