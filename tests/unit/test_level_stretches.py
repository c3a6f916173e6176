"""Levels learned from stretches of a history: no mean goes on from one season into another."""

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.level import LevelLesson

TANKS, STEPS = 8, 1500


def weather(seed: int, *, middle: float) -> NDArray[np.float64]:
    """Return tanks that follow the weather of their site, (tanks, steps, 1)."""
    rng = np.random.default_rng(seed)
    site = middle + 3.0 * np.sin(np.arange(STEPS) / 230.0) + rng.normal(0, 0.05, STEPS).cumsum()
    share = np.linspace(0.5, 1.0, TANKS)[:, None]
    return np.asarray(share * site + rng.normal(0, 0.1, (TANKS, STEPS)))[..., None]


def test_each_stretch_is_seen_as_if_it_stood_alone() -> None:
    winter, summer = weather(1, middle=0.0), weather(2, middle=20.0)
    values = np.concatenate([winter, summer], axis=1)
    mask, groups = np.ones(values.shape, dtype=bool), np.zeros(TANKS, np.int64)
    lesson = LevelLesson(values, mask, groups, seams=(STEPS,))
    level = lesson.learn(np.ones(2 * STEPS, dtype=bool))
    alone = [
        LevelLesson(part, mask[:, :STEPS], groups).distances(level) for part in (winter, summer)
    ]
    np.testing.assert_array_equal(lesson.distances(level), np.concatenate(alone, axis=1))
    untold = LevelLesson(values, mask, groups).distances(level)
    assert np.abs(untold - lesson.distances(level))[:, STEPS:].max() > 0.2
