"""Which version scores: the champion of each detector, and those that run in its shadow."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from tankwatch.errors import ModelError, UsageError
from tankwatch.store.registry import ModelState, ModelVersionRow
from tankwatch.store.sql import is_sqlite
from tankwatch.store.watermarks import WatermarkRow

# Any number that no other advisory lock of this database has.
_PROMOTION_LOCK = 7_411_301


@dataclass(frozen=True, slots=True)
class Champion:
    """A version that scores for a detector."""

    model_version_id: int
    sha256: str


def find_champion(connection: Connection, detector: str) -> Champion | None:
    """Return the version that scores for `detector`, None if there is none yet."""
    query = select(ModelVersionRow.model_version_id, ModelVersionRow.sha256).where(
        ModelVersionRow.detector == detector, ModelVersionRow.state == ModelState.CHAMPION.value
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Champion(row.model_version_id, row.sha256)


def find_shadows(connection: Connection) -> list[Champion]:
    """Return the versions that score in the shadow of a champion, the oldest first."""
    query = select(ModelVersionRow.model_version_id, ModelVersionRow.sha256)
    mine = query.where(ModelVersionRow.state == ModelState.SHADOW.value)
    rows = connection.execute(mine.order_by(ModelVersionRow.model_version_id))
    return [Champion(row.model_version_id, row.sha256) for row in rows]


def promote(connection: Connection, model_version_id: int, *, at: datetime, reason: str) -> None:
    """Make a version the champion of its detector and retire the one before it.

    Raises:
        ModelError: there is no such version.
    """
    _one_at_a_time(connection)
    detector, state = _state_of(connection, model_version_id)
    champions = update(ModelVersionRow).where(
        ModelVersionRow.detector == detector, ModelVersionRow.state == ModelState.CHAMPION.value
    )
    connection.execute(champions.values(state=ModelState.RETIRED.value))
    values = {"state": ModelState.CHAMPION.value, "promoted_at": at, "reason": reason}
    if state is ModelState.SHADOW:
        values["shadow_until"] = _scored_until(connection, at)
    chosen = update(ModelVersionRow).where(ModelVersionRow.model_version_id == model_version_id)
    connection.execute(chosen.values(values))


def promote_over(
    connection: Connection,
    model_version_id: int,
    champion: int | None,
    *,
    at: datetime,
    reason: str,
) -> bool:
    """Promote a version if the champion is still the one it was compared with; say whether it was.

    Args:
        connection: inside a transaction.
        model_version_id: the version to use.
        champion: the version it was compared with, None if there was none.
        at: when.
        reason: what the comparison showed.
    """
    _one_at_a_time(connection)
    detector, _ = _state_of(connection, model_version_id)
    found = find_champion(connection, detector)
    if (found.model_version_id if found else None) != champion:
        return False
    promote(connection, model_version_id, at=at, reason=reason)
    return True


def start_shadow(connection: Connection, model_version_id: int, *, at: datetime) -> None:
    """Have a version score beside the champion from now on, without ever alarming.

    Raises:
        ModelError: there is no such version.
        UsageError: it is the champion, or in shadow already.
    """
    _, state = _state_of(connection, model_version_id)
    if state in {ModelState.CHAMPION, ModelState.SHADOW}:
        message = (
            f"version {model_version_id} is {state.value} already: see `tankwatch models list`"
        )
        raise UsageError(message)
    query = select(ModelVersionRow.shadow_from, ModelVersionRow.promoted_at)
    mine = ModelVersionRow.model_version_id == model_version_id
    began, promoted = connection.execute(query.where(mine)).one()
    values: dict[str, Any] = {"state": ModelState.SHADOW.value, "shadow_until": None}
    # All that a version scored before it was ever used is shadow, however often it was switched.
    if began is None or promoted is not None:
        values["shadow_from"] = _scored_until(connection, at)
    connection.execute(update(ModelVersionRow).where(mine).values(values))


def stop_shadow(connection: Connection, model_version_id: int, *, at: datetime) -> None:
    """Have a version score no more; what it scored is kept.

    Raises:
        ModelError: there is no such version.
        UsageError: it is not in shadow.
    """
    _, state = _state_of(connection, model_version_id)
    if state is not ModelState.SHADOW:
        message = f"version {model_version_id} is not in shadow but {state.value}"
        raise UsageError(message)
    mine = update(ModelVersionRow).where(ModelVersionRow.model_version_id == model_version_id)
    values = {
        "state": ModelState.CANDIDATE.value,
        "shadow_until": _scored_until(connection, at),
    }
    connection.execute(mine.values(values))


def _one_at_a_time(connection: Connection) -> None:
    """Wait for another promotion to end; SQLite has one writing transaction at a time anyway."""
    if not is_sqlite(connection):
        connection.execute(select(func.pg_advisory_xact_lock(_PROMOTION_LOCK)))


def _state_of(connection: Connection, model_version_id: int) -> tuple[str, ModelState]:
    query = select(ModelVersionRow.detector, ModelVersionRow.state).where(
        ModelVersionRow.model_version_id == model_version_id
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        message = f"there is no model version {model_version_id}: see `tankwatch models list`"
        raise ModelError(message)
    return row.detector, ModelState(row.state)


def _scored_until(connection: Connection, at: datetime) -> datetime:
    """Return the end of what is scored; where old readings are worked through, that is not now."""
    newest = connection.execute(select(func.max(WatermarkRow.scored_until))).scalar_one_or_none()
    return newest or at
