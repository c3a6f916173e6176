"""What to check first, by symptom and by what is measured: a short list, likeliest first."""

from typing import Final

from tankwatch.core.incident import Symptom
from tankwatch.core.units import PRESSURE, TEMPERATURE

_HIGH: Final = "high"
_LOW: Final = "low"
_SIDE: Final = {
    Symptom.ABOVE_EXPECTED: _HIGH,
    Symptom.ABOVE_LIMIT: _HIGH,
    Symptom.BELOW_EXPECTED: _LOW,
    Symptom.BELOW_LIMIT: _LOW,
    Symptom.TO_HIGH_LIMIT: _HIGH,
    Symptom.TO_LOW_LIMIT: _LOW,
}
_BY_QUANTITY: Final = {
    (PRESSURE, _HIGH): (
        "Is the tank being filled, or filled faster than planned? Compare with the level gauge.",
        "Does the pressure/vacuum vent open? A frozen pallet or a blocked flame arrester holds it.",
        "Does the blanketing gas regulator pass, or has its set point been moved?",
    ),
    (PRESSURE, _LOW): (
        "Are the gauge hatch, manways and sample points closed? Look and smell for vapour.",
        "Does the pressure/vacuum vent close? A pallet that sticks open vents all the time.",
        "Is the tank being emptied faster than blanketing gas can follow?",
    ),
    (TEMPERATURE, _HIGH): (
        "Rising fast, or smoke or smell? Follow the site's emergency procedure first.",
        "Is the heating valve open or passing? Compare steam or hot-oil flow with its set point.",
        "Is warmer product coming in, or is a mixer running?",
    ),
    (TEMPERATURE, _LOW): (
        "Is the heating on, and does steam or hot oil flow?",
        "Is colder product coming in, or has the level dropped below the probe?",
        "Is the insulation wet or open, or the probe out of its thermowell?",
    ),
}
_OPERATION: Final = "Has the operation of this tank changed: a transfer, heating, mixing, cleaning?"
_LIMIT: Final = "This is an engineering limit: follow the site's response procedure for it."
_AHEAD: Final = (
    "Can what drives it be stopped or slowed in the time that is left: a transfer, heating, gas?"
)
_COMPARE: Final = "Compare with the local gauge and with a neighbouring tank in the same service."
_DRIFT: Final = (
    "Does the local gauge show it too? If not, the transmitter drifts: have it calibrated.",
    "Does a regulator creep, or a valve pass a little more each hour?",
    "Is the impulse line filling with liquid, or the probe fouled?",
)
_BY_SYMPTOM: Final = {
    Symptom.UNUSUAL_PATTERN: (
        _OPERATION,
        "Does the reading jump or hunt? Check the transmitter, its cable and its impulse line.",
        _COMPARE,
    ),
    Symptom.UNUSUAL_STAY: (
        "Is something open or held: gauge hatch, manway, vent pallet? Look and smell.",
        "Is a transfer or purge running that nobody wrote down?",
        "Does the transmitter follow the local gauge, and is its impulse line free?",
    ),
    Symptom.DECOUPLED: (
        "Which channel moved away? Compare both with the local gauges.",
        _OPERATION,
        "Is a probe out of its thermowell, or an impulse line blocked?",
    ),
    Symptom.SPIKE: (
        "Is a plug, terminal or cable loose, or is water in the junction box? Touch it and watch.",
        "Does a radio, a drive or lightning disturb the signal? Compare the times.",
        _COMPARE,
    ),
    Symptom.STEP: (
        "Does the local gauge show the jump? If not, trust the gauge and not this reading.",
        "Was the transmitter calibrated, swapped or re-ranged at that minute? Ask maintenance.",
        "If it does: was a valve, a vent or a hatch opened or shut at that minute?",
    ),
    Symptom.DRIFT_UP: _DRIFT,
    Symptom.DRIFT_DOWN: _DRIFT,
    Symptom.NOISE: (
        "Check the transmitter's cable, screen and earthing, and its terminals for water.",
        "Is its damping switched off, or is liquid moving in the impulse line?",
        _COMPARE,
    ),
    Symptom.QUIET: (
        "Has somebody set a damping or a filter on the transmitter or in the control system?",
        "Is the impulse line blocked or shut in, or is the probe out of its thermowell?",
        "Compare with the local gauge; until it lives again, trust the gauge.",
    ),
    Symptom.OSCILLATION: (
        "Does a regulator or controller hunt? Look at its output and at the valve.",
        "Does the vent lift and reseat again and again? Listen at the tank.",
        "Is a pump or compressor nearby starting and stopping?",
    ),
    Symptom.CHATTERING: (
        "Is a contact or cable loose? Two levels and nothing between is a wire, not a tank.",
        "Does it stand at its limit? Then follow the procedure of that limit.",
        "Do two sources write to this tag?",
    ),
    Symptom.OUT_OF_RANGE: (
        "Is the loop open or shorted? Measure its current at the terminals.",
        "Does the range in the control system fit the one of the transmitter?",
        "Until it is mended, watch this tank by its local gauge.",
    ),
    Symptom.FLAT_LINE: (
        "Is the transmitter alive? A hung device or gateway repeats its last value.",
        "Is the impulse line or the vent blocked, frozen or shut in?",
        "Compare with the local gauge; until it moves, trust the gauge and not this reading.",
    ),
    Symptom.STALE: (
        "Are other tanks on the same gateway silent too? Then start there.",
        "Does the transmitter have power, and does its link or radio answer?",
        "Until readings return, watch this tank by its local gauge.",
    ),
}


def check_first(symptom: Symptom, unit: str) -> tuple[str, ...]:
    """Return what an operator checks first, likeliest first; `unit` tells what is measured."""
    if symptom in _BY_SYMPTOM:
        return _BY_SYMPTOM[symptom]
    causes = _BY_QUANTITY.get((unit, _SIDE[symptom]), (_OPERATION,))
    if symptom in {Symptom.TO_HIGH_LIMIT, Symptom.TO_LOW_LIMIT}:
        return (_AHEAD, *causes, _COMPARE)
    is_limit = symptom in {Symptom.ABOVE_LIMIT, Symptom.BELOW_LIMIT}
    return (_LIMIT, *causes, _COMPARE) if is_limit else (*causes, _COMPARE)
