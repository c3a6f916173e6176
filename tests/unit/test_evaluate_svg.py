"""Pictures of readings and scores."""

import math
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tankwatch.core.times import to_ms
from tankwatch.evaluate.axes import Floats, Panel, Scene, draw_scene, envelope

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


def scene(name: str = "fault-1", title: str = "pressure, kPa", peak: float = 1.5) -> Scene:
    steps = np.arange(240)
    return Scene(
        name=name,
        times_ms=to_ms(BEGIN) + steps.astype(np.int64) * 60_000,
        panels=[Panel(title, np.sin(steps / 20.0))],
        score=np.where(steps > 120, peak, 0.3),
        faults=[(BEGIN + timedelta(hours=2), BEGIN + timedelta(hours=3))],
        incidents=[(BEGIN + timedelta(hours=2.1), BEGIN + timedelta(hours=4))],
        raised=[BEGIN + timedelta(hours=2.2)],
    )


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter() if element.text]


def test_same_scene_gives_the_same_text() -> None:
    assert draw_scene(scene()) == draw_scene(scene())


def test_picture_is_one_element_in_the_colours_of_the_page() -> None:
    svg = draw_scene(scene())
    root = parsed(svg)
    assert root.attrib["aria-labelledby"] == "fault-1"
    assert "width" not in root.attrib
    assert "#0" not in svg
    for variable in ("ink", "quiet", "line", "reading", "fault", "alarm"):
        assert f"var(--{variable})" in svg


def test_names_of_parts_differ_between_pictures() -> None:
    def parts(svg: str) -> set[str]:
        return {e.attrib["id"] for e in parsed(svg).iter() if "id" in e.attrib}

    one, other = parts(draw_scene(scene("a"))), parts(draw_scene(scene("b")))
    assert one
    assert other
    assert not one & other


def test_titles_are_escaped() -> None:
    assert "<b>&, kPa" in texts(draw_scene(scene(title="<b>&, kPa")))


@pytest.mark.parametrize(("peak", "is_log"), [(1.5, False), (9.9, False), (5000.0, True)])
def test_high_scores_are_drawn_on_a_logarithmic_axis(peak: float, *, is_log: bool) -> None:
    shown = texts(draw_scene(scene(peak=peak)))
    assert ({"0.1", "1000"} & set(shown) != set()) is is_log


def points(values: list[float], most: int) -> list[float]:
    array: Floats = np.array(values, dtype=np.float64)
    kept = envelope(np.arange(array.size, dtype=np.int64), array, most)[1]
    return [float(value) for value in kept]


def test_envelope_keeps_peaks_and_dips_in_their_order() -> None:
    assert points([1, 9, 2, 3, 5, 4, 0, 4], 4) == [1, 9, 5, 0]


def test_envelope_of_few_points_is_the_points() -> None:
    assert points([1, 2, 3], 4) == [1, 2, 3]


def test_envelope_keeps_gaps_and_the_last_stretch() -> None:
    nan = float("nan")
    kept = points([1, 2, 3, 4, nan, nan, nan, nan, 7], 4)
    # Stretches of five: 1 to 4 and a gap, then a gap and 7.
    assert kept == [1, 4, 7]
    gap = points([1, 1, 1, nan, nan, nan, 2, 3, 2], 6)
    assert [value for value in gap if not math.isnan(value)] == [1, 2, 3]
    assert sum(map(math.isnan, gap)) == 1
