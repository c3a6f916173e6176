from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from tankwatch.errors import ModelError
from tankwatch.store.champions import Champion, find_champion, promote
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.registry import (
    Artefact,
    ModelState,
    TrainingFacts,
    load_artefact,
    load_versions,
    store_model,
)

TRAINED_AT = datetime(2026, 3, 2, 2, 30, 0, 123000, tzinfo=UTC)
PROMOTED_AT = datetime(2026, 3, 2, 2, 45, tzinfo=UTC)
FACTS = TrainingFacts(TRAINED_AT, 3, 900, 12, 0.25, 0.4)
BYTES = bytes(range(256)) * 8


def artefact(**changes: Any) -> Artefact:
    given: dict[str, Any] = {
        "detector": "autoencoder",
        "manifest": {"channels": ["pressure"], "threshold": 1 / 3, "unit": "°C", "seed": None},
        "keras": BYTES,
        "onnx": BYTES[::-1],
    }
    return Artefact(**{**given, **changes})


def stored(engine: Engine, what: Artefact) -> int:
    with writing(engine) as connection:
        return store_model(connection, what, FACTS, reason="nightly training")


def promoted(engine: Engine, version: int, reason: str = "better") -> None:
    with writing(engine) as connection:
        promote(connection, version, at=PROMOTED_AT, reason=reason)


def states(engine: Engine, detector: str | None = None) -> list[tuple[int, ModelState]]:
    with reading(engine) as connection:
        versions = load_versions(connection, detector)
    return [(version.model_version_id, version.state) for version in versions]


@pytest.mark.parametrize("changes", [{}, {"keras": None, "onnx": None}])
def test_artefact_comes_back_as_it_was_stored(engine: Engine, changes: dict[str, None]) -> None:
    given = artefact(**changes)
    version = stored(engine, given)
    with reading(engine) as connection:
        assert load_artefact(connection, version) == given
        found = load_versions(connection)[0]
    assert (found.state, found.trained_at, found.promoted_at) == (
        ModelState.CANDIDATE,
        TRAINED_AT,
        None,
    )
    assert (found.tanks, found.validation_error) == (3, 0.25)


def test_candidate_is_no_champion_until_it_is_promoted(engine: Engine) -> None:
    given = artefact()
    version = stored(engine, given)
    with reading(engine) as connection:
        assert find_champion(connection, "autoencoder") is None
    promoted(engine, version)
    with reading(engine) as connection:
        assert find_champion(connection, "autoencoder") == Champion(version, given.sha256())
        found = load_versions(connection)[0]
    assert (found.promoted_at, found.reason) == (PROMOTED_AT, "better")


def test_promotion_retires_the_champion_of_the_same_detector_only(engine: Engine) -> None:
    first, second, other = (
        stored(engine, artefact(detector=name)) for name in ("autoencoder", "autoencoder", "pca")
    )
    for version in (first, other, second):
        promoted(engine, version)
    champion, retired = ModelState.CHAMPION, ModelState.RETIRED
    assert states(engine) == [(other, champion), (second, champion), (first, retired)]
    assert states(engine, "pca") == [(other, champion)]


def test_retired_version_can_be_champion_again(engine: Engine) -> None:
    first, second = stored(engine, artefact()), stored(engine, artefact())
    for version in (first, second, first):
        promoted(engine, version)
    assert states(engine) == [(second, ModelState.RETIRED), (first, ModelState.CHAMPION)]


@pytest.mark.parametrize(
    "damage",
    ["manifest = '{}'", "onnx = NULL", "keras = onnx, onnx = keras", "sha256 = 'nothing'"],
)
def test_damaged_artefact_is_refused_with_the_remedy(engine: Engine, damage: str) -> None:
    version = stored(engine, artefact())
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE model_version SET {damage}"))  # noqa: S608 - from above
    with (
        pytest.raises(ModelError, match=r"damaged.*models rollback"),
        reading(engine) as connection,
    ):
        load_artefact(connection, version)


def test_unknown_version_is_refused(engine: Engine) -> None:
    with pytest.raises(ModelError, match="no model version 77"), reading(engine) as connection:
        load_artefact(connection, 77)
    with pytest.raises(ModelError, match="no model version 77"):
        promoted(engine, 77)


def test_manifest_without_a_json_number_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        stored(engine, artefact(manifest={"threshold": float("nan")}))


def test_hash_depends_on_each_part() -> None:
    parts: tuple[dict[str, Any], ...] = ({"manifest": {}}, {"keras": b""}, {"onnx": b"x"})
    assert len({artefact().sha256(), *(artefact(**part).sha256() for part in parts)}) == 4
