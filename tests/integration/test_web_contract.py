"""The OpenAPI document against the server that it describes."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from requests import PreparedRequest
from requests.auth import AuthBase
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tankwatch.store.engine import Engine
from tests.integration.web_server import Served, served

READINGS = "/api/v1/readings"
# A row that does not fit is no wrong request: it is judged by itself, in the answer.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    ignored_auth,
    unsupported_method,
]


class ShowsToken(AuthBase):
    """Shows a token with each request."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@pytest.fixture
def web(engine: Engine) -> Iterator[Served]:
    with served(engine) as found:
        yield found


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_server_keeps_what_its_document_promises(web: Served, mode: GenerationMode) -> None:
    described = schemathesis.openapi.from_url(f"{web.client.base_url}/openapi.json")
    described.auth.set_from_requests(ShowsToken(web.token))
    asked = set()
    for operation in described.get_all_operations():
        assert isinstance(operation, Ok)
        found = operation.ok()

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(found.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case[Any]) -> None:
            asked.add(case.path)
            case.call_and_validate(checks=CHECKS)

        if mode is GenerationMode.POSITIVE or found.path == READINGS:
            check()
    assert READINGS in asked


def test_document_names_every_path_and_the_token(web: Served) -> None:
    document = web.client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        *("/api/v1/readings", "/healthz", "/readyz"),
        *(f"/api/v1/tanks/{{place}}/{what}" for what in ("series", "forecast")),
    }
    post = document["paths"]["/api/v1/readings"]["post"]
    assert set(post["requestBody"]["content"]) == {
        *("application/json", "application/x-ndjson", "text/csv")
    }
    assert post["security"] == [{"token": []}]
    assert {"400", "401", "403", "408", "413", "415", "422", "429", "503"} <= set(post["responses"])
