"""Faults and incidents on one axis."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from tankwatch.evaluate.cases import period_text
from tankwatch.evaluate.result import BacktestResult, DetectorRun
from tankwatch.evaluate.timeline import Timeline, build_timeline

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
EDGES = ["tank", "start", "end"]


def at(hour: float) -> datetime:
    return BEGIN + timedelta(hours=hour)


def timeline(
    spans: dict[str, tuple[float, float]],
    faults: list[tuple[str, float, float]],
    incidents: list[tuple[str, float, float]],
) -> Timeline:
    frames = [
        pd.DataFrame([(tank, at(s), at(e)) for tank, s, e in rows], columns=EDGES)
        for rows in (faults, incidents)
    ]
    return build_timeline(
        BacktestResult(
            title="",
            tanks=tuple(spans),
            channels=(),
            units=(),
            step_s=60,
            spans={tank: (at(s), at(e)) for tank, (s, e) in spans.items()},
            budget=0.5,
            labels=frames[0],
            runs=(DetectorRun("tankwatch", "tankwatch", {}, frames[1]),),
            blocks={},
            settings={},
            seconds={},
        )
    )


def test_stretches_are_placed_in_percent_of_the_axis() -> None:
    made = timeline({"T1": (0, 100)}, [("T1", 10, 30)], [("T1", 25, 75)])
    (track,) = made.tracks
    assert [(bar.left, bar.width) for bar in track.faults] == [(10, 20)]
    assert [(bar.left, bar.width) for bar in track.incidents] == [(25, 50)]
    assert track.faults[0].title == "fault, 2026-03-02 10:00 to 2026-03-03 06:00"


def test_stretches_are_cut_to_the_judged_time_of_their_tank() -> None:
    made = timeline({"T1": (0, 100), "T2": (50, 100)}, [("T2", 0, 60), ("T1", 150, 160)], [])
    first, second = made.tracks
    assert first.faults == ()
    assert [(bar.left, bar.width) for bar in second.faults] == [(50, 10)]
    assert (second.judged.left, second.judged.width) == (50, 50)


def test_spans_far_apart_each_begin_at_zero() -> None:
    made = timeline({"T1": (0, 1), "T2": (500, 502)}, [], [("T2", 501, 502)])
    assert made.is_relative
    assert [(bar.left, bar.width) for bar in made.tracks[1].incidents] == [(50, 50)]
    assert made.ticks[:2] == ((0, "0 s"), (25, "30 min"))


def test_ticks_stand_on_round_times() -> None:
    made = timeline({"T1": (0, 24 * 12)}, [], [])
    assert [text for _, text in made.ticks] == [
        "2 Mar",
        "4 Mar",
        "6 Mar",
        "8 Mar",
        "10 Mar",
        "12 Mar",
    ]
    hours = timeline({"T1": (9.5, 13)}, [], []).ticks
    assert [text for _, text in hours] == ["2 Mar 10:00", "11:00", "12:00"]


def test_tanks_with_least_to_show_are_left_out() -> None:
    spans = {f"T{n}": (0.0, 10.0) for n in range(70)}
    made = timeline(spans, [], [("T69", 1, 2)])
    assert (len(made.tracks), made.hidden) == (60, 10)
    assert made.tracks[-1].tank == "T69"


def test_period_names_a_day_once_and_short_ones_to_the_second() -> None:
    assert period_text(at(1), at(2)) == "2026-03-02 01:00 to 02:00"
    assert period_text(at(1), at(25)) == "2026-03-02 01:00 to 2026-03-03 01:00"
    assert period_text(at(1), at(1.01)) == "2026-03-02 01:00:00 to 01:00:36"
    assert period_text(at(1), at(1)) == "2026-03-02 01:00:00"
