"""The words of a mail: a headline, and one sentence that says what happens and why we think so."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from tankwatch.core.incident import Evidence, Incident, MessageKind, Notice, Symptom
from tankwatch.core.times import human_duration
from tankwatch.notify import ahead, findings, wording
from tankwatch.notify.phrases import BACK_TO_NORMAL, PHRASES

_DIRECTION = {
    Symptom.ABOVE_EXPECTED: 1,
    Symptom.BELOW_EXPECTED: -1,
    Symptom.ABOVE_LIMIT: 1,
    Symptom.BELOW_LIMIT: -1,
    Symptom.TO_HIGH_LIMIT: 1,
    Symptom.TO_LOW_LIMIT: -1,
}


@dataclass(frozen=True, slots=True)
class _Case:
    """What every sentence needs: the subject, and the stretch of time."""

    incident: Incident
    evidence: Evidence
    name: str
    start: datetime
    end: datetime
    is_over: bool
    zone: ZoneInfo

    @property
    def duration(self) -> str:
        return human_duration((self.end - self.start).total_seconds())

    def clock(self, moment: datetime) -> str:
        """Return a time of day, with the date if it is not the day the mail speaks of."""
        return wording.clock_time(moment, self.zone, day_of=self.end)

    @property
    def how_long(self) -> str:
        if not self.is_over:
            return f"since {self.clock(self.start)} ({self.duration})"
        return f"from {self.clock(self.start)} to {self.clock(self.end)} ({self.duration})"

    @property
    def how_long_it_was(self) -> str:
        return f"for {self.duration} from {self.clock(self.start)}"


_LATCHED = "It is latched: it stays in the list until somebody resets it."
_AGAIN = (MessageKind.REALARM, MessageKind.CHATTERING, MessageKind.SETTLED)


def headline(notice: Notice) -> str:
    """Return what the mail is about: ``TK-104 pressure below expected``.

    An alarm that leaves after the end of its incident says so.
    """
    incident = notice.incident
    name = _name(incident)
    if notice.kind is MessageKind.ALL_CLEAR:
        return f"{name} {BACK_TO_NORMAL[incident.symptom]}"
    if notice.kind is MessageKind.WITHDRAWAL:
        return f"{name} {wording.SYMPTOM_WORDS[incident.symptom]}"
    over = " (over)" if incident.ended_at is not None else ""
    if notice.kind in _AGAIN:
        return f"{name} {wording.SYMPTOM_WORDS[incident.symptom]}: {again(notice)}"
    if incident.outlook is not None and incident.symptom in ahead.SYMPTOMS:
        return f"{name} {ahead.headline(incident.outlook)}{over}"
    return f"{name} {wording.SYMPTOM_WORDS[incident.symptom]}{over}"


def again(notice: Notice) -> str:
    """Return what a message says of an alarm that is not new: ``comes and goes, 3 times``.

    When it began is for the caller to add, who knows the zone.
    """
    if notice.chatter is None:
        return "still stands,"
    times = f"{notice.chatter.times} times"
    if notice.kind is MessageKind.CHATTERING:
        return f"comes and goes, {times}"
    stands = " and stands," if notice.incident.ended_at is None else ""
    return f"came and went {times}{stands}"


def what_and_why(notice: Notice, evidence: Evidence, *, time_zone: str) -> str:
    """Return one sentence: what the tank does, since when, and what that rests on.

    A second one says of what is latched that it waits for its reset.
    """
    incident = notice.incident
    case = _Case(
        incident=incident,
        evidence=evidence,
        name=_name(incident),
        start=_true_start(notice, evidence),
        end=findings.as_of(notice, evidence),
        is_over=incident.ended_at is not None,
        zone=wording.zone_of(time_zone),
    )
    if notice.kind is MessageKind.WITHDRAWAL:
        return _withdrawal(case)
    is_end = notice.kind is MessageKind.ALL_CLEAR or (
        notice.kind is MessageKind.SETTLED and case.is_over
    )
    told = _all_clear(case) if is_end else _alarm(case)
    return f"{told} {_LATCHED}" if incident.state.is_latched else told


def _name(incident: Incident) -> str:
    return f"{wording.clean_name(incident.tank)} {wording.channel_label(incident.channel)}"


def _true_start(notice: Notice, evidence: Evidence) -> datetime:
    """Return when it really began: a flat line and a silence are only flagged after a while."""
    incident = notice.incident
    if incident.symptom is Symptom.STALE:
        return findings.silent_since(evidence, incident.channel, start=incident.started_at)
    if incident.symptom is Symptom.FLAT_LINE:
        end = findings.as_of(notice, evidence)
        return findings.flat_since(evidence, incident.channel, start=incident.started_at, end=end)
    return incident.started_at


def _alarm(case: _Case) -> str:
    match case.incident.symptom:
        case Symptom.ABOVE_EXPECTED | Symptom.BELOW_EXPECTED:
            return _alarm_expected(case)
        case Symptom.ABOVE_LIMIT | Symptom.BELOW_LIMIT:
            return _alarm_limit(case)
        case Symptom.TO_HIGH_LIMIT | Symptom.TO_LOW_LIMIT:
            told = ahead.warning(
                case.incident, case.evidence, clock=case.clock, how_long=case.how_long
            )
            return f"{case.name} {told}."
        case Symptom.FLAT_LINE:
            verb = "did not move" if case.is_over else "has not moved"
            return f"{case.name} {verb} {case.how_long}{_stuck_at(case)}."
        case Symptom.STALE:
            verb = "sent no reading" if case.is_over else "has sent no reading"
            so = "" if case.is_over else ": it is not watched until readings return"
            return f"{case.name} {verb} {case.how_long}{so}."
        case symptom:
            phrases = PHRASES[symptom]
            verb = phrases.was if case.is_over else phrases.is_now
            return f"{case.name} {verb} {case.how_long}: {_judgement(case)}."


def _alarm_expected(case: _Case) -> str:
    side = _side_word(case.incident.symptom)
    verb = "was" if case.is_over else "has been"
    finding = _telling(case)
    reason = _judgement(case)
    if finding is not None and finding.beyond_expected == _DIRECTION[case.incident.symptom]:
        reason = f"{_value(case, finding)} where {_band(finding)} is expected; {reason}"
    return f"{case.name} {verb} {side} what its model expects {case.how_long}: {reason}."


def _alarm_limit(case: _Case) -> str:
    verb = "was" if case.is_over else "has been"
    finding = _telling(case)
    value = f": {_value(case, finding)}" if finding is not None else ""
    return f"{case.name} {verb} {_limit(case, finding)} {case.how_long}{value}."


def _withdrawal(case: _Case) -> str:
    said = wording.SYMPTOM_WORDS[case.incident.symptom]
    return (
        f"The alarm of {case.clock(case.start)} is withdrawn ({case.name}: {said}): readings that "
        f"came after it show that nothing was wrong."
    )


def _all_clear(case: _Case) -> str:
    now, before = _now_and_before(case)
    return f"{case.name} {now} since {case.clock(case.end)}; {before}."


def _now_and_before(case: _Case) -> tuple[str, str]:
    was = case.how_long_it_was
    score = f"with a peak score of {_score(case)}"
    match case.incident.symptom:
        case Symptom.ABOVE_EXPECTED | Symptom.BELOW_EXPECTED:
            side = _side_word(case.incident.symptom)
            return "has been back to what its model expects", f"it was {side} {was}, {score}"
        case Symptom.ABOVE_LIMIT | Symptom.BELOW_LIMIT:
            finding = _worst(case)
            worst = f", at worst {_plain_value(case, finding)}" if finding is not None else ""
            return "has been back within its limits", f"it was {_limit(case, finding)} {was}{worst}"
        case Symptom.TO_HIGH_LIMIT | Symptom.TO_LOW_LIMIT:
            return "has not been heading for its limit", f"it was {was}"
        case Symptom.FLAT_LINE:
            return "has moved again", f"it had not moved {was}"
        case Symptom.STALE:
            return "has sent readings again", f"there was none {was}"
        case symptom:
            told = PHRASES[symptom]
            how = "" if case.incident.detector in wording.RULE_WORDS else f", {score}"
            return told.again, f"{told.before} {was}{how}"


def _judgement(case: _Case) -> str:
    if case.incident.detector in wording.RULE_WORDS:
        return f"found by the {wording.RULE_WORDS[case.incident.detector]}"
    channel = wording.channel_label(case.incident.channel)
    share = wording.percent(case.incident.share)
    return f"peak score {_score(case)}; {channel} contributes {share}"


def _score(case: _Case) -> str:
    return f"{wording.score_text(case.incident.peak_score)} where 1.0 is the threshold"


def _side_word(symptom: Symptom) -> str:
    return "above" if _DIRECTION[symptom] > 0 else "below"


def _worst(case: _Case) -> findings.Finding | None:
    incident = case.incident
    return findings.telling_finding(
        case.evidence,
        incident.channel,
        _DIRECTION[incident.symptom],
        start=incident.started_at,
        end=case.end,
    )


def _telling(case: _Case) -> findings.Finding | None:
    """Return the latest reading while it still shows the symptom, else the worst one."""
    latest = findings.latest_finding(case.evidence, case.incident.channel)
    if latest is not None and not case.is_over:
        wanted = _DIRECTION[case.incident.symptom]
        if wanted in {latest.beyond_expected, latest.beyond_limit}:
            return latest
    return _worst(case)


def _value(case: _Case, finding: findings.Finding) -> str:
    at = f" at {case.clock(finding.at)}" if finding.at is not None else ""
    return f"{_plain_value(case, finding)}{at}"


def _plain_value(case: _Case, finding: findings.Finding) -> str:
    """Return the reading as precisely as what the sentence compares it with."""
    if case.incident.symptom in {Symptom.ABOVE_LIMIT, Symptom.BELOW_LIMIT}:
        edges: tuple[float | None, ...] = (_limit_value(case, finding),)
    else:
        edges = (finding.expected_low, finding.expected_high)
    value = finding.value if finding.value is not None else float("nan")
    return wording.quantity(value, finding.unit, *(edge for edge in edges if edge is not None))


def _band(finding: findings.Finding) -> str:
    unit = finding.unit
    low, high, value = finding.expected_low, finding.expected_high, finding.value
    beside = [value] if value is not None else []
    if low is not None and high is not None:
        return wording.span(low, high, unit, *beside)
    if low is not None:
        return f"at least {wording.quantity(low, unit, *beside)}"
    return f"at most {wording.quantity(high, unit, *beside)}" if high is not None else "other"


def _limit(case: _Case, finding: findings.Finding | None) -> str:
    """Return ``above its high limit of 2.5 kPa``."""
    above = _DIRECTION[case.incident.symptom] > 0
    words = "above its high limit" if above else "below its low limit"
    limit = None if finding is None else _limit_value(case, finding)
    if finding is None or limit is None or finding.value is None:
        return words
    return f"{words} of {wording.quantity(limit, finding.unit, finding.value)}"


def _limit_value(case: _Case, finding: findings.Finding) -> float | None:
    above = _DIRECTION[case.incident.symptom] > 0
    return finding.limit_high if above else finding.limit_low


def _stuck_at(case: _Case) -> str:
    finding = findings.latest_finding(case.evidence, case.incident.channel)
    if finding is None or finding.value is None or case.is_over:
        return ""
    return f": it reads {wording.quantity(finding.value, finding.unit)} all the time"
