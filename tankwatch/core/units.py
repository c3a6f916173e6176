"""Units of readings: everything becomes kPa (gauge) or degC by one factor and one offset."""

import re

from tankwatch.errors import UsageError

PRESSURE = "kPa"
TEMPERATURE = "degC"
ATMOSPHERIC_KPA = 101.325

_KPA_PER = {
    "kPa": 1.0,
    "Pa": 0.001,
    "hPa": 0.1,
    "MPa": 1000.0,
    "mbar": 0.1,
    "bar": 100.0,
    "psi": 6.894757293168361,
    "mmHg": 0.133322387415,
    "mmH2O": 0.00980665,
    "inH2O": 0.24908891,
}
_DEGC_OF = {
    "degC": (1.0, 0.0),
    "degF": (5 / 9, -160 / 9),
    "K": (1.0, -273.15),
}
_OTHER_SPELLINGS = {
    "c": "degC",
    "celsius": "degC",
    "f": "degF",
    "fahrenheit": "degF",
    "degk": "K",
    "kelvin": "K",
    "millibar": "mbar",
}
_REFERENCE = re.compile(r"(?P<unit>kpa|pa|hpa|mpa|mbar|bar|psi)[_ ]?(?P<reference>[ag])")


def allowed_units(canonical: str) -> tuple[str, ...]:
    """Return the units that can be turned into `canonical`; empty where none is known."""
    if canonical == PRESSURE:
        return tuple(_KPA_PER)
    return tuple(_DEGC_OF) if canonical == TEMPERATURE else ()


def converter(
    unit: str,
    canonical: str,
    *,
    absolute: bool = False,
    atmospheric_kpa: float = ATMOSPHERIC_KPA,
) -> tuple[float, float]:
    """Return (factor, offset), so that a value in `canonical` is raw * factor + offset.

    `unit` is read without regard to case; a pressure unit may end in ``a`` or ``g`` (``psia``,
    ``barg``), which then decides between absolute and gauge.  A quantity that is neither kPa nor
    degC passes unchanged.

    Args:
        unit: what the values are given in; empty means `canonical`.
        canonical: ``kPa`` (gauge), ``degC``, or any other unit that a channel is kept in.
        absolute: pressure is given as absolute; the atmosphere is subtracted.
        atmospheric_kpa: what is subtracted, in kPa.

    Raises:
        UsageError: `unit` cannot be turned into `canonical`.
    """
    if canonical == PRESSURE:
        name, stated = _split_reference(unit or canonical)
        factor = _KPA_PER[_spelled(name, canonical, unit)]
        is_absolute = absolute if stated is None else stated
        return factor, -atmospheric_kpa if is_absolute else 0.0
    if absolute:
        message = f"only a pressure can be absolute, and this channel is kept in {canonical or '?'}"
        raise UsageError(message)
    if canonical == TEMPERATURE:
        return _DEGC_OF[_spelled(unit or canonical, canonical, unit)]
    if canonical and unit.strip().casefold() not in {"", canonical.casefold()}:
        message = f"no rule turns {unit!r} into {canonical}: give the values in {canonical}"
        raise UsageError(message)
    return 1.0, 0.0


def _split_reference(unit: str) -> tuple[str, bool | None]:
    """Return the unit without ``a`` or ``g`` behind it, and whether it is absolute if it says."""
    found = _REFERENCE.fullmatch(unit.strip().casefold())
    if found is None:
        return unit, None
    return found["unit"], found["reference"] == "a"


def _spelled(unit: str, canonical: str, given: str) -> str:
    """Return `unit` as the tables above spell it."""
    plain = unit.strip().casefold().replace("°", "deg").replace(" ", "")
    known = {name.casefold(): name for name in allowed_units(canonical)}
    name = known.get(plain) or _OTHER_SPELLINGS.get(plain, "")
    if name not in known.values():
        message = (
            f"{given!r} is not a unit of {_QUANTITY[canonical]}: "
            f"use one of {', '.join(known.values())}"
        )
        raise UsageError(message)
    return name


_QUANTITY = {PRESSURE: "pressure", TEMPERATURE: "temperature"}
