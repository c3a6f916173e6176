"""The result of any order of arrival is that of the readings in order."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from tankwatch.detectors.fused import FusedDetector
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.jobs.train import train
from tankwatch.scoring.plan import load_plan
from tankwatch.store.engine import connect, reading
from tankwatch.store.migrate import upgrade
from tests.conftest import BACKENDS, PostgresServer
from tests.integration.arrivals import (
    LEARNED,
    STEPS,
    day,
    everything,
    in_order,
    out_of_order,
    watch,
)
from tests.integration.plant import at, make_context, make_settings, store

MODEL = {"forecaster_units": (8,), "forecaster_epochs": 3}
Farm = Callable[[], Context]
# Equal but for the last bits of a number.
_CLOSE = {"score", "peaks", "episodes", "memories", "bands"}


@pytest.fixture(scope="module", params=BACKENDS)
def farm(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Farm]:
    """Return what makes a plant that has learned its first day, as often as it is called."""
    home = tmp_path_factory.mktemp("farm")
    settings = make_settings(
        home,
        # A warning of what is ahead is given in time or not at all: it depends on when it is asked.
        limit_ahead={"response_s": 0},
        detect={"detector": "fused"},
        model=MODEL,
        channels={"pressure": {"high": 4.5}},
        alarms={"latching": ["limit", "stale"]},
    )
    server: PostgresServer | None = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        name = server.create(server.template)
        url = server.url(name)
    else:
        name = str(home / "template.db")
        url = f"sqlite:///{name}"
    engine = connect(url)
    upgrade(engine)
    context = make_context(engine, settings)
    store(engine, day(), slice(0, LEARNED))
    train(context, "fused", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    engine.dispose()
    made: list[Context] = []

    def make() -> Context:
        if server is not None:
            url = server.url(server.create(name))
        else:
            copy = home / f"{len(made)}.db"
            shutil.copyfile(name, copy)
            url = f"sqlite:///{copy}"
        made.append(make_context(connect(url), settings))
        return made[-1]

    yield make
    for one in made:
        one.engine.dispose()


@pytest.fixture(scope="module")
def sorted_run(farm: Farm) -> dict[str, Any]:
    """Return what is stored when the readings come in order, and are scored in one pass."""
    context = farm()
    watch(context, in_order(day()), [])
    return everything(context.engine)


def compare(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    exact = [name for name in wanted if name not in _CLOSE]
    for name in exact:
        assert found[name] == wanted[name], name
    np.testing.assert_allclose(found["score"], wanted["score"], rtol=1e-6, atol=1e-6)
    for band, of_wanted in zip(found["bands"], wanted["bands"], strict=True):
        np.testing.assert_allclose(band, of_wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["peaks"], wanted["peaks"], rtol=1e-6, atol=1e-6)
    for tank, memory in wanted["memories"].items():
        assert found["memories"][tank].until_ms == memory.until_ms
        np.testing.assert_allclose(
            found["memories"][tank].numbers, memory.numbers, rtol=1e-6, atol=1e-6
        )
    assert found["episodes"].keys() == wanted["episodes"].keys()
    for tank, state in wanted["episodes"].items():
        assert_alike(found["episodes"][tank], state)


def assert_alike(found: Any, wanted: Any) -> None:
    """Compare plain values, numbers to a millionth."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert_alike(found[key], value)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    else:
        assert found == wanted


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_of_arrival_ends_like_the_readings_in_order(
    farm: Farm, sorted_run: dict[str, Any], seed: int
) -> None:
    context = farm()
    rng = np.random.default_rng(seed)
    passes = sorted(rng.integers(LEARNED + 1, STEPS, 14).tolist())
    watch(context, out_of_order(day(), seed), passes)
    compare(everything(context.engine), sorted_run)
    with reading(context.engine) as connection:
        actions = set(connection.execute(text("SELECT DISTINCT action FROM audit")).scalars())
    assert "score-again" in actions
    assert "withdraw" in actions
    assert "late-beyond-horizon" not in actions


def test_the_day_has_something_to_find(farm: Farm, sorted_run: dict[str, Any]) -> None:
    symptoms = {row[6] for row in sorted_run["incidents"]}
    assert {row[4] for row in sorted_run["incidents"]} >= {
        "returned_unacknowledged",
        "latched_unacknowledged",
    }
    assert {"stale", "flat_line", "above_limit", "step"} <= symptoms
    assert len(sorted_run["under way"]) == 1
    context = farm()
    primary = load_plan(context.engine, context.settings).primary
    assert primary is not None
    assert isinstance(primary.detector, FusedDetector)
    # A channel is judged beside its siblings, so that a late sibling changes what is said of it.
    assert primary.detector.level_.by_site.any()
