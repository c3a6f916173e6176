"""How much an incident asks of an operator, from its consequence and the time that is left.

ANSI/ISA-18.2 and EEMUA 191 rank alarms by what happens if nobody responds and by how long there is
to respond.  The consequence is told by what an incident looks like and by its tank; the time by the
limit ahead, where there is one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tankwatch.core.incident import Nature, Severity, Symptom

_LIMITS = frozenset({Symptom.ABOVE_LIMIT, Symptom.BELOW_LIMIT})


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing that was seen of a tank: whose doing it looks like, and what it is.

    `time_left_s` is how soon a limit is reached, in seconds; None where none is ahead.
    """

    nature: Nature
    symptom: Symptom
    time_left_s: float | None = None


@dataclass(frozen=True, slots=True)
class SeverityRule:
    """How a plant ranks its incidents.

    Attributes:
        limit: severity of a limit that is passed.
        by_nature: severity of everything else, by whose doing it looks like.
        by_symptom: severity of symptoms, which comes before both.
        alert_only: names or patterns of tanks whose incidents are alerts at most.
        alarm_from_score: from this score on it is an alarm, 1.0 is the threshold; 0 for never.
        alarm_within_s: if a limit is reached within this time it is an alarm, seconds.
    """

    limit: Severity
    by_nature: Mapping[Nature, Severity]
    by_symptom: Mapping[Symptom, Severity]
    alert_only: Sequence[str] = ()
    alarm_from_score: float = 0.0
    alarm_within_s: float = 0.0

    def severity(self, tank: str, sights: Sequence[Sight], *, score: float) -> Severity:
        """Return the severity of an incident of which `sights` were seen, `score` at most.

        It is that of a journal entry where nothing was.
        """
        seen = [Severity.JOURNAL, *(self._of(sight) for sight in sights)]
        found = max(seen, key=lambda severity: severity.rank)
        if self.alarm_from_score and score >= self.alarm_from_score:
            found = Severity.ALARM
        if found is Severity.ALARM and any(fnmatchcase(tank, one) for one in self.alert_only):
            return Severity.ALERT
        return found

    def _of(self, sight: Sight) -> Severity:
        if sight.time_left_s is not None and sight.time_left_s <= self.alarm_within_s:
            return Severity.ALARM
        usual = self.limit if sight.symptom in _LIMITS else self.by_nature[sight.nature]
        return self.by_symptom.get(sight.symptom, usual)
