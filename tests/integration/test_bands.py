"""The band of what was expected: kept with the scores, replaced with them, drawn on the page."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from tankwatch.core.block import Grid
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.jobs.housekeeping import housekeeping
from tankwatch.jobs.train import train
from tankwatch.scoring.blocks import load_block
from tankwatch.scoring.plan import load_plan
from tankwatch.store.bands import Bands, delete_bands_before, load_band, store_bands
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.incidents import load_incidents
from tankwatch.store.plant import tank_ids
from tankwatch.web.evidence import load_evidence
from tests.integration.late_plant import LEARNED, STEPS, TANKS, plant, send
from tests.integration.plant import (
    START_MS,
    STEP_MS,
    at,
    make_context,
    make_settings,
    quiet_values,
    scores,
    store,
)
from tests.integration.web_server import served

MODEL = {"forecaster_units": (8,), "forecaster_epochs": 3}


def edges(engine: Engine, tank: str, first: int, last: int) -> NDArray[np.float32]:
    """Return lower and upper edge of the steps of a tank, (steps, channels, 2)."""
    span = {"from_ms": START_MS + first * STEP_MS, "until_ms": START_MS + last * STEP_MS}
    with reading(engine) as connection:
        key = tank_ids(connection, [tank])[tank]
        found = load_band(connection, key, step_ms=STEP_MS, **span)
    assert found.first_ms == span["from_ms"]
    assert found.edges.shape[1] == last - first
    return np.asarray(found.edges[0])


def keep(
    engine: Engine, tanks: list[int], first_ms: int, told: NDArray[np.float32], **more: Any
) -> None:
    with writing(engine) as connection:
        store_bands(connection, Bands(tanks, first_ms, STEP_MS, told), **more)


def filled(tanks: int, steps: int, value: float, channels: int = 2) -> NDArray[np.float32]:
    return np.full((tanks, steps, channels, 2), value, np.float32)


def kept(engine: Engine, tank: int, steps: int, first_ms: int = START_MS) -> list[float | None]:
    """Return the lower edge of the first channel, step by step."""
    with reading(engine) as connection:
        until_ms = first_ms + steps * STEP_MS
        found = load_band(connection, tank, step_ms=STEP_MS, from_ms=first_ms, until_ms=until_ms)
    if not found.edges.shape[2]:
        return [None] * steps
    return [None if np.isnan(low) else float(low) for low in found.edges[0, :, 0, 0]]


def test_parts_across_rows_are_one_stretch_and_replace_what_was_said_before(
    engine: Engine, tanks: dict[str, int]
) -> None:
    one, other = tanks["T1"], tanks["T2"]
    keep(engine, [one, other], START_MS + 50 * STEP_MS, filled(2, 20, 1.0))
    keep(engine, [one], START_MS + 65 * STEP_MS, filled(1, 10, 2.0))
    assert kept(engine, one, 80) == [None] * 50 + [1.0] * 15 + [2.0] * 10 + [None] * 5
    assert kept(engine, other, 80) == [None] * 50 + [1.0] * 20 + [None] * 10
    keep(engine, [one], START_MS + 52 * STEP_MS, filled(1, 2, np.nan))
    assert kept(engine, one, 56) == [None] * 50 + [1.0] * 2 + [None] * 2 + [1.0] * 2
    with reading(engine) as connection:
        rows = connection.execute(text("SELECT count(*) FROM expected_band")).scalar_one()
    assert rows == 4


def test_steps_that_are_not_told_of_keep_what_was_said(
    engine: Engine, tanks: dict[str, int]
) -> None:
    both = [tanks["T1"], tanks["T2"]]
    keep(engine, both, START_MS, filled(2, 4, 1.0))
    keep(engine, both, START_MS, filled(2, 4, 2.0), stops=[1, 4])
    assert kept(engine, both[0], 4) == [2.0, 1.0, 1.0, 1.0]
    assert kept(engine, both[1], 4) == [2.0] * 4


def test_tank_of_which_nothing_was_expected_has_no_row(
    engine: Engine, tanks: dict[str, int]
) -> None:
    keep(engine, [tanks["T1"]], START_MS, filled(1, 4, np.nan))
    keep(engine, [], START_MS, filled(0, 4, 1.0))
    assert kept(engine, tanks["T1"], 4) == [None] * 4
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM expected_band")).scalar_one() == 0


def test_rows_from_before_a_channel_was_added_or_the_step_was_changed_do_no_harm(
    engine: Engine, tanks: dict[str, int]
) -> None:
    tank = tanks["T1"]
    keep(engine, [tank], START_MS, filled(1, 4, 1.0))
    keep(engine, [tank], START_MS + 2 * STEP_MS, filled(1, 4, 3.0, channels=3))
    with reading(engine) as connection:
        span = {"from_ms": START_MS, "until_ms": START_MS + 6 * STEP_MS}
        found = load_band(connection, tank, step_ms=STEP_MS, **span).edges[0]
        assert load_band(connection, tank, step_ms=2 * STEP_MS, **span).edges.shape[2] == 0
    assert found.shape == (6, 3, 2)
    assert np.isnan(found[:2, 2]).all()
    assert (found[2:] == 3.0).all()
    assert (found[:2, :2] == 1.0).all()


def test_what_is_older_than_it_is_kept_is_deleted(engine: Engine, tanks: dict[str, int]) -> None:
    tank = tanks["T1"]
    keep(engine, [tank], START_MS, filled(1, 130, 1.0))
    with writing(engine) as connection:
        assert delete_bands_before(connection, at(60)) == 1
    assert kept(engine, tank, 61) == [None] * 60 + [1.0]


@pytest.mark.parametrize("detector", ["robust_z", "fused"])
def test_passes_keep_the_band_that_steps_were_judged_by(
    engine: Engine, tmp_path: Path, detector: str
) -> None:
    settings = make_settings(tmp_path, detect={"detector": detector}, model=MODEL)
    context = make_context(engine, settings)
    values = quiet_values(TANKS, 1700)
    values[1, 1500:1520] = np.nan
    values[2, 1600:1640, 0] += 3.0
    store(engine, values, slice(0, LEARNED))
    train(context, detector, now=at(LEARNED))
    for step in (1460, 1461, 1530, 1533, 1700):
        store(engine, values, slice(0, step))
        detect(context, now=at(step))
    wanted = by_one_look(context, 1461, 1680)
    found = np.stack([edges(engine, f"TK-{n}", 1461, 1680) for n in (1, 2, 3)])
    judged = np.zeros(found.shape[:2], dtype=bool)
    for tank, step, _ in scores(engine, detector):
        if 1461 <= step < 1680:
            judged[int(tank) - 1, int(step) - 1461] = True
    # A hole of three steps at most is filled.
    assert not judged[1, 42:59].any()
    assert judged[0].all()
    np.testing.assert_allclose(found[judged], wanted[judged], rtol=1e-4, atol=1e-4)
    assert np.isnan(found[~judged]).all()
    assert (found[judged][..., 1] > found[judged][..., 0]).all()


def by_one_look(context: Context, first: int, last: int) -> NDArray[np.float64]:
    """Return the band of steps as the version sees them in one piece from the beginning."""
    plan = load_plan(context.engine, context.settings)
    assert plan.primary is not None
    grid = Grid(START_MS, last, STEP_MS // 1000)
    block = load_block(
        context.engine, context.settings, list(plan.tanks.values()), plan.channels, grid
    )
    low, high = plan.primary.expected_band(block)
    return np.stack([low, high], axis=-1)[:, first:last]


def test_late_readings_replace_the_band_of_what_is_scored_again(
    engine: Engine, tmp_path: Path
) -> None:
    values = quiet_values(TANKS, STEPS)
    context = plant(engine, tmp_path, values)
    late = values.copy()
    late[1, 1595:1650] = np.nan
    send(context, late, LEARNED, 1700)
    assert np.isnan(edges(engine, "TK-2", 1598, 1650)).all()
    send(context, values, 1595, 1650, 1)
    again = edges(engine, "TK-2", 1595, 1650)
    assert np.isfinite(again).all()
    wanted = by_one_look(context, 1595, 1650)[1]
    np.testing.assert_allclose(again, wanted, rtol=1e-4, atol=1e-4)


def test_none_is_kept_where_none_is_wanted_and_old_ones_go(engine: Engine, tmp_path: Path) -> None:
    values = quiet_values(TANKS, STEPS)
    context = plant(engine, tmp_path, values)
    send(context, values, LEARNED, 1600)
    assert np.isfinite(edges(engine, "TK-1", 1500, 1590)).all()
    housekeeping(context, now=at(1600) + timedelta(days=14))
    assert np.isnan(edges(engine, "TK-1", 1500, 1559)).all()
    settings = make_settings(tmp_path, keep={"band_days": 0})
    send(make_context(engine, settings), values, 1600, 1700)
    assert np.isnan(edges(engine, "TK-1", 1600, 1700)).all()


def test_chart_is_given_the_band_beside_its_points(engine: Engine, tmp_path: Path) -> None:
    values = quiet_values(TANKS, STEPS)
    context = plant(engine, tmp_path, values)
    values[1, 1650:1653] = np.nan
    send(context, values, LEARNED, 1700)
    with writing(engine) as connection:
        delete_bands_before(connection, at(LEARNED))
    with served(engine, context.settings) as web:

        def ask(first: int, last: int, points: int) -> dict[str, Any]:
            span: dict[str, str | int] = {
                "from": at(first).isoformat(),
                "to": at(last).isoformat(),
                "points": points,
            }
            answer = web.client.get("/api/v1/tanks/north/TK-2/series", params=span)
            assert answer.status_code == 200, answer.text
            return dict(answer.json()["channels"][0])

        close, wide = ask(1600, 1700, 1000), ask(1500, 1700, 20)
        old = ask(0, LEARNED - 60, 1000)
        page = web.client.get("/tanks/north/TK-2")
    band = edges(engine, "TK-2", 1500, 1700)[:, 0]
    places = [(moment - START_MS) // STEP_MS - 1500 for moment in close["t"]]
    for place, mean, low, high in zip(
        places, close["mean"], close["expected_low"], close["expected_high"], strict=True
    ):
        if mean is None or np.isnan(band[place]).any():  # a gap, and the last, unfinished steps
            assert (low, high) == (None, None)
        else:
            assert (low, high) == pytest.approx(tuple(band[place]), abs=1e-5)
    assert sum(low is not None for low in close["expected_low"]) > 90
    # Of a bucket the lowest and the highest edge, as of readings.
    assert wide["t"][3] == START_MS + 1530 * STEP_MS
    assert wide["expected_low"][3] == pytest.approx(np.nanmin(band[30:40, 0]), abs=1e-5)
    assert wide["expected_high"][3] == pytest.approx(np.nanmax(band[30:40, 1]), abs=1e-5)
    assert (old["expected_low"], old["expected_high"]) == ([], [])
    assert len(old["mean"]) > 100
    assert page.text.count('<path class="expected"') == 2


def test_page_of_an_incident_has_the_band_of_its_steps(engine: Engine, tmp_path: Path) -> None:
    values = quiet_values(TANKS, STEPS)
    context = plant(engine, tmp_path, values)
    values[1, 1600:, 0] -= 2.0
    send(context, values, LEARNED, 1700)
    with reading(engine) as connection:
        (stored,) = load_incidents(connection)
        evidence = load_evidence(connection, context.settings, stored, now=at(1700))
    begin = int(np.flatnonzero(evidence.times_ms == START_MS + 1500 * STEP_MS)[0])
    band = edges(engine, "TK-2", 1500, 1690)
    found = np.stack([evidence.expected_low, evidence.expected_high], axis=-1)
    np.testing.assert_array_equal(found[begin : begin + 190], band.astype(np.float64))
