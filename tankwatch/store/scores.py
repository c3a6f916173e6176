"""Scores of each tank and step, and the state that episodes carry from pass to pass."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    REAL,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    delete,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.core.times import from_ms, to_ms
from tankwatch.store.base import Base, UtcTime
from tankwatch.store.last_scores import forget_last_before, keep_last, look_again
from tankwatch.store.partitions import ensure_partitions
from tankwatch.store.score_hours import delete_hours_before, lower_hours, raise_hours
from tankwatch.store.sql import id_list, is_sqlite, ms_column, ms_parameter

score = Table(
    "score",
    Base.metadata,
    Column("tank_id", Integer, ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False),
    Column(
        "model_version_id",
        Integer,
        ForeignKey("model_version.model_version_id"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("observed_at", UtcTime, primary_key=True),
    Column("score", REAL, nullable=False),
    Column("flag", Boolean, nullable=False),
    Column("channel_id", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (observed_at)",
)


class DetectorStateRow(Base):
    """What a tank's detection carries from one pass to the next, as JSON."""

    __tablename__ = "detector_state"

    tank_id: Mapped[int] = mapped_column(
        ForeignKey("tank.tank_id"), primary_key=True, autoincrement=False
    )
    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class ScoreRows:
    """Scores of one model version.

    Attributes:
        tank_id: int64 (rows,).
        observed_ms: int64 (rows,), beginning of the step.
        score: float64 (rows,), 1.0 is the threshold, higher is more anomalous.
        channel_id: int64 (rows,), channel that contributed most.
    """

    tank_id: NDArray[np.int64]
    observed_ms: NDArray[np.int64]
    score: NDArray[np.float64]
    channel_id: NDArray[np.int64]


def store_scores(connection: Connection, model_version_id: int, rows: ScoreRows) -> None:
    """Upsert the scores of a model version; the same pass run twice writes the same rows."""
    if not rows.tank_id.size:
        return
    ensure_partitions(connection, "score", rows.observed_ms)
    newest = {"t": rows.tank_id, "m": rows.observed_ms, "s": rows.score, "c": rows.channel_id}
    raise_hours(connection, model_version_id, rows.tank_id, rows.observed_ms, rows.score)
    lists = {
        "t": rows.tank_id.tolist(),
        "m": rows.observed_ms.tolist(),
        "s": rows.score.tolist(),
        "f": (rows.score >= 1.0).tolist(),
        "c": rows.channel_id.tolist(),
    }
    columns = "(tank_id, model_version_id, observed_at, score, flag, channel_id)"
    conflict = (
        "ON CONFLICT (tank_id, model_version_id, observed_at) DO UPDATE SET "
        "score = excluded.score, flag = excluded.flag, channel_id = excluded.channel_id"
    )
    if is_sqlite(connection):
        statement = (
            f"INSERT INTO score {columns} "  # noqa: S608 - constants only
            f"VALUES (?, {int(model_version_id)}, ?, ?, ?, ?) {conflict}"
        )
        connection.exec_driver_sql(statement, list(zip(*lists.values(), strict=True)))
        keep_last(connection, model_version_id, newest)
        return
    statement = (
        f"INSERT INTO score {columns} "  # noqa: S608 - constants only
        f"SELECT u.t, :version, {ms_parameter(connection, 'u.m')}, u.s, u.f, u.c FROM unnest("
        "CAST(:t AS integer[]), CAST(:m AS bigint[]), CAST(:s AS real[]), CAST(:f AS boolean[]), "
        f"CAST(:c AS smallint[])) AS u(t, m, s, f, c) {conflict}"
    )
    connection.execute(text(statement), {**lists, "version": model_version_id})
    keep_last(connection, model_version_id, newest)


def load_scores(
    connection: Connection, detector: str, tank_ids: Sequence[int], *, from_ms: int, until_ms: int
) -> ScoreRows:
    """Return the scores of `detector`, whatever version gave them, by tank and time.

    What a version scored in shadow is left out.  Where two versions scored the same step, the
    newer one's score is returned.
    """
    told = (
        "v.detector = :detector AND (v.shadow_from IS NULL OR s.observed_at < v.shadow_from "
        "OR s.observed_at >= v.shadow_until)"
    )
    given = {"detector": detector, "from_ms": from_ms, "until_ms": until_ms}
    return _load(connection, told, tank_ids, given)


def load_version_scores(
    connection: Connection,
    model_version_id: int,
    tank_ids: Sequence[int],
    *,
    from_ms: int,
    until_ms: int,
) -> ScoreRows:
    """Return the scores of one version, in use or in shadow, by tank and time."""
    given = {"version": model_version_id, "from_ms": from_ms, "until_ms": until_ms}
    return _load(connection, "s.model_version_id = :version", tank_ids, given)


