import numpy as np
import pytest

from tankwatch.core.units import allowed_units, converter
from tankwatch.errors import UsageError


@pytest.mark.parametrize(
    ("unit", "raw", "kpa"),
    [
        ("kPa", 12.5, 12.5),
        ("Pa", 12_500.0, 12.5),
        ("hPa", 125.0, 12.5),
        ("mbar", 125.0, 12.5),
        ("bar", 0.125, 12.5),
        ("MPa", 0.0125, 12.5),
        ("psi", 1.0, 6.894757),
        ("mmHg", 760.0, 101.325),
        ("mmH2O", 1000.0, 9.80665),
        ("inH2O", 10.0, 2.4908891),
        ("", 12.5, 12.5),
    ],
)
def test_pressure_becomes_kpa_gauge(unit: str, raw: float, kpa: float) -> None:
    factor, offset = converter(unit, "kPa")
    assert raw * factor + offset == pytest.approx(kpa, rel=1e-6)


@pytest.mark.parametrize(
    ("unit", "raw", "degc"),
    [("degC", 21.0, 21.0), ("degF", 212.0, 100.0), ("degF", -40.0, -40.0), ("K", 293.15, 20.0)],
)
def test_temperature_becomes_degc(unit: str, raw: float, degc: float) -> None:
    factor, offset = converter(unit, "degC")
    assert raw * factor + offset == pytest.approx(degc, abs=1e-9)


def test_canonical_values_stay_bit_for_bit() -> None:
    factor, offset = converter("kPa", "kPa")
    values = np.array([0.1, 1e300, -7.3])
    assert (values * factor + offset).tolist() == values.tolist()


def test_absolute_pressure_loses_the_atmosphere() -> None:
    assert converter("bar", "kPa", absolute=True) == (100.0, -101.325)
    assert converter("bar", "kPa", absolute=True, atmospheric_kpa=95.0) == (100.0, -95.0)


def test_unit_that_states_its_reference_decides() -> None:
    assert converter("psia", "kPa")[1] == -101.325
    assert converter("barg", "kPa", absolute=True)[1] == 0.0
    assert converter("kPa a", "kPa")[1] == -101.325


@pytest.mark.parametrize("unit", ["DEGF", "°F", "F", "fahrenheit", " degf "])
def test_spelling_of_a_unit_does_not_matter(unit: str) -> None:
    assert converter(unit, "degC") == converter("degF", "degC")


def test_other_quantities_pass_unchanged() -> None:
    assert converter("m3/h", "") == (1.0, 0.0)
    assert converter("M3/H", "m3/h") == (1.0, 0.0)
    assert converter("", "m3/h") == (1.0, 0.0)
    assert allowed_units("m3/h") == ()


@pytest.mark.parametrize("unit", ["baar", "degC", "K", "bara bara"])
def test_unknown_unit_names_the_allowed_ones(unit: str) -> None:
    with pytest.raises(UsageError, match=r"kPa, Pa, hPa.*bar, psi"):
        converter(unit, "kPa")


def test_unit_without_a_rule_is_refused_rather_than_taken_as_canonical() -> None:
    with pytest.raises(UsageError, match="give the values in m3/h"):
        converter("l/s", "m3/h")


def test_only_a_pressure_can_be_absolute() -> None:
    with pytest.raises(UsageError, match="only a pressure can be absolute"):
        converter("degC", "degC", absolute=True)
