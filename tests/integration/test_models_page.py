"""The page of models: what it tells, and an admin who chooses another version there."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from tankwatch.core.actor import Actor, Role, Via
from tankwatch.errors import ModelError, UsageError
from tankwatch.store.champions import promote, start_shadow
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.model_acts import roll_back, use_version
from tankwatch.store.registry import Artefact, TrainingFacts, load_versions, store_model
from tests.integration.logins import Visit, add_login, visit
from tests.integration.page_reader import check
from tests.integration.web_server import NOW, served

KIM = Actor("kim", Via.PAGE, "192.0.2.1")


def fill(engine: Engine) -> None:
    """Store a version that was in use, the one that is, a candidate and one in shadow."""
    with writing(engine) as connection:
        for number in range(1, 5):
            facts = TrainingFacts(NOW + timedelta(days=number), 8, 80_144, 0, 0.021 * number, 0.4)
            reason = "worse than the model in use" if number == 3 else "no worse"
            store_model(connection, Artefact("fused", {}), facts, reason=reason)
        for number in (1, 2):
            promote(connection, number, at=NOW + timedelta(days=number), reason="no worse")
        start_shadow(connection, 4, at=NOW + timedelta(days=4))


@pytest.fixture
def address(engine: Engine) -> Iterator[str]:
    add_login(engine, "kim", Role.ADMIN)
    add_login(engine, "ola", Role.OPERATOR)
    fill(engine)
    with served(engine) as web:
        yield str(web.client.base_url)


@pytest.fixture
def kim(address: str) -> Iterator[Visit]:
    with visit(address) as found:
        found.log_in("kim")
        yield found


def states(engine: Engine) -> dict[int, str]:
    with reading(engine) as connection:
        return {one.model_version_id: one.state.value for one in load_versions(connection)}


def audited(engine: Engine) -> list[tuple[str, ...]]:
    query = "SELECT actor, via, address, action, subject, detail FROM audit WHERE action <> 'login'"
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_versions_are_told_with_figures_and_reasons(kim: Visit) -> None:
    page = check(kim.get("/models").text)
    assert "fused its scores open incidents" in page.text
    assert "Version 2: ✔ in use no worse Trained 2026-03-04 00:00" in page.text
    assert "Held-out error 0.063" in page.text
    assert "Version 3: candidate: trained, not used worse than the model in use" in page.text
    forms = [str(form["action"]) for form in page.all("form")]
    # The one in use needs no form, and the one in shadow is compared first.
    assert forms[1:] == ["/models/rollback", "/models/3/promote", "/models/1/promote"]
    assert "tankwatch models compare 4" in page.text


def test_admin_rolls_back_and_promotes_and_both_are_audited(engine: Engine, kim: Visit) -> None:
    fields = {"detector": "fused", "to": "1", "reason": "too many alarms"}
    assert kim.send("/models/rollback", **fields).headers["location"] == "/models"
    assert states(engine) == {1: "champion", 2: "retired", 3: "candidate", 4: "shadow"}
    assert "Version 1: ✔ in use too many alarms" in check(kim.get("/models").text).text
    kim.send("/models/3/promote", reason=" it sees more ")
    assert states(engine)[3] == "champion"
    assert audited(engine) == [
        ("kim", "page", "127.0.0.1", "rollback", "model version 1", "too many alarms"),
        ("kim", "page", "127.0.0.1", "promote", "model version 3", "it sees more"),
    ]


@pytest.mark.parametrize(
    ("path", "fields", "status", "told"),
    [
        ("/models/3/promote", {"reason": " "}, 422, "A reason is needed"),
        ("/models/3/promote", {"reason": "x" * 501}, 422, "A reason is needed"),
        ("/models/9/promote", {"reason": "x"}, 409, "There is no model version 9"),
        ("/models/2/promote", {"reason": "x"}, 409, "Version 2 is in use already"),
        ("/models/4/promote", {"reason": "x"}, 409, "Version 4 is in shadow"),
        ("/models/rollback", {"detector": "pca", "to": "1", "reason": "x"}, 409, "Pca has no earl"),
        # Somebody else went back meanwhile: what the form showed is not what would happen.
        ("/models/rollback", {"detector": "fused", "to": "7", "reason": "x"}, 409, "no longer 7"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    engine: Engine, kim: Visit, path: str, fields: dict[str, str], status: int, told: str
) -> None:
    before = states(engine)
    answer = kim.send(path, **fields)
    assert answer.status_code == status
    assert told in check(answer.text).text
    assert (states(engine), audited(engine)) == (before, [])


def test_operator_looks_and_chooses_nothing(engine: Engine, address: str) -> None:
    with visit(address) as ola:
        ola.log_in("ola")
        page = check(ola.get("/models").text)
        assert "An admin can choose another version here" in page.text
        assert [str(form["action"]) for form in page.all("form")] == ["/logout"]
        assert ola.send("/models/3/promote", reason="x").status_code == 403
    assert states(engine)[2] == "champion"


def test_choice_and_its_audit_are_one_transaction(engine: Engine) -> None:
    fill(engine)
    with pytest.raises(UsageError, match="say why"), writing(engine) as connection:
        use_version(connection, 3, by=KIM, at=NOW, reason="  ")
    with pytest.raises(ModelError, match="version 3 is no earlier version"), writing(engine) as c:
        roll_back(c, "fused", by=KIM, at=NOW, reason="x", to=3)
    assert (states(engine)[2], audited(engine)) == ("champion", [])
    with writing(engine) as connection:
        assert roll_back(connection, "fused", by=KIM, at=NOW, reason="x") == 1
    assert audited(engine) == [("kim", "page", "192.0.2.1", "rollback", "model version 1", "x")]
