"""Volume under precision and recall, against its definition worked through step by step."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from tankwatch.evaluate.volume import usual_buffer, vus_pr

NAN = float("nan")


def arrays(
    tanks: Sequence[Sequence[tuple[int, float]]],
) -> tuple[list[NDArray[np.bool_]], list[NDArray[np.float32]]]:
    """Return truths and scores of tanks whose steps are given as (label, score)."""
    truths = [np.array([label == 1 for label, _ in tank], dtype=bool) for tank in tanks]
    return truths, [np.array([score for _, score in tank], dtype=np.float32) for tank in tanks]


def runs(truth: NDArray[np.bool_]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for step in np.flatnonzero(truth).tolist():
        if found and found[-1][1] == step - 1:
            found[-1] = (found[-1][0], step)
        else:
            found.append((step, step))
    return found


def widened(truth: NDArray[np.bool_], length: int) -> list[float]:
    """Return the label of each step: 1 in a fault, less in its buffer, 0 elsewhere."""
    label = truth.astype(float).tolist()
    for step in range(truth.size):
        for first, last in runs(truth):
            distance = max(first - step, step - last)
            if 0 < distance <= length // 2:
                label[step] += float(np.sqrt(1 - distance / length))
    return [min(1.0, part) for part in label]


def stretches(truth: NDArray[np.bool_], length: int) -> list[range]:
    """Return the steps of each fault with its buffer, as one where they share a step."""
    found: list[list[int]] = []
    half = length // 2
    for first, last in runs(truth):
        if found and first - half <= found[-1][1]:
            found[-1][1] = last + half
        else:
            found.append([first - half, last + half])
    return [range(max(first, 0), min(last + 1, truth.size)) for first, last in found]


def direct(
    truths: list[NDArray[np.bool_]], scores: list[NDArray[np.float32]], buffer: int
) -> float:
    """Return the volume by loops over buffer lengths, thresholds, tanks and steps."""
    areas = []
    for length in range(buffer + 1):
        area = before = 0.0
        every = np.unique(np.concatenate(scores))
        for level in every[~np.isnan(every)][::-1]:
            hits = within = flags = faults = found = there = 0.0
            for truth, score in zip(truths, scores, strict=True):
                label = widened(truth, length)
                for step in range(truth.size):
                    faults += bool(truth[step]) and not np.isnan(score[step])
                    if score[step] >= level:
                        flags += 1
                        hits += label[step]
                        within += bool(truth[step])
                for stretch in stretches(truth, length):
                    there += any(not np.isnan(score[step]) for step in stretch)
                    found += any(score[step] >= level for step in stretch)
            recall = min(hits / (faults + (hits - within) / 2), 1.0) * found / there
            area += (recall - before) * hits / flags
            before = recall
        areas.append(area)
    return float(np.mean(areas))


STEP = st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.4, NAN]))
TANKS = st.lists(st.lists(STEP, min_size=1, max_size=14), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None)
@given(TANKS, st.integers(0, 9))
def test_volume_is_what_its_definition_says(
    tanks: list[list[tuple[int, float]]], buffer: int
) -> None:
    truths, scores = arrays(tanks)
    known = [bool(label) for tank in tanks for label, score in tank if not np.isnan(score)]
    volume = vus_pr(truths, scores, buffer=buffer)
    if all(known) or not any(known):
        assert volume is None
    else:
        assert volume == pytest.approx(direct(truths, scores, buffer), abs=1e-9)


def test_one_fault_without_a_buffer_gives_the_average_precision() -> None:
    draw = np.random.default_rng(0)
    truth = np.zeros(400, dtype=bool)
    truth[150:200] = True
    score = (draw.normal(size=400) + 1.2 * truth).astype(np.float32)
    assert vus_pr([truth], [score], buffer=0) == pytest.approx(
        average_precision_score(truth, score)
    )


def test_a_score_that_is_a_little_late_loses_less_with_a_buffer() -> None:
    truth = np.zeros(300, dtype=bool)
    truth[100:140] = True
    late = np.roll(truth, 8).astype(np.float32)
    strict, lenient = (vus_pr([truth], [late], buffer=length) or 0.0 for length in (0, 40))
    assert strict < lenient < 1.0


def test_finding_half_of_every_fault_beats_finding_half_of_the_faults() -> None:
    truth = np.zeros(300, dtype=bool)
    truth[50:70] = truth[200:220] = True
    halves, one = np.zeros(300, dtype=np.float32), np.zeros(300, dtype=np.float32)
    halves[50:60] = halves[200:210] = one[50:70] = 1.0
    of_halves, of_one = (vus_pr([truth], [score], buffer=10) or 0.0 for score in (halves, one))
    assert of_halves > of_one + 0.1


def test_no_buffer_reaches_into_another_tank() -> None:
    first, second = np.zeros(40, dtype=bool), np.zeros(40, dtype=bool)
    first[30:] = True
    score = np.concatenate([first, np.ones(5), np.zeros(35)]).astype(np.float32)
    apart = vus_pr([first, second], [score[:40], score[40:]], buffer=10) or 0.0
    joined = vus_pr([np.concatenate([first, second])], [score], buffer=10) or 0.0
    assert apart < joined


def test_infinite_score_is_the_highest_one() -> None:
    truths, scores = arrays([[(0, 0.5), (1, float("inf")), (0, 9.0)]])
    assert vus_pr(truths, scores, buffer=0) == 1.0


def test_usual_buffer_is_the_median_fault_and_never_above_a_hundred_steps() -> None:
    truth = np.zeros(2000, dtype=bool)
    truth[10:20] = truth[100:130] = truth[500:] = True
    assert usual_buffer([truth]) == 30
    assert usual_buffer([truth[500:], truth[500:600]]) == 100
    assert usual_buffer([np.zeros(5, dtype=bool)]) == 0
