"""What many tanks of a site do together, told apart from what one tank does.

A weather front, the barometer or a gateway moves every tank of a site within minutes.  That is one
thing to be told of, not forty.  A limit is not: whoever crosses one needs an answer of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tankwatch.core.incident import Incident, MessageKind, Symptom


class Kind(StrEnum):
    """What tanks of one site may do together."""

    ABOVE = "above"
    BELOW = "below"
    UNUSUAL = "unusual"
    NOISE = "noise"
    OUT_OF_RANGE = "out_of_range"
    FLAT_LINE = "flat_line"
    STALE = "stale"


_KINDS = {
    Symptom.ABOVE_EXPECTED: Kind.ABOVE,
    Symptom.BELOW_EXPECTED: Kind.BELOW,
    Symptom.DRIFT_UP: Kind.ABOVE,
    Symptom.DRIFT_DOWN: Kind.BELOW,
    Symptom.UNUSUAL_PATTERN: Kind.UNUSUAL,
    Symptom.UNUSUAL_STAY: Kind.UNUSUAL,
    Symptom.DECOUPLED: Kind.UNUSUAL,
    Symptom.STEP: Kind.UNUSUAL,
    Symptom.OSCILLATION: Kind.UNUSUAL,
    Symptom.SPIKE: Kind.NOISE,
    Symptom.NOISE: Kind.NOISE,
    Symptom.QUIET: Kind.NOISE,
    Symptom.CHATTERING: Kind.NOISE,
    Symptom.OUT_OF_RANGE: Kind.OUT_OF_RANGE,
    Symptom.FLAT_LINE: Kind.FLAT_LINE,
    Symptom.STALE: Kind.STALE,
}


@dataclass(frozen=True, slots=True)
class Raised:
    """An incident of a tank that may belong to its siblings': when it was raised, epoch ms."""

    incident_id: int
    tank_id: int
    raised_ms: int


@dataclass(frozen=True, slots=True)
class SiteNotice:
    """One message that is to be sent about what many tanks of a site do together.

    Attributes:
        kind: of the message: the alarm of a site, or its all-clear.
        uid: stable name of the site's incident.
        channel: what all of them show it in.
        what: what they do.
        started_at: beginning of the first flagged step of the first of them.
        raised_at: when enough of them did it to be the site's.
        ended_at: when the last of them returned; None while one does not.
        site_tanks: tanks of the site.
        members: the incidents of its tanks.
        message_id: as of `Notice`.
        thread_id: as of `Notice`.
        queued_at: as of `Notice`.
    """

    kind: MessageKind
    uid: str
    site: str
    channel: str
    what: Kind
    started_at: datetime
    raised_at: datetime
    ended_at: datetime | None
    site_tanks: int
    members: tuple[Incident, ...]
    message_id: str
    thread_id: str
    queued_at: datetime


def kind_of(symptom: Symptom) -> Kind | None:
    """Return what siblings would do together, None for what every tank is told of by itself."""
    return _KINDS.get(symptom)


def symptoms_of(kind: Kind) -> tuple[Symptom, ...]:
    """Return the symptoms that count as one kind."""
    return tuple(symptom for symptom, of in _KINDS.items() if of is kind)


def fewest_tanks(tanks: int, *, share: float, least: int) -> int:
    """Return how many of a site's tanks make a thing the site's."""
    return max(least, math.ceil(share * tanks - 1e-9))


def gather(raised: Sequence[Raised], *, window_ms: int, fewest: int) -> list[list[Raised]]:
    """Return the groups among incidents of one kind and site, each in order of time.

    Where `fewest` different tanks were raised within `window_ms`, these belong together; groups
    that lie no further apart than that are one, and so is whatever was raised that near to them.
    The order in which incidents came to be known does not matter.

    Args:
        raised: incidents of one kind and site.
        window_ms: milliseconds.
        fewest: different tanks that make a group.
    """
    ordered = sorted(raised, key=lambda one: (one.raised_ms, one.incident_id))
    core: set[int] = set()
    for index, first in enumerate(ordered):
        inside = [o for o in ordered[index:] if o.raised_ms - first.raised_ms <= window_ms]
        if len({one.tank_id for one in inside}) >= fewest:
            core |= {one.incident_id for one in inside}
    spans: list[list[int]] = []
    for one in ordered:
        if one.incident_id not in core:
            continue
        if spans and one.raised_ms - spans[-1][1] <= window_ms:
            spans[-1][1] = one.raised_ms
        else:
            spans.append([one.raised_ms, one.raised_ms])
    groups: list[list[Raised]] = [[] for _ in spans]
    for one in ordered:
        for group, (first_ms, last_ms) in zip(groups, spans, strict=True):
            if first_ms - window_ms <= one.raised_ms <= last_ms + window_ms:
                group.append(one)
                break
    return groups
