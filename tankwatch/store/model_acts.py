"""Which version is used, decided by somebody: done and audited in one transaction."""

from datetime import datetime

from sqlalchemy import Connection

from tankwatch.core.actor import Actor
from tankwatch.errors import ModelError, UsageError
from tankwatch.store.acts import audit
from tankwatch.store.champions import promote
from tankwatch.store.registry import ModelState, ModelVersion, load_versions


def use_version(
    connection: Connection,
    model_version_id: int,
    *,
    by: Actor,
    at: datetime,
    reason: str,
    action: str = "promote",
) -> None:
    """Use a version from the next pass on; scores of other versions are kept.

    Raises:
        ModelError: there is no such version.
        UsageError: no reason is given.
    """
    why = stated(reason)
    promote(connection, model_version_id, at=at, reason=why)
    subject = f"model version {model_version_id}"
    audit(connection, by, action=action, subject=subject, at=at, detail=why)


def roll_back(
    connection: Connection,
    detector: str,
    *,
    by: Actor,
    at: datetime,
    reason: str,
    to: int | None = None,
) -> int:
    """Use the version of a detector again that was in use before, and return its number.

    Args:
        connection: inside a transaction.
        detector: whose; that of `to` where it is given.
        by: who.
        at: when.
        reason: why; stored.
        to: a version that was in use once; None for the last one before.

    Raises:
        ModelError: there is no such version.
        UsageError: no reason is given.
    """
    chosen = earlier_version(load_versions(connection), detector, to=to)
    use_version(connection, chosen, by=by, at=at, reason=reason, action="rollback")
    return chosen


def earlier_version(versions: list[ModelVersion], detector: str, *, to: int | None = None) -> int:
    """Return the version to go back to: `to`, else the one that was in use last.

    Raises:
        ModelError: there is none.
    """
    if to is not None:
        detector = find_version(versions, to).detector
    used = [
        one
        for one in versions
        if one.detector == detector
        and one.promoted_at
        and one.state is not ModelState.CHAMPION
        and to in {None, one.model_version_id}
    ]
    if not used:
        missing = f"version {to} is no" if to is not None else f"{detector} has no"
        message = f"{missing} earlier version that was in use: see `tankwatch models list`"
        raise ModelError(message)
    newest = max(used, key=lambda one: (one.promoted_at or one.trained_at, one.model_version_id))
    return newest.model_version_id


def find_version(versions: list[ModelVersion], number: int) -> ModelVersion:
    """Return a version.

    Raises:
        ModelError: there is none of this number.
    """
    for one in versions:
        if one.model_version_id == number:
            return one
    message = f"there is no model version {number}: see `tankwatch models list`"
    raise ModelError(message)


def stated(reason: str) -> str:
    """Return why, as it is stored.

    Raises:
        UsageError: nothing is said.
    """
    if not reason.strip():
        message = "say why: the reason is stored with the version"
        raise UsageError(message)
    return reason.strip()
