"""The last score of each tank by each model version, so that nobody has to look for it.

A fleet's status is then a row for each tank, whatever the history and in however many months
PostgreSQL keeps it.  Written in the transaction that stores or deletes the scores themselves.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    REAL,
    Column,
    Connection,
    ForeignKey,
    Integer,
    SmallInteger,
    Table,
    delete,
    text,
)

from tankwatch.store.base import Base, UtcTime
from tankwatch.store.sql import id_list, is_sqlite, ms_parameter

last_score = Table(
    "last_score",
    Base.metadata,
    Column(
        "model_version_id",
        Integer,
        ForeignKey("model_version.model_version_id"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("tank_id", Integer, ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False),
    Column("observed_at", UtcTime, nullable=False),
    Column("score", REAL, nullable=False),
    Column("channel_id", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)
_COLUMNS = "(model_version_id, tank_id, observed_at, score, channel_id)"


def keep_last(
    connection: Connection, model_version_id: int, columns: Mapping[str, NDArray[Any]]
) -> None:
    """Keep the newest of scores that were just stored, unless a newer one is kept already.

    Args:
        connection: the transaction that stored the scores.
        model_version_id: the version that gave them.
        columns: ``t`` int64 (rows,) tank id, ``m`` int64 (rows,) beginning of the step in epoch
            milliseconds, ``s`` float64 (rows,) score, ``c`` int64 (rows,) channel id.
    """
    order = np.lexsort((columns["m"], columns["t"]))
    tanks = columns["t"][order]
    newest = order[np.append(tanks[1:] != tanks[:-1], [True])]
    lists = {name: column[newest].tolist() for name, column in columns.items()}
    conflict = (
        "ON CONFLICT (model_version_id, tank_id) DO UPDATE SET observed_at = excluded.observed_at, "
        "score = excluded.score, channel_id = excluded.channel_id "
        "WHERE excluded.observed_at >= last_score.observed_at"
    )
    if is_sqlite(connection):
        statement = (
            f"INSERT INTO last_score {_COLUMNS} "  # noqa: S608 - constants only
            f"VALUES ({int(model_version_id)}, ?, ?, ?, ?) {conflict}"
        )
        rows = zip(lists["t"], lists["m"], lists["s"], lists["c"], strict=True)
        connection.exec_driver_sql(statement, list(rows))
        return
    statement = (
        f"INSERT INTO last_score {_COLUMNS} "  # noqa: S608 - constants only
        f"SELECT :version, u.t, {ms_parameter(connection, 'u.m')}, u.s, u.c FROM unnest("
        "CAST(:t AS integer[]), CAST(:m AS bigint[]), CAST(:s AS real[]), "
        f"CAST(:c AS smallint[])) AS u(t, m, s, c) {conflict}"
    )
    connection.execute(text(statement), {**lists, "version": model_version_id})


def look_again(
    connection: Connection, model_version_id: int, tank_ids: Sequence[int], *, from_ms: int
) -> None:
    """Find the last scores again of tanks that have lost scores of steps from `from_ms` on."""
    tanks, parameters = id_list(connection, tank_ids)
    low = ms_parameter(connection, ":from_ms")
    given = {**parameters, "version": model_version_id, "from_ms": from_ms}
    lost = text(
        f"DELETE FROM last_score WHERE model_version_id = :version AND tank_id IN ({tanks}) "  # noqa: S608
        f"AND observed_at >= {low}"
    )
    if not connection.execute(lost, given).rowcount:
        return
    found = text(
        f"INSERT INTO last_score {_COLUMNS} "  # noqa: S608 - constants only
        "SELECT s.model_version_id, s.tank_id, s.observed_at, s.score, s.channel_id "
        "FROM (SELECT tank_id, (SELECT max(t.observed_at) FROM score t "
        "WHERE t.tank_id = tank.tank_id AND t.model_version_id = :version) AS observed_at "
        f"FROM tank WHERE tank_id IN ({tanks})) AS newest "
        "CROSS JOIN score s WHERE s.tank_id = newest.tank_id AND s.model_version_id = :version "
        "AND s.observed_at = newest.observed_at "
        "ON CONFLICT (model_version_id, tank_id) DO NOTHING"
    )
    connection.execute(found, given)


def forget_last_before(connection: Connection, moment: datetime) -> None:
    """Forget last scores of steps that began before `moment`, as the scores themselves are."""
    connection.execute(delete(last_score).where(last_score.c.observed_at < moment))
