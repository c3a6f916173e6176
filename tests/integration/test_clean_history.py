"""What a model does not learn from, and the list of it that its version keeps."""

from datetime import timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from tankwatch.core.stretches import Why
from tankwatch.core.times import parse_time
from tankwatch.detectors.drawn import REBUILT_WORST
from tankwatch.jobs.detect import detect
from tankwatch.jobs.history import load_history
from tankwatch.jobs.train import train
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.maintenance import MaintenanceRow
from tankwatch.store.operators import (
    NOT_A_FAULT,
    REAL_FAULT,
)
from tankwatch.store.registry import load_artefact
from tests.integration.operators import label, say_fault
from tests.integration.plant import (
    at,
    incidents,
    make_context,
    make_settings,
    quiet_values,
    store,
)


def step_of(moment: str) -> int:
    return int((parse_time(moment) - at(0)) / timedelta(minutes=1))


def test_what_was_left_out_is_stored_with_the_version(engine: Engine, tmp_path: Path) -> None:
    rules = {"pressure": {"high": 2.0, "range_high": 5.0}, "temperature": {"flat_steps": 60}}
    train_settings = {"settle_hours": 2.0, "min_steps": 300}
    context = make_context(engine, make_settings(tmp_path, channels=rules, train=train_settings))
    values = quiet_values(4, 1200)
    values[0, 300:320, 0] = 2.5
    values[1, 500:600, 1] = 15.0
    values[1, 200, 0] = 6.0
    values[3, :400] = np.nan
    store(engine, values, slice(0, 1200))
    say_fault(engine, 3, 700, 720)
    with writing(engine) as connection:
        work = {"tank_id": 3, "from_at": at(100), "until_at": at(110), "reason": "inspection"}
        connection.execute(insert(MaintenanceRow), [work])
    result = train(context, "robust_z", now=at(1200))
    with reading(engine) as connection:
        excluded = load_artefact(connection, result.model_version_id).manifest["excluded"]
    found = [
        (one["tank"], step_of(one["start"]), step_of(one["end"]), one["why"]) for one in excluded
    ]
    assert found == [
        ("TK-1", 300, 320, Why.BEYOND_LIMITS),
        ("TK-2", 200, 201, Why.BEYOND_LIMITS),
        ("TK-2", 200, 201, Why.OUT_OF_RANGE),
        ("TK-2", 500, 600, Why.FLAT_LINE),
        ("TK-3", 100, 111, Why.MAINTENANCE),
        ("TK-3", 700, 721, Why.REAL_FAULT),
        ("TK-4", 400, 521, Why.NEW_TANK),
    ]
    mask = load_history(context, until=None).block.mask
    assert mask[0].sum() == 1199 * 2 - 20
    assert not mask[1, 500:600, 1].any()
    assert mask[1, 500:600, 0].all()
    assert not mask[2, 700:721].any()
    assert not mask[3, :521].any()
    assert mask[3, 521:].all()


def test_what_was_no_fault_is_learned_even_while_its_incident_is_open(
    engine: Engine, tmp_path: Path
) -> None:
    context = make_context(engine, make_settings(tmp_path))
    values = quiet_values(2, 2000)
    values[0, 1600:1660, 0] -= 3.0
    store(engine, values, slice(0, 1440))
    train(context, "robust_z", now=at(1440))
    store(engine, values, slice(1440, 2000))
    detect(context, now=at(2000))
    (one,) = incidents(engine)
    assert not load_history(context, until=None).block.mask[0, 1605:1655].any()
    label(engine, one.incident_id, NOT_A_FAULT, at(2000))
    assert load_history(context, until=None).block.mask[0, 1605:1655].all()
    label(engine, one.incident_id, REAL_FAULT, at(2000))
    assert not load_history(context, until=None).block.mask[0, 1605:1655].any()


def test_windows_that_a_second_fit_leaves_out_are_listed_with_the_version(
    engine: Engine, tmp_path: Path
) -> None:
    model = {"window": 12, "units": (6,), "epochs": 3, "max_windows": 2000, "trim": 0.05}
    context = make_context(engine, make_settings(tmp_path, model=model))
    values = quiet_values(2, 1000)
    values[1, 300:330] += np.random.default_rng(0).normal(0, 4.0, (30, 2))
    store(engine, values, slice(0, 1000))
    result = train(context, "autoencoder", now=at(1000))
    with reading(engine) as connection:
        excluded = load_artefact(connection, result.model_version_id).manifest["excluded"]
    worst = [one for one in excluded if one["why"] == REBUILT_WORST]
    found = [(one["tank"], step_of(one["start"]), step_of(one["end"])) for one in worst]
    assert any(tank == "TK-2" and 280 <= start <= 300 and end >= 330 for tank, start, end in found)
