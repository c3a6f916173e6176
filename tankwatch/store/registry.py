"""Model versions: the artefacts every node scores with, and what is known about each."""

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Connection,
    Float,
    Index,
    LargeBinary,
    String,
    Text,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.errors import ModelError
from tankwatch.store.base import Base, UtcTime


class ModelState(StrEnum):
    """Whether a model version scores."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CHAMPION = "champion"
    RETIRED = "retired"


class ModelVersionRow(Base):
    """A trained detector with its artefacts; one champion for each detector.

    What it scored from `shadow_from` up to `shadow_until` (None: still) alarmed nobody, and is no
    score of its detector.  `drift_note` is set while its scores have shifted.
    """

    __tablename__ = "model_version"
    __table_args__ = (
        Index(
            "ix_model_version_champion",
            "detector",
            unique=True,
            sqlite_where=text("state = 'champion'"),
            postgresql_where=text("state = 'champion'"),
        ),
    )

    model_version_id: Mapped[int] = mapped_column(primary_key=True)
    detector: Mapped[str] = mapped_column(String(40), index=True)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)
    trained_at: Mapped[datetime] = mapped_column(UtcTime)
    promoted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    tanks: Mapped[int]
    train_windows: Mapped[int]
    excluded_windows: Mapped[int]
    validation_error: Mapped[float | None] = mapped_column(Float(53))
    false_alarms_per_tank_month: Mapped[float | None] = mapped_column(Float(53))
    drift: Mapped[float | None] = mapped_column(Float(53))
    drift_at: Mapped[datetime | None] = mapped_column(UtcTime)
    drift_note: Mapped[str | None] = mapped_column(Text)
    shadow_from: Mapped[datetime | None] = mapped_column(UtcTime)
    shadow_until: Mapped[datetime | None] = mapped_column(UtcTime)
    manifest: Mapped[str] = mapped_column(Text)
    keras: Mapped[bytes | None] = mapped_column(LargeBinary)
    onnx: Mapped[bytes | None] = mapped_column(LargeBinary)
    sha256: Mapped[str] = mapped_column(String(64))


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a trained detector is made of; never a pickle.

    Attributes:
        detector: name of the detector.
        manifest: JSON-able: parameters, channels, tanks, scaling, threshold, seed, versions.
        keras: the `.keras` archive, for detectors with a network.
        onnx: the graph that is scored.
    """

    detector: str
    manifest: dict[str, Any]
    keras: bytes | None = None
    onnx: bytes | None = None

    def sha256(self) -> str:
        """Return the hash over manifest, archive and graph."""
        digest = hashlib.sha256(_dump(self.manifest).encode())
        digest.update(self.keras or b"")
        digest.update(self.onnx or b"")
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What is told about a model version beside its artefact."""

    trained_at: datetime
    tanks: int
    train_windows: int
    excluded_windows: int
    validation_error: float | None
    false_alarms_per_tank_month: float | None


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A row of the registry without its artefacts."""

    model_version_id: int
    detector: str
    state: ModelState
    reason: str
    trained_at: datetime
    promoted_at: datetime | None
    tanks: int
    validation_error: float | None
    false_alarms_per_tank_month: float | None
    drift: float | None
    drift_at: datetime | None
    drift_note: str | None
    shadow_from: datetime | None
    shadow_until: datetime | None


def store_model(
    connection: Connection, artefact: Artefact, facts: TrainingFacts, *, reason: str
) -> int:
    """Store a candidate and return its id."""
    row = {
        "detector": artefact.detector,
        "state": ModelState.CANDIDATE.value,
        "reason": reason,
        "trained_at": facts.trained_at,
        "tanks": facts.tanks,
        "train_windows": facts.train_windows,
        "excluded_windows": facts.excluded_windows,
        "validation_error": facts.validation_error,
        "false_alarms_per_tank_month": facts.false_alarms_per_tank_month,
        "manifest": _dump(artefact.manifest),
        "keras": artefact.keras,
        "onnx": artefact.onnx,
        "sha256": artefact.sha256(),
    }
    made = insert(ModelVersionRow).values(row).returning(ModelVersionRow.model_version_id)
    return connection.execute(made).scalar_one()


def load_artefact(connection: Connection, model_version_id: int) -> Artefact:
    """Return the artefact of a version.

    Raises:
        ModelError: it is not there, or what is stored is not what was trained.
    """
    columns = (
        ModelVersionRow.detector,
        ModelVersionRow.manifest,
        ModelVersionRow.keras,
        ModelVersionRow.onnx,
        ModelVersionRow.sha256,
    )
    query = select(*columns).where(ModelVersionRow.model_version_id == model_version_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        message = f"there is no model version {model_version_id}: see `tankwatch models list`"
        raise ModelError(message)
    artefact = Artefact(row.detector, json.loads(row.manifest), row.keras, row.onnx)
    if artefact.sha256() != row.sha256:
        message = (
            f"model version {model_version_id} is damaged: its hash does not fit; train again "
            "with `tankwatch train` or roll back with `tankwatch models rollback`"
        )
        raise ModelError(message)
    return artefact


def load_versions(connection: Connection, detector: str | None = None) -> list[ModelVersion]:
    """Return the versions, newest first."""
    names = [field.name for field in fields(ModelVersion)]
    columns = [getattr(ModelVersionRow, name) for name in names]
    query = select(*columns).order_by(ModelVersionRow.model_version_id.desc())
    if detector is not None:
        query = query.where(ModelVersionRow.detector == detector)
    rows = (row._asdict() for row in connection.execute(query))
    return [ModelVersion(**{**row, "state": ModelState(row["state"])}) for row in rows]


def store_drift(
    connection: Connection, model_version_id: int, drift: float, *, at: datetime, note: str
) -> None:
    """Store how far a version's scores have shifted; `note` says why to train, empty for no."""
    mine = update(ModelVersionRow).where(ModelVersionRow.model_version_id == model_version_id)
    connection.execute(mine.values(drift=drift, drift_at=at, drift_note=note or None))


def set_reason(connection: Connection, model_version_id: int, reason: str) -> None:
    """Store another reason of the state that a version is in."""
    mine = update(ModelVersionRow).where(ModelVersionRow.model_version_id == model_version_id)
    connection.execute(mine.values(reason=reason))


def _dump(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False)
