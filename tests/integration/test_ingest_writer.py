"""What waits is committed together, and none fails for another."""

from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from tankwatch.core.readings import VERDICTS, ReadingBatch, Rejected, RejectReason
from tankwatch.errors import StoreError, WrongSiteError
from tankwatch.ingest.chunk import Chunk, Origin
from tankwatch.ingest.delivery import Delivery
from tankwatch.ingest.writer import GroupWriter, Verdicts
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.plant import ensure_tanks
from tankwatch.store.tokens import Token, TokenFault, find_token
from tests.integration.web_server import NOW, make_token

MINUTE = 60_000


def token_of(engine: Engine, name: str, *sites: str) -> Token:
    shown = make_token(engine, name, *sites)
    with reading(engine) as connection:
        found = find_token(connection, shown)
    assert not isinstance(found, TokenFault)
    return found


def delivery(token: Token, *rows: tuple[str, int, float]) -> Delivery:
    """Return the delivery of (tank, minute, pressure)."""
    tanks = tuple(dict.fromkeys(tank for tank, _, _ in rows))
    batch = ReadingBatch(
        tanks=tanks,
        channels=("pressure",),
        tank_index=np.array([tanks.index(tank) for tank, _, _ in rows], dtype=np.int32),
        observed_ms=np.array([minute * MINUTE for _, minute, _ in rows], dtype=np.int64),
        values=np.array([[value] for _, _, value in rows]).reshape(len(rows), 1),
    )
    lines = np.arange(len(rows))
    chunk = Chunk(batch, Origin(lines + 1, lines), [], 0, len(rows))
    return Delivery([chunk], token.sites[0], token)


def told(future: "Future[Verdicts]") -> list[str]:
    return [VERDICTS[code].value for code in future.result(timeout=30)]


def stored(engine: Engine) -> list[tuple[Any, ...]]:
    query = "SELECT name, pressure FROM reading JOIN tank USING (tank_id) ORDER BY 1, observed_at"
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_what_waits_is_committed_together_and_told_apart(engine: Engine) -> None:
    writer, token = GroupWriter(engine), token_of(engine, "one", "north")
    futures = [
        writer.put(delivery(token, (f"T{number}", number, 1.0), ("common", number, 2.0)))
        for number in range(5)
    ]
    futures.append(writer.put(delivery(token)))
    writer.start()
    assert [told(future) for future in futures] == [["stored", "stored"]] * 5 + [[]]
    writer.stop()
    assert writer.groups == 1
    assert len(stored(engine)) == 10


def test_a_key_that_comes_again_waits_so_that_the_later_value_wins(engine: Engine) -> None:
    writer, token = GroupWriter(engine), token_of(engine, "one", "north")
    other = token_of(engine, "two", "north")
    futures = [
        writer.put(delivery(token, ("T1", 1, 1.0))),
        writer.put(delivery(token, ("T1", 1, 2.0))),
        writer.put(delivery(token, ("T2", 1, 5.0))),  # keeps its place behind its source's other
        writer.put(delivery(other, ("T3", 1, 3.0))),
        writer.put(delivery(other, ("T1", 1, 2.0))),
    ]
    writer.start()
    words = [told(future) for future in futures]
    assert words == [["stored"], ["updated"], ["stored"], ["stored"], ["duplicate"]]
    writer.stop()
    assert writer.groups == 3
    assert stored(engine) == [("T1", 2.0), ("T2", 5.0), ("T3", 3.0)]


def test_none_fails_for_another(engine: Engine) -> None:
    with writing(engine) as connection:
        ensure_tanks(connection, ["S1"], site="south", at=NOW)
    writer, token = GroupWriter(engine), token_of(engine, "one", "north")
    good = writer.put(delivery(token, ("T1", 1, 1.0)))
    bad = writer.put(delivery(token, ("S1", 1, 1.0), ("T9", 1, 9.0)))
    also_good = writer.put(delivery(token_of(engine, "two", "south"), ("S1", 2, 2.0)))
    writer.start()
    assert [told(good), told(also_good)] == [["stored"], ["stored"]]
    with pytest.raises(WrongSiteError, match="'S1' belongs to a site"):
        bad.result(timeout=30)
    writer.stop()
    assert stored(engine) == [("S1", 2.0), ("T1", 1.0)]


def test_rejects_are_kept_with_the_delivery(engine: Engine) -> None:
    writer, token = GroupWriter(engine), token_of(engine, "one", "north")
    whole = delivery(token, ("T1", 1, 1.0))
    record = Rejected("http:one/1", 7, RejectReason.BAD_TIME, "no time", "T1,,1")
    part = whole.chunks[0]
    chunk = Chunk(part.batch, part.origin, [record], 0, 2)
    future = writer.put(Delivery([chunk], "north", token))
    writer.start()
    assert told(future) == ["stored"]
    writer.stop()
    with reading(engine) as connection:
        row = connection.execute(text("SELECT source, line, reason FROM quarantine")).one()
    assert tuple(row) == ("http:one/1", 7, "bad_time")


def test_writer_outlives_a_database_that_refuses(engine: Engine) -> None:
    writer, token = GroupWriter(engine), token_of(engine, "one", "north")
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE watermark RENAME TO elsewhere"))
    futures = [writer.put(delivery(token, (f"T{number}", 1, 1.0))) for number in range(5)]
    writer.start()
    for future in futures:
        with pytest.raises(StoreError):
            future.result(timeout=30)
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO watermark"))
    assert told(writer.put(delivery(token, ("T1", 1, 1.0)))) == ["stored"]
    writer.stop()
    assert not writer.is_alive
    assert stored(engine) == [("T1", 1.0)]


def test_delivery_that_nobody_waits_for_is_left_out(engine: Engine) -> None:
    writer, token = GroupWriter(engine), token_of(engine, "one", "north")
    given_up = writer.put(delivery(token, ("T1", 1, 1.0)))
    assert given_up.cancel()
    kept = writer.put(delivery(token, ("T2", 1, 1.0)))
    writer.start()
    assert told(kept) == ["stored"]
    writer.stop()
    assert stored(engine) == [("T2", 1.0)]