def _load(
    connection: Connection, told: str, tank_ids: Sequence[int], given: Mapping[str, Any]
) -> ScoreRows:
    """Return the scores that the condition `told` holds for; of a step the newest version's."""
    tanks, parameters = id_list(connection, tank_ids)
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    query = text(
        "SELECT s.tank_id, "  # noqa: S608 - constants only
        f"{ms_column(connection, 's.observed_at')}, s.score, s.channel_id FROM score s "
        "JOIN model_version v ON v.model_version_id = s.model_version_id "
        f"WHERE {told} AND s.tank_id IN ({tanks}) "
        f"AND s.observed_at >= {low} AND s.observed_at < {high} "
        "ORDER BY s.tank_id, s.observed_at, s.model_version_id"
    )
    found = [tuple(row) for row in connection.execute(query, {**parameters, **given})]
    table = np.array(found, dtype=np.float64).reshape(len(found), 4)
    last = np.ones(len(found), dtype=bool)
    last[:-1] = (np.diff(table[:, 0]) != 0) | (np.diff(table[:, 1]) != 0)
    table = table[last]
    whole = table[:, [0, 1, 3]].astype(np.int64)
    return ScoreRows(whole[:, 0], whole[:, 1], table[:, 2], whole[:, 2])


def delete_scores_before(connection: Connection, moment: datetime) -> int:
    """Delete scores of steps that began before `moment`; return their number."""
    delete_hours_before(connection, to_ms(moment))
    forget_last_before(connection, moment)
    return connection.execute(delete(score).where(score.c.observed_at < moment)).rowcount


def delete_scores_between(
    connection: Connection,
    versions: Sequence[int],
    tank_ids: Sequence[int],
    *,
    from_ms: int,
    until_ms: int,
) -> None:
    """Delete what versions said of tanks from `from_ms` up to but without `until_ms`."""
    tanks, parameters = id_list(connection, tank_ids)
    low, high = (ms_parameter(connection, name) for name in (":from_ms", ":until_ms"))
    query = text(
        f"DELETE FROM score WHERE tank_id IN ({tanks}) AND model_version_id = :version "  # noqa: S608
        f"AND observed_at >= {low} AND observed_at < {high}"
    )
    given = {**parameters, "from_ms": from_ms, "until_ms": until_ms}
    for version in versions:
        connection.execute(query, {**given, "version": version})
        look_again(connection, version, tank_ids, from_ms=from_ms)
    lower_hours(connection, versions, tank_ids, from_ms=from_ms, until_ms=until_ms)


def load_states(
    connection: Connection, kind: str, tank_ids: Sequence[int] | None = None
) -> dict[int, dict[str, Any]]:
    """Return the carried state of each tank, or of each of `tank_ids`."""
    query = select(DetectorStateRow.tank_id, DetectorStateRow.state)
    if tank_ids is not None:
        query = query.where(DetectorStateRow.tank_id.in_(list(tank_ids)))
    rows = connection.execute(query.where(DetectorStateRow.kind == kind))
    return {tank: json.loads(state) for tank, state in rows}


def store_states(
    connection: Connection, kind: str, states: Mapping[int, Mapping[str, Any]]
) -> None:
    """Replace the carried state of the tanks in `states`."""
    if not states:
        return
    stored = text(
        "INSERT INTO detector_state (tank_id, kind, state) VALUES (:tank, :kind, :state) "
        "ON CONFLICT (tank_id, kind) DO UPDATE SET state = excluded.state"
    )
    rows = [
        {"tank": tank, "kind": kind, "state": json.dumps(state)} for tank, state in states.items()
    ]
    connection.execute(stored, rows)


def delete_states_but(connection: Connection, prefix: str, kept: Sequence[str]) -> int:
    """Delete carried states of kinds that begin with `prefix` and are not kept; count them."""
    kind = DetectorStateRow.kind
    old = (kind.startswith(prefix, autoescape=True), kind.not_in(list(kept)))
    return connection.execute(delete(DetectorStateRow).where(*old)).rowcount


def first_score_at(connection: Connection) -> datetime | None:
    """Return the beginning of the oldest scored step, None if nothing was scored."""
    query = text(f"SELECT min({ms_column(connection, 'observed_at')}) FROM score")  # noqa: S608
    oldest = connection.execute(query).scalar_one()
    return None if oldest is None else from_ms(int(oldest))
