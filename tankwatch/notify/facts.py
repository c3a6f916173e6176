"""The tables of a mail: facts of the incident, and the latest readings."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from tankwatch.core.incident import Evidence, Notice
from tankwatch.core.times import human_duration
from tankwatch.notify import wording
from tankwatch.notify.findings import Finding, as_of, latest_findings


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of the table of facts."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class ReadingLine:
    """The latest reading of a channel in words.

    `verdict` is empty for a reading as expected; otherwise it says what is wrong with it.
    """

    channel: str
    value: str
    at: str
    expected: str
    limits: str
    verdict: str


def incident_facts(notice: Notice, evidence: Evidence, zone: ZoneInfo) -> list[Fact]:
    """Return what is known of the incident, most useful first."""
    incident = notice.incident
    end = as_of(notice, evidence)
    duration = human_duration((end - incident.started_at).total_seconds())
    if incident.ended_at is None:
        until = Fact("Until", f"still standing at {wording.date_time(end, zone)}")
    else:
        until = Fact("Until", wording.date_time(end, zone))
    return [
        Fact("Tank", wording.clean_name(incident.tank)),
        Fact("Site", wording.clean_name(incident.site)),
        Fact("Symptom", wording.SYMPTOM_WORDS[incident.symptom]),
        Fact("Flagged since", wording.date_time(incident.started_at, zone)),
        until,
        Fact("Duration", duration),
        Fact("Peak score", f"{wording.score_text(incident.peak_score)} (threshold 1.0)"),
        Fact("Found by", wording.found_by(incident.detector)),
    ]


def reading_lines(notice: Notice, evidence: Evidence, zone: ZoneInfo) -> list[ReadingLine]:
    """Return the latest reading of each channel beside what was expected."""
    end = as_of(notice, evidence)
    return [
        ReadingLine(
            channel=wording.channel_label(finding.channel),
            value=_value(finding),
            at=wording.clock_time(finding.at, zone, day_of=end) if finding.at else "",
            expected=_range(finding, finding.expected_low, finding.expected_high),
            limits=_range(finding, finding.limit_low, finding.limit_high),
            verdict=_verdict(finding),
        )
        for finding in latest_findings(evidence)
    ]


def _value(finding: Finding) -> str:
    if finding.value is None:
        return "no reading"
    edges = (finding.expected_low, finding.expected_high, finding.limit_low, finding.limit_high)
    known = [edge for edge in edges if edge is not None]
    return wording.quantity(finding.value, finding.unit, *known)


def _range(finding: Finding, low: float | None, high: float | None) -> str:
    """Return a range in words; empty if neither edge is known."""
    if low is not None and high is not None:
        return wording.span(low, high, finding.unit)
    if low is not None:
        return f"at least {wording.quantity(low, finding.unit)}"
    return f"at most {wording.quantity(high, finding.unit)}" if high is not None else ""


def _verdict(finding: Finding) -> str:
    if finding.beyond_limit:
        return "above high limit" if finding.beyond_limit > 0 else "below low limit"
    if finding.beyond_expected:
        return "above expected" if finding.beyond_expected > 0 else "below expected"
    return ""
