"""What an operator is told about: incidents, their evidence, and the messages they cause."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.chatter import Chatter
from tankwatch.core.outlook import Outlook

if TYPE_CHECKING:
    from tankwatch.core.surroundings import Surroundings


class IncidentState(StrEnum):
    """Where an incident stands in its life (ISA-18.2, with `closed` for the filed record).

    One that is latched is over, and stays in sight until somebody resets it.
    """

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"
    LATCHED_UNACKNOWLEDGED = "latched_unacknowledged"
    LATCHED_ACKNOWLEDGED = "latched_acknowledged"
    CLOSED = "closed"

    @property
    def is_unseen(self) -> bool:
        """Return whether nobody has acknowledged it."""
        return self in UNSEEN

    @property
    def is_latched(self) -> bool:
        """Return whether it is over and waits for its reset."""
        return self in LATCHED


UNSEEN = (
    IncidentState.UNACKNOWLEDGED,
    IncidentState.RETURNED_UNACKNOWLEDGED,
    IncidentState.LATCHED_UNACKNOWLEDGED,
)
LATCHED = (IncidentState.LATCHED_UNACKNOWLEDGED, IncidentState.LATCHED_ACKNOWLEDGED)


class Severity(StrEnum):
    """How much an incident asks of an operator; only an alarm pages."""

    JOURNAL = "journal"
    ALERT = "alert"
    ALARM = "alarm"

    @property
    def rank(self) -> int:
        """Return its place; higher is graver."""
        return list(Severity).index(self)


class Symptom(StrEnum):
    """What a reader of the mail is told the tank does."""

    ABOVE_EXPECTED = "above_expected"
    BELOW_EXPECTED = "below_expected"
    UNUSUAL_PATTERN = "unusual_pattern"
    UNUSUAL_STAY = "unusual_stay"
    DECOUPLED = "decoupled"
    SPIKE = "spike"
    STEP = "step"
    DRIFT_UP = "drift_up"
    DRIFT_DOWN = "drift_down"
    NOISE = "noise"
    QUIET = "quiet"
    OSCILLATION = "oscillation"
    CHATTERING = "chattering"
    ABOVE_LIMIT = "above_limit"
    BELOW_LIMIT = "below_limit"
    TO_HIGH_LIMIT = "to_high_limit"
    TO_LOW_LIMIT = "to_low_limit"
    OUT_OF_RANGE = "out_of_range"
    FLAT_LINE = "flat_line"
    STALE = "stale"


class Nature(StrEnum):
    """What an incident looks like the fault of; the one who is called first depends on it."""

    SENSOR = "sensor"
    PROCESS = "process"
    OPERATION = "operation"


class Sign(IntEnum):
    """What in a detector's evidence a symptom is told from, where its direction does not tell."""

    NONE = 0
    STAY = 1
    TOGETHER = 2


class MessageKind(StrEnum):
    """Which of an incident's messages this is."""

    ALARM = "alarm"
    ALL_CLEAR = "all_clear"
    WITHDRAWAL = "withdrawal"
    SITE_ALARM = "site_alarm"
    SITE_ALL_CLEAR = "site_all_clear"
    REALARM = "realarm"
    SITE_REALARM = "site_realarm"
    CHATTERING = "chattering"
    SETTLED = "settled"

    @property
    def is_of_site(self) -> bool:
        """Return whether it tells of a whole site."""
        return self.value.startswith("site_")

    @property
    def is_realarm(self) -> bool:
        """Return whether it tells again of what stands and nobody has acknowledged."""
        return self in {MessageKind.REALARM, MessageKind.SITE_REALARM}

    @property
    def is_trouble(self) -> bool:
        """Return whether it tells of trouble, not of its end."""
        firsts = {MessageKind.ALARM, MessageKind.SITE_ALARM, MessageKind.CHATTERING}
        return self.is_realarm or self in firsts


@dataclass(frozen=True, slots=True)
class Incident:
    """One stretch of time in which a tank did not behave, as stored.

    Attributes:
        uid: stable name, the same however often the same readings are processed.
        detector: what opened it: a detector's name, or that of a rule, as ``limit`` or ``stuck``.
        channel: channel that contributed most.
        share: contribution of `channel` to the evidence, 0 to 1.
        symptom: what the tank does.
        started_at: beginning of the first flagged step.
        raised_at: end of the step at which the on-delay had passed.
        ended_at: end of the last flagged step; None while it lasts.
        peak_score: largest score so far, 1.0 is the threshold.
        historical: opened so late that it never pages.
        outlook: the limit ahead that it warned of last, None if of none.
        nature: whether it looks like the sensor's, the process's or a planned operation's doing.
        latching: whether it stays in sight when it is over, until somebody resets it.
    """

    uid: str
    site: str
    tank: str
    state: IncidentState
    severity: Severity
    detector: str
    channel: str
    share: float
    symptom: Symptom
    started_at: datetime
    raised_at: datetime
    ended_at: datetime | None
    peak_score: float
    historical: bool = False
    nature: Nature = Nature.PROCESS
    outlook: Outlook | None = None
    latching: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """The picture behind an incident: what was read, what was expected, how it was judged.

    Attributes:
        channels: names along the last axis of the arrays.
        units: unit of each channel, for instance ``kPa`` and ``degC``.
        times_ms: int64 (steps,), epoch milliseconds, beginning of each step.
        step_s: length of a step in seconds.
        values: float64 (steps, channels), NaN where nothing was read.
        expected_low: float64 (steps, channels), lower edge of the expected band, NaN where unknown.
        expected_high: float64 (steps, channels), upper edge of the expected band.
        score: float64 (steps,), 1.0 is the threshold, NaN where not scored.
        limit_low: engineering low limit of each channel, None where there is none.
        limit_high: engineering high limit of each channel, None where there is none.
        surroundings: what its siblings do and how the last one like it ended, None if not known.
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    times_ms: NDArray[np.int64]
    step_s: int
    values: NDArray[np.float64]
    expected_low: NDArray[np.float64]
    expected_high: NDArray[np.float64]
    score: NDArray[np.float64]
    limit_low: tuple[float | None, ...]
    limit_high: tuple[float | None, ...]
    surroundings: "Surroundings | None" = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One message that is to be sent about an incident.

    Attributes:
        kind: which message it is, of a tank.
        message_id: RFC 5322 Message-ID with angle brackets, fixed when the message was queued.
        thread_id: Message-ID of the incident's first message; equal to `message_id` for the first.
        queued_at: when the incident's transition was stored; the mail's Date.
        chatter: how often it came, where that is what the message tells.
        worse: why it is told again, where its incident got worse; empty of another.
    """

    incident: Incident
    kind: MessageKind
    message_id: str
    thread_id: str
    queued_at: datetime
    chatter: Chatter | None = None
    worse: str = ""
