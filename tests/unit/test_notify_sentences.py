"""Headline, sentence, facts and advice, checked by hand on ten steps of a minute."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tankwatch.core.incident import (
    Evidence,
    Incident,
    IncidentState,
    MessageKind,
    Notice,
    Severity,
    Symptom,
)
from tankwatch.core.times import to_ms
from tankwatch.notify.advice import check_first
from tankwatch.notify.facts import incident_facts, reading_lines
from tankwatch.notify.sentences import headline, what_and_why
from tankwatch.notify.wording import zone_of

BEGIN = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
END = BEGIN + timedelta(minutes=10)
PRESSURE = [1.6, 1.6, 1.6, 1.6, 1.6, 1.4, 1.3, 1.25, 1.21, 1.24]


def evidence(pressure: list[float] = PRESSURE, **limits: tuple[float | None, ...]) -> Evidence:
    values = np.column_stack([pressure, np.full(10, 31.0)])
    return Evidence(
        channels=("pressure", "temperature"),
        units=("kPa", "degC"),
        times_ms=to_ms(BEGIN) + np.arange(10, dtype=np.int64) * 60_000,
        step_s=60,
        values=values,
        expected_low=np.tile([1.5, np.nan], (10, 1)),
        expected_high=np.tile([1.75, np.nan], (10, 1)),
        score=np.full(10, 0.5),
        limit_low=limits.get("low", (None, None)),
        limit_high=limits.get("high", (None, 60.0)),
    )


def notice(
    symptom: Symptom = Symptom.BELOW_EXPECTED,
    kind: MessageKind = MessageKind.ALARM,
    **changes: Any,
) -> Notice:
    """Return a notice of an incident that began at the sixth of the ten minutes."""
    incident = Incident(
        uid="3f9a1c2b77d04e51",
        site="north",
        tank="TK-104",
        state=IncidentState.UNACKNOWLEDGED,
        severity=Severity.ALARM,
        detector="autoencoder",
        channel="pressure",
        share=0.874,
        symptom=symptom,
        started_at=BEGIN + timedelta(minutes=5),
        raised_at=BEGIN + timedelta(minutes=8),
        ended_at=END - timedelta(minutes=1) if kind is MessageKind.ALL_CLEAR else None,
        peak_score=4.13,
    )
    queued_at = END + timedelta(seconds=12)
    return Notice(replace(incident, **changes), kind, "<m@x>", "<m@x>", queued_at)


def said(about: Notice, shown: Evidence | None = None) -> str:
    return what_and_why(about, shown or evidence(), time_zone="Europe/Oslo")


CLEAR = MessageKind.ALL_CLEAR


@pytest.mark.parametrize(
    ("symptom", "alarm", "all_clear"),
    [
        (Symptom.ABOVE_EXPECTED, "above expected", "back to expected"),
        (Symptom.BELOW_EXPECTED, "below expected", "back to expected"),
        (Symptom.UNUSUAL_PATTERN, "unusual pattern", "back to its usual pattern"),
        (Symptom.UNUSUAL_STAY, "standing at an unusual level", "moving again"),
        (
            Symptom.DECOUPLED,
            "parted from its other channels",
            "back with its other channels",
        ),
        (Symptom.ABOVE_LIMIT, "above high limit", "back within limits"),
        (Symptom.BELOW_LIMIT, "below low limit", "back within limits"),
        (Symptom.FLAT_LINE, "flat line", "moves again"),
        (Symptom.STALE, "no readings", "readings are back"),
    ],
)
def test_headline_names_tank_channel_and_symptom(
    symptom: Symptom, alarm: str, all_clear: str
) -> None:
    assert headline(notice(symptom)) == f"TK-104 pressure {alarm}"
    assert headline(notice(symptom, CLEAR)) == f"TK-104 pressure {all_clear}"


def test_alarm_that_leaves_after_the_end_says_so() -> None:
    late = notice(ended_at=END)
    assert headline(late) == "TK-104 pressure below expected (over)"
    assert said(late) == (
        "TK-104 pressure was below what its model expects from 06:05 CET to 06:10 CET (5 min): "
        "1.21 kPa at 06:08 CET where 1.50 to 1.75 kPa is expected; peak score 4.1 where 1.0 is "
        "the threshold; pressure contributes 87 %."
    )


def test_alarm_below_expected_gives_the_latest_reading_and_the_judgement() -> None:
    assert said(notice()) == (
        "TK-104 pressure has been below what its model expects since 06:05 CET (5 min): "
        "1.24 kPa at 06:09 CET where 1.50 to 1.75 kPa is expected; peak score 4.1 where 1.0 is "
        "the threshold; pressure contributes 87 %."
    )


def test_reading_that_is_back_in_the_band_gives_way_to_the_worst_one() -> None:
    assert "1.21 kPa at 06:08 CET where" in said(notice(), evidence([*PRESSURE[:9], 1.6]))


def test_reading_that_contradicts_the_symptom_is_left_out() -> None:
    sentence = said(notice(Symptom.ABOVE_EXPECTED))
    assert "where 1.50" not in sentence
    assert "(5 min): peak score 4.1 where" in sentence


def test_evidence_without_a_band_or_the_channel_still_gives_a_sentence() -> None:
    unknown = replace(
        evidence(),
        expected_low=np.full((10, 2), np.nan),
        expected_high=np.full((10, 2), np.nan),
    )
    short = "TK-104 pressure has been below what its model expects since 06:05 CET (5 min): peak"
    assert said(notice(), unknown).startswith(short)
    assert said(notice(channel="level")).startswith(short.replace("pressure", "level"))


def test_unusual_pattern() -> None:
    assert said(notice(Symptom.UNUSUAL_PATTERN)).startswith(
        "TK-104 pressure has been moving in a way its model does not know since 06:05 CET (5 min): "
        "peak score 4.1"
    )


def test_a_stay_and_channels_that_part() -> None:
    assert said(notice(Symptom.UNUSUAL_STAY)).startswith(
        "TK-104 pressure is flagged for standing at a level that it usually only passes since "
    )
    assert said(notice(Symptom.DECOUPLED)).startswith(
        "TK-104 pressure has not gone with the other channels as usual since 06:05 CET (5 min): "
    )


def test_limit_sentence_names_the_limit_and_the_reading() -> None:
    high = evidence([*PRESSURE[:8], 2.8, 2.9], high=(2.5, None))
    assert said(notice(Symptom.ABOVE_LIMIT), high) == (
        "TK-104 pressure has been above its high limit of 2.5 kPa since 06:05 CET (5 min): "
        "2.9 kPa at 06:09 CET."
    )
    assert said(notice(Symptom.BELOW_LIMIT), evidence(low=(1.3, None))) == (
        "TK-104 pressure has been below its low limit of 1.30 kPa since 06:05 CET (5 min): "
        "1.24 kPa at 06:09 CET."
    )


def test_flat_line_counts_from_the_last_movement() -> None:
    flat = evidence([1.6, 1.6, 1.5, *[1.52] * 7])
    assert said(notice(Symptom.FLAT_LINE), flat) == (
        "TK-104 pressure has not moved since 06:03 CET (7 min): it reads 1.52 kPa all the time."
    )


def test_silence_counts_from_the_last_reading() -> None:
    silent = evidence([1.6, 1.6, *[float("nan")] * 8])
    assert said(notice(Symptom.STALE), silent) == (
        "TK-104 pressure has sent no reading since 06:02 CET (8 min): it is not watched until "
        "readings return."
    )


@pytest.mark.parametrize(
    ("symptom", "pressure", "sentence"),
    [
        (
            Symptom.BELOW_EXPECTED,
            PRESSURE,
            (
                "TK-104 pressure has been back to what its model expects since 06:09 CET; it was "
                "below for 4 min from 06:05 CET, with a peak score of 4.1 where 1.0 is the "
                "threshold."
            ),
        ),
        (
            Symptom.UNUSUAL_PATTERN,
            PRESSURE,
            (
                "TK-104 pressure has moved as its model expects since 06:09 CET; its pattern was "
                "unusual for 4 min from 06:05 CET, with a peak score of 4.1 where 1.0 is the "
                "threshold."
            ),
        ),
        (
            Symptom.BELOW_LIMIT,
            PRESSURE,
            (
                "TK-104 pressure has been back within its limits since 06:09 CET; it was below its "
                "low limit of 1.30 kPa for 4 min from 06:05 CET, at worst 1.21 kPa."
            ),
        ),
        (
            Symptom.FLAT_LINE,
            [1.6, 1.6, 1.5, *[1.52] * 6, 1.6],
            (
                "TK-104 pressure has moved again since 06:09 CET; it had not moved for 6 min from "
                "06:03 CET."
            ),
        ),
        (
            Symptom.STALE,
            [1.6, 1.6, *[float("nan")] * 7, 1.6],
            (
                "TK-104 pressure has sent readings again since 06:09 CET; there was none for 7 min "
                "from 06:02 CET."
            ),
        ),
    ],
)
def test_all_clear_says_what_is_normal_again_and_what_was(
    symptom: Symptom, pressure: list[float], sentence: str
) -> None:
    shown = evidence(pressure, low=(1.3, None))
    assert said(notice(symptom, CLEAR), shown) == sentence


def test_late_mail_speaks_of_the_time_that_was_judged() -> None:
    assert "(5 min)" in said(replace(notice(), queued_at=END + timedelta(hours=5)))


def test_start_on_another_day_is_dated() -> None:
    sentence = said(notice(started_at=BEGIN - timedelta(days=1)))
    assert "since 2026-03-01 06:00 CET (1 d)" in sentence


def test_facts_are_complete() -> None:
    facts = {
        fact.label: fact.value for fact in incident_facts(notice(), evidence(), zone_of("UTC"))
    }
    assert facts == {
        "Tank": "TK-104",
        "Site": "north",
        "Symptom": "below expected",
        "Flagged since": "2026-03-02 05:05 UTC",
        "Until": "still standing at 2026-03-02 05:10 UTC",
        "Duration": "5 min",
        "Peak score": "4.1 (threshold 1.0)",
        "Found by": "autoencoder detector",
    }


def test_reading_lines_tell_value_expectation_limits_and_verdict() -> None:
    silent = replace(evidence(), values=np.column_stack([PRESSURE, np.full(10, np.nan)]))
    pressure, temperature = reading_lines(notice(), silent, zone_of("UTC"))
    assert (pressure.value, pressure.at) == ("1.24 kPa", "05:09 UTC")
    assert (pressure.expected, pressure.verdict) == ("1.50 to 1.75 kPa", "below expected")
    assert (temperature.value, temperature.at) == ("no reading", "")
    assert (temperature.expected, temperature.limits) == ("", "at most 60 °C")


@pytest.mark.parametrize("symptom", list(Symptom))
@pytest.mark.parametrize("unit", ["kPa", "degC", "m"])
def test_every_symptom_has_a_short_list_of_checks(symptom: Symptom, unit: str) -> None:
    checks = check_first(symptom, unit)
    assert 2 <= len(checks) <= 5
    assert len(set(checks)) == len(checks)


def test_limit_points_to_the_site_procedure_first() -> None:
    assert "response procedure" in check_first(Symptom.ABOVE_LIMIT, "kPa")[0]
