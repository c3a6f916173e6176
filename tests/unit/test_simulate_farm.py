import gzip
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tankwatch.core.times import from_ms, parse_time
from tankwatch.errors import UsageError
from tankwatch.simulate import (
    Farm,
    FarmSpec,
    FaultKind,
    labels_frame,
    simulate_farm,
    to_frame,
    write_farm,
)

SAMPLE = Path(__file__).parents[2] / "sample_data"
SPEC = FarmSpec(tanks=3, days=1.5, quiet_days=0.5, seed=4, faults=3, step_s=120)


@pytest.fixture(scope="module")
def farm() -> Farm:
    return simulate_farm(SPEC)


def sample_spec() -> FarmSpec:
    """Return what the command in the sample's README asks for."""
    text = (SAMPLE / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^tankwatch simulate (.*) --out DIR$", text, flags=re.MULTILINE)
    given = dict(re.findall(r"--(\S+) (\S+)", command))
    assert set(given) == {"tanks", "days", "quiet-days", "seed", "severity", "faults"}
    return FarmSpec(
        tanks=int(given["tanks"]),
        days=float(given["days"]),
        quiet_days=float(given["quiet-days"]),
        seed=int(given["seed"]),
        severity=float(given["severity"]),
        faults=int(given["faults"]),
    )


def test_equal_specs_write_equal_bytes(farm: Farm, tmp_path: Path) -> None:
    first = write_farm(farm, tmp_path / "a", split_at=SPEC.quiet_until)
    second = write_farm(simulate_farm(SPEC), tmp_path / "b", split_at=SPEC.quiet_until)
    assert [path.name for path in first] == ["history.csv.gz", "live.csv.gz", "labels.csv"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_another_seed_gives_another_farm(farm: Farm) -> None:
    other = simulate_farm(replace(SPEC, seed=5))
    assert not np.array_equal(farm.values, other.values, equal_nan=True)


def test_readings_stand_on_the_grid_that_was_asked_for(farm: Farm) -> None:
    assert farm.tanks == ("TK-101", "TK-102", "TK-103")
    assert farm.values.shape == (3, 1080, 2)
    assert from_ms(int(farm.observed_ms[0])) == SPEC.start
    assert set(np.diff(farm.observed_ms)) == {120_000}


def test_readings_are_multiples_of_the_resolution_and_few_are_missing(farm: Farm) -> None:
    for channel, steps_per_unit in ((0, 100.0), (1, 10.0)):
        seen = farm.values[:, :, channel]
        seen = seen[np.isfinite(seen)] * steps_per_unit
        np.testing.assert_allclose(seen, np.round(seen), atol=1e-6)
    calm = simulate_farm(replace(SPEC, faults=0, days=6.0))
    assert 0.0 < np.isnan(calm.values).mean() < 0.005


def test_coarse_steps_are_divided_so_that_pressure_stays_right() -> None:
    coarse = simulate_farm(FarmSpec(tanks=4, days=2, quiet_days=2, step_s=900, seed=1))
    vents, gauge = coarse.plant.vents, coarse.truth.gauge_kpa
    assert (gauge.max(axis=1) < 1.5 * vents.vent_kpa).all()
    assert (gauge.min(axis=1) > -1.5 * vents.vacuum_kpa).all()


def test_frame_has_a_row_for_each_reading_and_none_without_a_value(farm: Farm) -> None:
    frame = to_frame(farm)
    assert list(frame.columns) == ["tank", "timestamp", "pressure", "temperature"]
    assert len(frame) == np.isfinite(farm.values).any(axis=2).sum()
    assert frame["timestamp"].is_monotonic_increasing
    row = frame[(frame["tank"] == "TK-102") & (frame["timestamp"] == pd.Timestamp(SPEC.start))]
    np.testing.assert_array_equal(
        row[["pressure", "temperature"]].to_numpy(dtype=float)[0], farm.values[1, 0]
    )


def test_labels_name_the_tank_the_time_and_the_kind(farm: Farm) -> None:
    labels = labels_frame(farm)
    assert list(labels.columns) == ["tank", "start", "end", "kind", "channel", "severity"]
    assert len(labels) == 3
    end_of_run = SPEC.start + timedelta(days=SPEC.days)
    for row, fault in zip(labels.itertuples(), farm.faults, strict=True):
        assert row.tank == farm.tanks[fault.tank]
        assert FaultKind(str(row.kind)) is fault.kind
        start, end = parse_time(str(row.start)), parse_time(str(row.end))
        assert (start, end) == (fault.start, fault.end)
        assert SPEC.quiet_until <= start < end <= end_of_run


def test_a_farm_without_faults_has_a_label_file_with_only_a_header(tmp_path: Path) -> None:
    calm = simulate_farm(FarmSpec(tanks=1, days=0.1, quiet_days=1))
    paths = write_farm(calm, tmp_path, compress=False)
    assert [path.name for path in paths] == ["readings.csv", "labels.csv"]
    assert paths[1].read_text() == "tank,start,end,kind,channel,severity\n"
    assert (
        paths[0]
        .read_text()
        .startswith("tank,timestamp,pressure,temperature\nTK-101,2026-03-02T00:00:00Z,")
    )


def test_split_files_hold_every_reading_once(farm: Farm, tmp_path: Path) -> None:
    history, live, _ = write_farm(farm, tmp_path, split_at=SPEC.quiet_until)
    before, after = pd.read_csv(history), pd.read_csv(live)
    assert len(before) + len(after) == len(to_frame(farm))
    assert before["timestamp"].max() < "2026-03-02T12:00:00Z" <= after["timestamp"].min()


def test_faults_come_at_the_rate_that_was_asked_for() -> None:
    spec = FarmSpec(tanks=10, days=44.0, quiet_days=14.0, faults_per_tank_month=2.0)
    assert spec.fault_count == 20
    assert replace(spec, faults=3).fault_count == 3
    assert FarmSpec(days=5, quiet_days=14).fault_count == 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"tanks": 0}, "tanks is 0"),
        ({"days": 0.0}, "days is 0.0"),
        ({"step_s": 0}, "step_s is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"severity": 0.0}, "severity is 0.0"),
        ({"quiet_days": -1.0}, "quiet_days is -1.0"),
        ({"faults": -1}, "faults is -1"),
        ({"faults_per_tank_month": -1.0}, "faults_per_tank_month is negative"),
        ({"site": "moon"}, "north, gulf, tropics"),
        ({"start": datetime(2026, 3, 2, microsecond=5, tzinfo=UTC)}, "on a whole second"),
        ({"days": 2.0, "quiet_days": 2.0, "faults": 1}, "all 2 days are quiet"),
    ],
)
def test_a_farm_that_makes_no_sense_is_refused(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        replace(FarmSpec(), **wrong)  # type: ignore[arg-type]


def test_a_start_in_another_zone_is_the_same_moment() -> None:
    east = datetime(2026, 3, 2, 3, tzinfo=timezone(timedelta(hours=3)))
    assert FarmSpec(start=east).start_ms == FarmSpec().start_ms


def test_sample_data_is_what_its_readme_says_made_it(tmp_path: Path) -> None:
    spec = sample_spec()
    made = write_farm(simulate_farm(spec), tmp_path, split_at=spec.quiet_until)
    for path in made:
        kept = (SAMPLE / path.name).read_bytes()
        fresh = path.read_bytes()
        if path.suffix == ".gz":
            kept, fresh = gzip.decompress(kept), gzip.decompress(fresh)
        assert fresh == kept, f"sample_data/{path.name} differs: make it again"


def test_sample_data_is_small_and_holds_the_faults_of_the_demo() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 2_000_000
    kinds = set(pd.read_csv(SAMPLE / "labels.csv")["kind"])
    assert {"roof_leak", "vent_stuck_closed", "stuck_sensor", "pressure_step"} <= kinds
    assert kinds & {"heater_stuck_on", "heater_failed"}
