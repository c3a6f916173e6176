"""Settings of how much incidents ask of operators."""

from typing import Literal

from tankwatch.settings_section import Section, setting

SeverityName = Literal["journal", "alert", "alarm"]
SymptomName = Literal[
    "above_expected",
    "below_expected",
    "unusual_pattern",
    "unusual_stay",
    "decoupled",
    "spike",
    "step",
    "drift_up",
    "drift_down",
    "noise",
    "quiet",
    "oscillation",
    "chattering",
    "above_limit",
    "below_limit",
    "to_high_limit",
    "to_low_limit",
    "out_of_range",
    "flat_line",
    "stale",
]


class SeverityRules(Section):
    """How grave incidents are; only an alarm pages, and what worsens is raised."""

    limit: SeverityName = setting("alarm", "Severity of a limit that is passed.")
    process: SeverityName = setting("alarm", "Severity of what looks like the process.")
    sensor: SeverityName = setting("alarm", "Severity of what looks like the sensor.")
    operation: SeverityName = setting("alarm", "Severity of what is seen during planned work.")
    symptoms: dict[SymptomName, SeverityName] = setting(
        {}, "Severity by symptom, which comes before the others."
    )
    alert_only: tuple[str, ...] = setting(
        (), "Tanks whose incidents are alerts at most, by name or pattern such as `WT-*`."
    )
    alarm_from_score: float = setting(
        0.0,
        "From this score on an incident is an alarm, 1.0 is the threshold; 0 for never.",
        ge=0,
        le=1000,
    )
    alarm_within_s: float = setting(
        0.0,
        "An incident with less time than this until its tank reaches a limit is an alarm.",
        unit="s",
        ge=0,
        le=86_400,
    )
