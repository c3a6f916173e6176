"""What the page of models shows: each version, its figures, and why it is used or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from tankwatch.errors import ModelError
from tankwatch.store.model_acts import earlier_version
from tankwatch.store.registry import ModelState, ModelVersion

STATES = {
    ModelState.CHAMPION: "in use",
    ModelState.SHADOW: "in shadow: it scores beside the one in use and alarms nobody",
    ModelState.CANDIDATE: "candidate: trained, not used",
    ModelState.RETIRED: "retired: used before",
}


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version.

    Attributes:
        number: of the version.
        state: in words.
        is_used: whether its scores alarm.
        can_be_used: whether the page may promote it.
        in_shadow: whether it is compared by the command before it is promoted.
        figures: (name, value) of each figure that is known.
    """

    number: int
    state: str
    is_used: bool
    can_be_used: bool
    in_shadow: bool
    reason: str
    trained: str
    promoted: str
    figures: tuple[tuple[str, str], ...]
    drift_note: str


@dataclass(frozen=True, slots=True)
class DetectorView:
    """The versions of a detector, the newest first; `earlier` is what a rollback would use."""

    detector: str
    alarms: bool
    versions: tuple[VersionLine, ...]
    earlier: int | None


@dataclass(frozen=True, slots=True)
class ModelsView:
    """Every detector that has versions, the one that alarms first."""

    detectors: tuple[DetectorView, ...]
    time_zone: str


def view(versions: Sequence[ModelVersion], *, alarming: str, zone: ZoneInfo) -> ModelsView:
    """Return what is shown of model versions.

    Args:
        versions: all of them, the newest first.
        alarming: the detector whose scores open incidents.
        zone: in which times are shown.
    """
    names = sorted({one.detector for one in versions}, key=lambda name: (name != alarming, name))
    return ModelsView(
        tuple(_detector(name, versions, zone, alarms=name == alarming) for name in names), zone.key
    )


def _detector(
    name: str,
    versions: Sequence[ModelVersion],
    zone: ZoneInfo,
    *,
    alarms: bool,
) -> DetectorView:
    try:
        earlier: int | None = earlier_version(list(versions), name)
    except ModelError:
        earlier = None
    mine = tuple(_line(one, zone) for one in versions if one.detector == name)
    return DetectorView(name, alarms, mine, earlier)


def _line(one: ModelVersion, zone: ZoneInfo) -> VersionLine:
    figures = (
        ("Tanks", f"{one.tanks:,}"),
        ("Held-out error", _figure(one.validation_error)),
        ("False alarms a tank-month", _figure(one.false_alarms_per_tank_month)),
        ("Drift (population stability index)", _figure(one.drift)),
    )
    is_used = one.state is ModelState.CHAMPION
    in_shadow = one.state is ModelState.SHADOW
    return VersionLine(
        number=one.model_version_id,
        state=STATES[one.state],
        is_used=is_used,
        can_be_used=not (is_used or in_shadow),
        in_shadow=in_shadow,
        reason=one.reason,
        trained=_shown(one.trained_at, zone),
        promoted=_shown(one.promoted_at, zone) if one.promoted_at else "",
        figures=tuple((told, value) for told, value in figures if value),
        drift_note=one.drift_note or "",
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _shown(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")
