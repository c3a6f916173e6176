from itertools import product

import pytest

from tankwatch.core.incident import IncidentState
from tankwatch.core.lifecycle import IncidentEvent, next_state
from tankwatch.errors import UsageError

# ISA-18.2, written down once more by hand; what is not here cannot happen.
ALLOWED = {
    (None, "raise"): "unacknowledged",
    ("unacknowledged", "join"): "unacknowledged",
    ("unacknowledged", "acknowledge"): "acknowledged",
    ("unacknowledged", "return"): "returned_unacknowledged",
    ("unacknowledged", "close"): "closed",
    ("acknowledged", "join"): "acknowledged",
    ("acknowledged", "return"): "closed",
    ("acknowledged", "close"): "closed",
    ("returned_unacknowledged", "acknowledge"): "closed",
    ("returned_unacknowledged", "close"): "closed",
    ("closed", "join"): "closed",
    ("closed", "return"): "closed",
    ("unacknowledged", "correct"): "unacknowledged",
    ("acknowledged", "correct"): "acknowledged",
    ("returned_unacknowledged", "correct"): "returned_unacknowledged",
    ("closed", "correct"): "closed",
    ("unacknowledged", "withdraw"): "closed",
    ("acknowledged", "withdraw"): "closed",
    ("returned_unacknowledged", "withdraw"): "closed",
    ("closed", "withdraw"): "closed",
    ("returned_unacknowledged", "reopen"): "unacknowledged",
    ("closed", "reopen"): "unacknowledged",
}
EVERY_PAIR = list(product([None, *IncidentState], IncidentEvent))
FORBIDDEN = [pair for pair in EVERY_PAIR if pair not in ALLOWED]


@pytest.mark.parametrize(("pair", "following"), ALLOWED.items(), ids=str)
def test_event_leads_to_its_state(
    pair: tuple[IncidentState | None, IncidentEvent], following: IncidentState
) -> None:
    state, event = pair
    assert next_state(IncidentState(state) if state else None, IncidentEvent(event)) == following


@pytest.mark.parametrize(("state", "event"), FORBIDDEN, ids=str)
def test_event_that_cannot_happen_is_refused_with_what_can(
    state: IncidentState | None, event: IncidentEvent
) -> None:
    with pytest.raises(UsageError, match=f"cannot {event}; possible: ") as caught:
        next_state(state, event)
    possible = str(caught.value).partition("possible: ")[2].split(", ")
    assert possible == [name for start, name in ALLOWED if start == state]


def test_every_pair_is_either_allowed_or_refused() -> None:
    assert len(EVERY_PAIR) == len(ALLOWED) + len(FORBIDDEN) == 40


@pytest.mark.parametrize("state", IncidentState)
def test_every_state_can_be_reached(state: IncidentState) -> None:
    assert state in set(ALLOWED.values())
