"""Faults from files and from 0/1 columns."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tankwatch.core.times import from_ms, iso
from tankwatch.errors import UsageError
from tankwatch.evaluate.labels import epoch_ms, label_steps, labels_from_column, read_labels

HEADER = "tank,start,end\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(labels: pd.DataFrame) -> list[tuple[str, str, str]]:
    times = ([iso(from_ms(int(ms))) for ms in epoch_ms(labels[name])] for name in ("start", "end"))
    return list(zip(labels["tank"], *times, strict=True))


def epoch_labels(*stretches: tuple[int, int], tank: str = "T1") -> pd.DataFrame:
    """Return faults that begin and end at these seconds since 1970."""
    times = [[pd.Timestamp(s, unit="s", tz="UTC") for s in stretch] for stretch in stretches]
    return pd.DataFrame([(tank, *edges) for edges in times], columns=["tank", "start", "end"])


def test_times_become_aware_and_utc(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}T1,2026-03-02 06:00,2026-03-02T08:30:00+01:00\n")
    labels = read_labels(path)
    assert rows_of(labels) == [("T1", "2026-03-02T06:00:00Z", "2026-03-02T07:30:00Z")]
    assert str(labels["start"].dtype) == str(labels["end"].dtype) == "datetime64[ms, UTC]"


def test_further_columns_stay_and_their_order_does_not_matter(tmp_path: Path) -> None:
    text = "Kind,END,severity,Start,Tank\nleak,2026-03-03,1.5,2026-03-02,07\n"
    labels = read_labels(write(tmp_path, text))
    assert list(labels.columns) == ["tank", "start", "end", "kind", "severity"]
    assert labels[["tank", "kind", "severity"]].to_numpy().tolist() == [["07", "leak", "1.5"]]


def test_packed_file_with_byte_order_mark_and_blank_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv.gz"
    text = f"\ufeff{HEADER}\n , ,\nT1,2026-03-02,2026-03-02\n"
    path.write_bytes(gzip.compress(text.encode()))
    assert len(read_labels(path)) == 1


def test_header_alone_means_that_nothing_was_wrong(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, HEADER))
    assert labels.empty
    assert str(labels["start"].dtype) == "datetime64[ms, UTC]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: the first line must name"),
        ("T1,2026-03-02,2026-03-03\n", "has no column tank, start, end; found T1, 2026-03-02"),
        ("tank,start\n", "has no column end; found tank, start: the first line"),
        ("tank,start,end,start\n", "names a column twice"),
        (f"{HEADER}T1,2026-03-02,2026-03-01\n", "line 2: the fault ends (2026-03-01) before it"),
        (f"{HEADER}\nT1,soon,2026-03-01\n", "line 3, start: 'soon' is not a time: write ISO"),
        (f"{HEADER}T1,2026-03-01,\n", "line 2, end: '' is not a time"),
        (f"{HEADER},2026-03-01,2026-03-02\n", "line 2 names no tank"),
        (f"{HEADER}T1,2026-03-01\n", "line 2 has 2 fields where the first line has 3"),
    ],
)
def test_broken_file_is_refused_with_line_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_labels(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UsageError, match="give a CSV file in UTF-8"):
        read_labels(broken)


def seconds_of(labels: pd.DataFrame) -> list[tuple[int, int]]:
    start_s, end_s = ((epoch_ms(labels[name]) // 1000).tolist() for name in ("start", "end"))
    return list(zip(start_s, end_s, strict=True))


def from_column(seconds: list[int], label: list[int]) -> list[tuple[int, int]]:
    observed_ms = np.array(seconds, dtype=np.int64) * 1000
    return seconds_of(labels_from_column("T1", observed_ms, np.array(label), step_s=60))


def test_run_of_ones_lasts_one_step_beyond_its_last_reading() -> None:
    assert from_column([0, 60, 120, 180, 240], [0, 1, 1, 0, 1]) == [(60, 180), (240, 300)]


def test_column_in_any_order_gives_the_same_runs() -> None:
    assert from_column([180, 0, 120, 60], [0, 0, 1, 1]) == [(60, 180)]


def test_gap_of_ten_steps_is_bridged_and_a_longer_one_ends_the_run() -> None:
    assert from_column([0, 600], [1, 1]) == [(0, 660)]
    assert from_column([0, 601], [1, 1]) == [(0, 60), (601, 661)]


def test_column_without_a_one_or_without_a_row_gives_no_fault() -> None:
    none = labels_from_column("T1", np.array([0, 60_000]), np.array([0, 0]), step_s=60)
    assert list(none.columns) == ["tank", "start", "end"]
    assert none.empty
    assert from_column([], []) == []
    assert seconds_of(pd.concat([none, epoch_labels((0, 60))])) == [(0, 60)]


def marked(labels: pd.DataFrame, tank: str = "T1") -> list[int]:
    times_ms = np.arange(5, dtype=np.int64) * 60_000
    found = label_steps(labels, tank, times_ms=times_ms, step_s=60)
    return [int(place) for place in np.flatnonzero(found)]


@pytest.mark.parametrize(
    ("stretch", "steps"),
    [
        ((60, 180), [1, 2]),
        ((61, 179), [1, 2]),
        ((119, 121), [1, 2]),
        ((-500, 30), [0]),
        ((290, 9000), [4]),
        ((300, 400), []),
        ((-60, 0), []),
        ((60, 60), [1]),
        ((119, 119), [1]),
    ],
)
def test_step_is_labelled_if_it_shares_time_with_a_fault(
    stretch: tuple[int, int], steps: list[int]
) -> None:
    assert marked(epoch_labels(stretch)) == steps


def test_faults_of_other_tanks_label_nothing() -> None:
    assert marked(epoch_labels((0, 300)), "T2") == []


def test_steps_of_a_column_come_back_as_they_were() -> None:
    label = np.array([1, 0, 1, 1, 0])
    times_ms = np.arange(5, dtype=np.int64) * 60_000
    assert marked(labels_from_column("T1", times_ms, label, step_s=60)) == [0, 2, 3]
