"""The picture, read back pixel by pixel."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tankwatch.core.incident import Evidence, Incident, IncidentState, Severity, Symptom
from tankwatch.core.times import to_ms
from tankwatch.notify.plot import channel_view, plot_incident

BEGIN = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
STEPS = 240
NAN = float("nan")
READING = (0x0B, 0x3D, 0x66)
INCIDENT = Incident(
    uid="3f9a1c2b77d04e51",
    site="north",
    tank="TK-104",
    state=IncidentState.UNACKNOWLEDGED,
    severity=Severity.ALARM,
    detector="autoencoder",
    channel="pressure",
    share=0.87,
    symptom=Symptom.BELOW_EXPECTED,
    started_at=BEGIN + timedelta(minutes=120),
    raised_at=BEGIN + timedelta(minutes=123),
    ended_at=BEGIN + timedelta(minutes=180),
    peak_score=4.1,
)


def evidence(channels: int = 2, steps: int = STEPS) -> Evidence:
    phase = np.linspace(0, 6, steps)[:, None] + np.arange(channels)[None, :]
    values = 1.6 + 0.2 * np.sin(phase)
    names = ("pressure", "temperature", "level", "flow", "density", "vapour_pressure", "a", "b")
    return Evidence(
        channels=names[:channels],
        units=("kPa", "degC", "m", "m3/h", "", "kPa", "", "")[:channels],
        times_ms=to_ms(BEGIN) + np.arange(steps, dtype=np.int64) * 60_000,
        step_s=60,
        values=values,
        expected_low=values - 0.1,
        expected_high=values + 0.1,
        score=np.where(np.arange(steps) >= 120, 4.1, 0.4),
        limit_low=(None,) * channels,
        limit_high=(2.0, *(None,) * channels)[:channels],
    )


def drawn(shown: Evidence, incident: Incident = INCIDENT) -> NDArray[np.int16]:
    """Return the picture as int16 (rows, columns, 3), 0 to 255."""
    png = plot_incident(incident, shown, "Europe/Oslo")
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int16)


def columns_near(pixels: NDArray[np.int16], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return bool (columns,), whether a pixel of about this colour stands in the column."""
    return np.asarray((np.abs(pixels - np.array(colour)).max(axis=2) <= 12).any(axis=0))


def first_panel(pixels: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the inside of the upper panel of a picture with one channel."""
    return pixels[145:390]


def test_picture_of_two_channels_is_1200_by_900() -> None:
    assert drawn(evidence()).shape == (900, 1200, 3)


@pytest.mark.parametrize(("channels", "height"), [(1, 600), (3, 960), (8, 2060)])
def test_every_channel_has_a_panel(channels: int, height: int) -> None:
    assert drawn(evidence(channels)).shape == (height, 1200, 3)


def test_same_input_gives_the_same_bytes_whatever_the_machine_prefers() -> None:
    first = plot_incident(INCIDENT, evidence(), "Europe/Oslo")
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "black"}):
        assert plot_incident(INCIDENT, evidence(), "Europe/Oslo") == first
        assert mpl.rcParams["font.size"] == 30
    assert Image.open(io.BytesIO(first)).info.keys() == {"dpi"}


def test_times_are_drawn_in_the_zone_of_the_site() -> None:
    in_oslo = plot_incident(INCIDENT, evidence(), "Europe/Oslo")
    assert in_oslo != plot_incident(INCIDENT, evidence(), "Asia/Tokyo")


def test_gap_in_the_readings_stays_a_gap() -> None:
    whole, broken = evidence(1), evidence(1)
    broken.values[60:100] = NAN
    complete = columns_near(first_panel(drawn(whole)), READING)
    holed = columns_near(first_panel(drawn(broken)), READING)
    inside = np.flatnonzero(complete)
    scale = (inside[-1] - inside[0]) / (STEPS - 1)
    gap = np.zeros_like(holed)
    gap[int(inside[0] + 61 * scale) : int(inside[0] + 98 * scale)] = True
    assert complete[gap].all()
    assert not holed[gap].any()
    assert holed[inside[0] : int(inside[0] + 58 * scale)].all()


def test_reading_between_two_gaps_is_seen() -> None:
    lonely = evidence(1)
    lonely.values[:] = NAN
    lonely.values[100] = 1.6
    seen = np.flatnonzero(columns_near(first_panel(drawn(lonely)), READING))
    assert 1 <= seen.size <= 14


def test_flagged_stretch_is_shaded_in_every_panel() -> None:
    calm = replace(INCIDENT, started_at=BEGIN - timedelta(days=1), ended_at=BEGIN)
    changed = np.abs(drawn(evidence()) - drawn(evidence(), calm)).max(axis=2) > 12
    for rows in (slice(180, 330), slice(460, 600), slice(700, 790)):
        columns = np.flatnonzero(changed[rows].mean(axis=0) > 0.5)
        left, right = (columns[0] - 70) / 1130, (columns[-1] - 70) / 1130
        assert left == pytest.approx(0.5, abs=0.05)
        assert right == pytest.approx(0.75, abs=0.05)


def unknown_band() -> Evidence:
    nothing = np.full((STEPS, 1), NAN)
    return replace(evidence(1), expected_low=nothing, expected_high=nothing)


@pytest.mark.parametrize(
    "shown",
    [
        unknown_band(),
        replace(evidence(1), values=np.full((STEPS, 1), NAN)),
        replace(unknown_band(), values=np.full((STEPS, 1), NAN), limit_high=(None,)),
        replace(evidence(1), values=np.full((STEPS, 1), np.inf)),
        replace(evidence(1), values=np.full((STEPS, 1), 1.5)),
        replace(evidence(1), score=np.full(STEPS, NAN)),
        replace(evidence(1), score=np.zeros(STEPS)),
        replace(evidence(1), score=np.geomspace(1e-3, 1e6, STEPS)),
        replace(evidence(1), score=np.where(np.arange(STEPS) > 9, 5e4, 0.0)),
        evidence(1, steps=1),
        evidence(1, steps=0),
    ],
    ids=["band", "values", "all", "inf", "flat", "score", "zero", "log", "jump", "one", "none"],
)
def test_whatever_is_missing_there_is_a_picture(shown: Evidence) -> None:
    assert drawn(shown).shape == (600, 1200, 3)


@pytest.mark.parametrize("tank", ["TK-$1$", "東京 7", "TK\n\t1", "T\u202eK", "\\frac{", "x" * 300])
def test_any_tank_name_can_be_drawn(tank: str) -> None:
    assert drawn(evidence(1), replace(INCIDENT, tank=tank)).shape == (600, 1200, 3)


def test_view_holds_readings_band_and_near_limits() -> None:
    values = np.array([1.0, 2.0])
    bottom, top = channel_view(values, np.array([0.9, NAN]), np.array([2.5, NAN]), (None, 4.0))
    assert bottom == pytest.approx(0.9 - 0.06 * 3.1)
    assert top == pytest.approx(4.0 + 0.06 * 3.1)


def test_far_band_and_far_limit_do_not_flatten_the_readings() -> None:
    values = np.array([1.0, 2.0])
    bottom, top = channel_view(values, np.array([-50.0]), np.array([90.0]), (-100.0, 100.0))
    assert bottom == pytest.approx(0.0 - 0.06 * 3)
    assert top == pytest.approx(3.0 + 0.06 * 3)


def test_view_of_nothing_is_nothing_in_particular() -> None:
    nothing = np.array([NAN])
    assert channel_view(nothing, nothing, nothing, (None, None)) == (0.0, 1.0)
