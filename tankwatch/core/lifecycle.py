"""The life of an incident as one transition table (ISA-18.2, alarm state transition diagram)."""

from enum import StrEnum

from tankwatch.core.incident import IncidentState
from tankwatch.errors import UsageError


class IncidentEvent(StrEnum):
    """What can happen to an incident."""

    RAISE = "raise"
    JOIN = "join"
    ACKNOWLEDGE = "acknowledge"
    RETURN = "return"
    CLOSE = "close"
    CORRECT = "correct"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"


_U = IncidentState.UNACKNOWLEDGED
_A = IncidentState.ACKNOWLEDGED
_R = IncidentState.RETURNED_UNACKNOWLEDGED
_C = IncidentState.CLOSED

TRANSITIONS: dict[tuple[IncidentState | None, IncidentEvent], IncidentState] = {
    (None, IncidentEvent.RAISE): _U,
    (_U, IncidentEvent.JOIN): _U,
    (_U, IncidentEvent.ACKNOWLEDGE): _A,
    (_U, IncidentEvent.RETURN): _R,
    (_U, IncidentEvent.CLOSE): _C,
    (_A, IncidentEvent.JOIN): _A,
    (_A, IncidentEvent.RETURN): _C,
    (_A, IncidentEvent.CLOSE): _C,
    (_R, IncidentEvent.ACKNOWLEDGE): _C,
    (_R, IncidentEvent.CLOSE): _C,
    # An operator may close an incident while its tank still misbehaves; what the detection then
    # adds is recorded and changes nothing.
    (_C, IncidentEvent.JOIN): _C,
    (_C, IncidentEvent.RETURN): _C,
    # Readings that come late may show that it began or ended at another time, that it goes on
    # after all, or that there was nothing.
    **{(state, IncidentEvent.CORRECT): state for state in (_U, _A, _R, _C)},
    **{(state, IncidentEvent.WITHDRAW): _C for state in (_U, _A, _R, _C)},
    (_R, IncidentEvent.REOPEN): _U,
    (_C, IncidentEvent.REOPEN): _U,
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
