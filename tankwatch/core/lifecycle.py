"""The life of an incident as one transition table (ISA-18.2, alarm state transition diagram)."""

from collections.abc import Collection
from enum import StrEnum

from tankwatch.core.episodes import RULES
from tankwatch.core.incident import IncidentState
from tankwatch.errors import UsageError


class IncidentEvent(StrEnum):
    """What can happen to an incident."""

    RAISE = "raise"
    JOIN = "join"
    WORSEN = "worsen"
    ACKNOWLEDGE = "acknowledge"
    RETURN = "return"
    LATCH = "latch"
    RESET = "reset"
    CLOSE = "close"
    CORRECT = "correct"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"


_U = IncidentState.UNACKNOWLEDGED
_A = IncidentState.ACKNOWLEDGED
_R = IncidentState.RETURNED_UNACKNOWLEDGED
_LU = IncidentState.LATCHED_UNACKNOWLEDGED
_LA = IncidentState.LATCHED_ACKNOWLEDGED
_C = IncidentState.CLOSED

TRANSITIONS: dict[tuple[IncidentState | None, IncidentEvent], IncidentState] = {
    (None, IncidentEvent.RAISE): _U,
    (_U, IncidentEvent.JOIN): _U,
    (_U, IncidentEvent.ACKNOWLEDGE): _A,
    (_U, IncidentEvent.RETURN): _R,
    (_U, IncidentEvent.CLOSE): _C,
    (_A, IncidentEvent.JOIN): _A,
    # What got worse needs a new answer.
    (_U, IncidentEvent.WORSEN): _U,
    (_A, IncidentEvent.WORSEN): _U,
    (_A, IncidentEvent.RETURN): _C,
    (_A, IncidentEvent.CLOSE): _C,
    (_R, IncidentEvent.ACKNOWLEDGE): _C,
    (_R, IncidentEvent.CLOSE): _C,
    # An operator may close an incident while its tank still misbehaves; what the detection then
    # adds is recorded and changes nothing.
    (_C, IncidentEvent.JOIN): _C,
    (_C, IncidentEvent.RETURN): _C,
    (_C, IncidentEvent.LATCH): _C,
    # A latching incident does not return: it latches, and whoever resets it without having
    # acknowledged it still has that to do.
    (_U, IncidentEvent.LATCH): _LU,
    (_A, IncidentEvent.LATCH): _LA,
    (_LU, IncidentEvent.ACKNOWLEDGE): _LA,
    (_LU, IncidentEvent.RESET): _R,
    (_LA, IncidentEvent.RESET): _C,
    (_LU, IncidentEvent.CLOSE): _C,
    (_LA, IncidentEvent.CLOSE): _C,
    # Readings that come late may show that it began or ended at another time, that more joined it,
    # that it goes on after all, that it latches after all or does not, or that there was nothing.
    **{(state, IncidentEvent.JOIN): state for state in (_R, _LU, _LA)},
    **{(state, IncidentEvent.CORRECT): state for state in IncidentState},
    **{(state, IncidentEvent.WITHDRAW): _C for state in IncidentState},
    **{(state, IncidentEvent.REOPEN): _U for state in (_R, _LU, _LA, _C)},
    (_R, IncidentEvent.LATCH): _LU,
    (_LU, IncidentEvent.RETURN): _R,
    (_LA, IncidentEvent.RETURN): _C,
}


def next_state(state: IncidentState | None, event: IncidentEvent) -> IncidentState:
    """Return the state that `event` leads to.

    Raises:
        UsageError: the event cannot happen in this state; the message says what can.
    """
    following = TRANSITIONS.get((state, event))
    if following is not None:
        return following
    possible = [known.value for start, known in TRANSITIONS if start == state]
    message = (
        f"an incident that is {state.value if state else 'not raised'} cannot {event.value}; "
        f"possible: {', '.join(possible)}"
    )
    raise UsageError(message)


# What stands for every detector, as opposed to a rule, where rules are listed.
LEARNED = "learned"


def is_latching(sources: Collection[str], latching: Collection[str]) -> bool:
    """Return whether an incident that `sources` raised or joined latches.

    Args:
        sources: names of detectors and rules.
        latching: rules whose incidents latch; `LEARNED` for those of detectors.
    """
    return any((name if name in RULES else LEARNED) in latching for name in sources)
