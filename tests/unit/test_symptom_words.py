"""Which word of several an incident keeps."""

from dataclasses import replace

import pytest

from tankwatch.core.episodes import Change, TankEvent
from tankwatch.core.incident import Symptom
from tankwatch.core.settling import Found
from tankwatch.jobs.symptoms import worded

RAISED = TankEvent(Change.RAISE, 3, 0, 0, "fused", 0, 1.0, Symptom.UNUSUAL_PATTERN, 2.0)
RETURNED = replace(RAISED, change=Change.RETURN, at_ms=9, end_ms=8)


def joined(source: str, symptom: Symptom) -> TankEvent:
    return replace(RAISED, change=Change.JOIN, at_ms=5, source=source, symptom=symptom)


FLIPS = joined("chattering", Symptom.CHATTERING)
IS_NOISY = joined("noise_burst", Symptom.NOISE)


@pytest.mark.parametrize(
    ("joins", "course", "word"),
    [
        ((), None, Symptom.UNUSUAL_PATTERN),
        ((FLIPS,), None, Symptom.CHATTERING),
        ((FLIPS,), Symptom.NOISE, Symptom.CHATTERING),
        ((FLIPS, IS_NOISY), None, Symptom.CHATTERING),
        ((IS_NOISY, FLIPS), None, Symptom.CHATTERING),
        ((FLIPS,), Symptom.STEP, Symptom.STEP),
        ((IS_NOISY,), Symptom.NOISE, Symptom.NOISE),
    ],
)
def test_flipping_keeps_its_word_beside_the_noise_that_it_makes(
    joins: tuple[TankEvent, ...], course: Symptom | None, word: Symptom
) -> None:
    found = Found(RAISED, joins, replace(RETURNED, course=course))
    assert worded(found).symptom is word
