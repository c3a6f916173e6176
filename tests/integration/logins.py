"""Operators who can log in to the page, for tests over HTTP and in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import httpx

from tankwatch.core.actor import Role
from tankwatch.store.engine import Engine, writing
from tankwatch.store.people import add_operator, set_password_hash
from tankwatch.web.passwords import hash_password
from tests.integration.page_reader import Page
from tests.integration.web_server import NOW

PASSWORD = "correct horse battery staple"


def add_login(engine: Engine, name: str, role: Role, password: str = PASSWORD) -> int:
    """Add an operator with a password, and return the id."""
    with writing(engine) as connection:
        key = add_operator(
            connection,
            name,
            full_name=name.title(),
            email=f"{name}@tank.example",
            role=role,
            at=NOW,
        )
        set_password_hash(connection, key, _hashed(password))
    return key


@cache
def _hashed(password: str) -> str:
    return hash_password(password)


class Visit:
    """A browser without scripts: it keeps its cookies, and sends forms with their token."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path, headers={"accept": "text/html"})

    def log_in(self, name: str, password: str = PASSWORD, after: str = "/health") -> httpx.Response:
        fields = {"login": name, "password": password, "next": after}
        return self.client.post("/login", data=fields)

    def token(self, path: str = "/health") -> str:
        """Return the token of the forms of a page."""
        fields = Page(self.get(path).text).all("input")
        return next(str(field["value"]) for field in fields if field["name"] == "form_token")

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form with its token."""
        return self.client.post(path, data={"form_token": self.token(), **fields})


@contextmanager
def visit(address: str) -> Iterator[Visit]:
    """Begin a visit of somebody who is not logged in."""
    with httpx.Client(base_url=address, timeout=30) as client:
        yield Visit(client)
