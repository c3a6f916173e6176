from itertools import product
from typing import get_args

import pytest

from tankwatch.core.episodes import RULES
from tankwatch.core.incident import IncidentState
from tankwatch.core.lifecycle import LEARNED, IncidentEvent, is_latching, next_state
from tankwatch.errors import UsageError
from tankwatch.settings_alarms import Latching

# ISA-18.2, written down once more by hand; what is not here cannot happen.
ALLOWED = {
    (None, "raise"): "unacknowledged",
    ("unacknowledged", "join"): "unacknowledged",
    ("unacknowledged", "acknowledge"): "acknowledged",
    ("unacknowledged", "return"): "returned_unacknowledged",
    ("unacknowledged", "close"): "closed",
    ("acknowledged", "join"): "acknowledged",
    ("unacknowledged", "worsen"): "unacknowledged",
    ("acknowledged", "worsen"): "unacknowledged",
    ("acknowledged", "return"): "closed",
    ("acknowledged", "close"): "closed",
    ("returned_unacknowledged", "acknowledge"): "closed",
    ("returned_unacknowledged", "close"): "closed",
    ("closed", "join"): "closed",
    ("closed", "return"): "closed",
    ("closed", "latch"): "closed",
    ("unacknowledged", "latch"): "latched_unacknowledged",
    ("acknowledged", "latch"): "latched_acknowledged",
    ("latched_unacknowledged", "acknowledge"): "latched_acknowledged",
    ("latched_unacknowledged", "reset"): "returned_unacknowledged",
    ("latched_acknowledged", "reset"): "closed",
    ("latched_unacknowledged", "close"): "closed",
    ("latched_acknowledged", "close"): "closed",
    ("returned_unacknowledged", "join"): "returned_unacknowledged",
    ("latched_unacknowledged", "join"): "latched_unacknowledged",
    ("latched_acknowledged", "join"): "latched_acknowledged",
    ("unacknowledged", "correct"): "unacknowledged",
    ("acknowledged", "correct"): "acknowledged",
    ("returned_unacknowledged", "correct"): "returned_unacknowledged",
    ("latched_unacknowledged", "correct"): "latched_unacknowledged",
    ("latched_acknowledged", "correct"): "latched_acknowledged",
    ("closed", "correct"): "closed",
    ("unacknowledged", "withdraw"): "closed",
    ("acknowledged", "withdraw"): "closed",
    ("returned_unacknowledged", "withdraw"): "closed",
    ("latched_unacknowledged", "withdraw"): "closed",
    ("latched_acknowledged", "withdraw"): "closed",
    ("closed", "withdraw"): "closed",
    ("returned_unacknowledged", "reopen"): "unacknowledged",
    ("latched_unacknowledged", "reopen"): "unacknowledged",
    ("latched_acknowledged", "reopen"): "unacknowledged",
    ("closed", "reopen"): "unacknowledged",
    ("returned_unacknowledged", "latch"): "latched_unacknowledged",
    ("latched_unacknowledged", "return"): "returned_unacknowledged",
    ("latched_acknowledged", "return"): "closed",
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
    assert len(EVERY_PAIR) == len(ALLOWED) + len(FORBIDDEN) == 77


def test_what_can_latch_is_what_can_raise_an_incident() -> None:
    assert set(get_args(Latching)) == {*RULES, LEARNED}


@pytest.mark.parametrize(
    ("sources", "latching", "expected"),
    [
        (["limit"], ["limit"], True),
        (["limit"], ["stale", "learned"], False),
        (["fused"], ["learned"], True),
        (["newcomer", "limit"], ["limit"], True),
        (["fused"], ["limit"], False),
        (["fused", "limit"], [], False),
        ([], ["limit"], False),
    ],
)
def test_incident_latches_if_one_of_its_sources_does(
    sources: list[str], latching: list[str], *, expected: bool
) -> None:
    assert is_latching(sources, latching) is expected


@pytest.mark.parametrize("state", IncidentState)
def test_every_state_can_be_reached(state: IncidentState) -> None:
    assert state in set(ALLOWED.values())
