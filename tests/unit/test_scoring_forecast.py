"""How far a forecast looks, and how it is told."""

from contextlib import nullcontext
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tankwatch.detectors.rollout import TimeToLimit
from tankwatch.errors import ModelError
from tankwatch.scoring.forecast import Forecast, LimitAhead, _check_heard, usual_horizon
from tankwatch.scoring.wording import basis_sentence, limit_sentence
from tankwatch.settings import Settings
from tankwatch.store.plant import Tank

UTC = ZoneInfo("UTC")
FOUND = Forecast(3, ("pressure",), ("kPa",), (False,), 0, 60, np.zeros((3, 90, 1)), ())
LIMIT = LimitAhead("pressure", "kPa", "high", 2.5, is_passed=False, when=TimeToLimit(0.91, 4, 25))


def told(**changes: object) -> str:
    return limit_sentence(replace(LIMIT, **changes), FOUND)  # type: ignore[arg-type]


def test_limit_is_told_with_the_time_left_and_how_sure_that_is() -> None:
    assert told() == "Pressure reaches its high limit of 2.5 kPa in 4 to 25 min (91 %)."
    assert told(is_passed=True) == "Pressure is beyond its high limit of 2.5 kPa."
    unlikely = (
        "Pressure is not expected to reach its low limit of 2.5 kPa within 1 h 30 min (40 %)."
    )
    assert told(side="low", when=TimeToLimit(0.4, 4, 25)) == unlikely
    assert told(when=TimeToLimit(0.0, None, None)).endswith("(0 %).")


@pytest.mark.parametrize(
    ("channel", "begins"),
    [
        ("vapour_pressure", "Vapour pressure reaches"),
        ("pH", "pH reaches"),
        ("H2S_ppm", "H2S ppm reaches"),
        ("level_H2O", "Level H2O reaches"),
    ],
)
def test_names_keep_their_capitals(channel: str, begins: str) -> None:
    assert told(channel=channel).startswith(begins)


def test_basis_says_who_expects_it_and_from_when_it_counts() -> None:
    assert basis_sentence(FOUND, UTC) == (
        "As model version 3 expects it, counted from 1970-01-01 00:00 UTC: nine cases in ten stay "
        "within the band."
    )
    assert "1970-01-01 01:00 CET" in basis_sentence(FOUND, ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("trended", "begins"),
    [
        (("a",), "A is beyond what this tank usually reaches, so the trend is carried on"),
        (("pH", "b"), "pH and b are beyond"),
        (("a", "b", "H2S"), "A, b and H2S are beyond"),
    ],
)
def test_basis_names_what_goes_by_its_trend(trended: tuple[str, ...], begins: str) -> None:
    found = replace(FOUND, channels=(*trended, "x"), by_trend=(*(True for _ in trended), False))
    assert basis_sentence(found, UTC).startswith(begins)


def test_basis_names_what_is_not_believed() -> None:
    one = basis_sentence(replace(FOUND, untrusted=("temperature",)), UTC)
    assert one.endswith(" Temperature is left out: its sensor is not to be believed.")
    two = basis_sentence(replace(FOUND, untrusted=("a", "b")), UTC)
    assert two.endswith(" A and b are left out: their sensors are not to be believed.")


@pytest.mark.parametrize(
    ("step_s", "response_s", "steps"),
    [(60, None, 60), (60, 7200.0, 120), (10, None, 360), (600, 60.0, 6), (7000, 0.0, 1)],
)
def test_an_hour_at_least_is_looked_ahead_whatever_a_step_is(
    step_s: int, response_s: float | None, steps: int
) -> None:
    settings = Settings.model_validate({"grid": {"step_s": step_s}})
    assert usual_horizon(Tank(1, "TK-1", "north", response_s), settings) == steps


@pytest.mark.parametrize(
    ("step_s", "silent_s", "is_silent"),
    [(60, 1800, False), (60, 1900, True), (3600, 7000, False), (3600, 7300, True)],
)
def test_tank_that_sends_once_a_step_is_not_silent(
    step_s: int, silent_s: float, *, is_silent: bool
) -> None:
    settings = Settings.model_validate({"grid": {"step_s": step_s}})
    with pytest.raises(ModelError, match="sent nothing") if is_silent else nullcontext():
        _check_heard(Tank(1, "TK-1", "north"), settings, silent_s=silent_s)
