"""Whose fault an incident looks like: the sensor's, the process's, or nobody's.

A sensor comes first.  What a broken instrument does to its readings (one value again and again,
spikes, a thick line, values beyond its own range) no gas and no product can do, so it is told
before anybody is sent to the tank.  An operation is never guessed from the readings: it is what
operators have put down for that time.
"""

from tankwatch.core.incident import Nature, Symptom

_OF_A_SENSOR = frozenset(
    {
        Symptom.FLAT_LINE,
        Symptom.STALE,
        Symptom.OUT_OF_RANGE,
        Symptom.SPIKE,
        Symptom.STEP,
        Symptom.NOISE,
        Symptom.QUIET,
        Symptom.CHATTERING,
    }
)
# A process that stands at its limit makes a sound sensor flip over it.
_OF_THE_PROCESS = frozenset({"limit", "limit_chatter"})


def nature_of(symptom: Symptom, source: str, *, planned: bool = False) -> Nature:
    """Return the nature of an incident.

    Args:
        symptom: what the tank does.
        source: detector or rule that opened it.
        planned: whether operators have put down work on the tank for the time it was raised in.
    """
    if planned:
        return Nature.OPERATION
    is_of_sensor = symptom in _OF_A_SENSOR and source not in _OF_THE_PROCESS
    return Nature.SENSOR if is_of_sensor else Nature.PROCESS
