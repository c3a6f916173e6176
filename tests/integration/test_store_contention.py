"""Two who write down something about one incident at the same time, each then moving it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tankwatch.core.incident import IncidentState
from tankwatch.core.lifecycle import IncidentEvent
from tankwatch.store.engine import Engine, connect, reading, writing
from tankwatch.store.incidents import apply_event, load_incidents
from tankwatch.store.operators import NOT_A_FAULT, REAL_FAULT, store_label
from tankwatch.store.transitions import load_transitions
from tests.integration.test_store_incidents import STARTED_AT, opened


@pytest.mark.usefixtures("tanks")
def test_both_who_label_and_then_move_an_incident_at_once_get_through(
    engine: Engine, database_url: str
) -> None:
    key = opened(engine)
    # Where the database lets two write at once, neither goes on before both have labelled.
    labelled = threading.Barrier(2)

    def work(verdict: str) -> IncidentState:
        mine = connect(database_url)
        try:
            with writing(mine) as connection:
                store_label(connection, key, verdict=verdict, cause="", by="kim", at=STARTED_AT)
                with suppress(threading.BrokenBarrierError):
                    labelled.wait(timeout=2)
                event = IncidentEvent.CORRECT
                return apply_event(connection, key, event, at=STARTED_AT, actor=verdict)
        finally:
            mine.dispose()

    with ThreadPoolExecutor(2) as pool:
        states = list(pool.map(work, (NOT_A_FAULT, REAL_FAULT)))
    assert states == [IncidentState.UNACKNOWLEDGED] * 2
    with reading(engine) as connection:
        moves = load_transitions(connection, key)
        assert load_incidents(connection)[0].incident.state is IncidentState.UNACKNOWLEDGED
    assert {move["actor"] for move in moves[1:]} == {NOT_A_FAULT, REAL_FAULT}
