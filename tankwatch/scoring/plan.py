"""Everything that scoring goes by but the readings: tanks, channels, limits and versions."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import structlog
from numpy.typing import NDArray

from tankwatch.core.feedback import tank_factors
from tankwatch.detectors.catalogue import restore_detector
from tankwatch.detectors.newcomer import NewcomerNorms
from tankwatch.detectors.trend import UsualRange
from tankwatch.errors import ModelError
from tankwatch.quality.norms import SensorNorms
from tankwatch.scoring.scorer import Scorer
from tankwatch.settings import Settings
from tankwatch.store.champions import Champion, find_champion, find_shadows
from tankwatch.store.chart_facts import load_tank_limits
from tankwatch.store.engine import Connection, Engine, reading
from tankwatch.store.operators import load_labelled_alarms
from tankwatch.store.plant import Channel, Tank, load_channels, load_limits, load_tanks
from tankwatch.store.registry import load_artefact

LOG = structlog.get_logger("tankwatch")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a pass needs to know that is not a reading.

    `factors` says by how much operators' labels raise the threshold of which tank id.
    """

    tanks: dict[int, Tank]
    channels: tuple[Channel, ...]
    limits: dict[tuple[int, int], tuple[float | None, float | None]]
    primary: Scorer | None
    shadows: tuple[Scorer, ...]
    factors: dict[int, float] = field(default_factory=dict)

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        """Return every detector version that scores."""
        return (*((self.primary,) if self.primary else ()), *self.shadows)


def load_plan(engine: Engine, settings: Settings, *, now: datetime | None = None) -> Plan:
    """Return tanks, channels, limits, champions and shadows as they are.

    Whoever scores gives `now`, as of which labels raise thresholds; without it none is raised.
    """
    names = (settings.detect.detector, *settings.detect.shadow)
    with reading(engine) as connection:
        found = {name: _champion(connection, name) for name in names}
        primary = found.pop(settings.detect.detector)
        beside = [scorer for scorer in found.values() if scorer is not None]
        return replace(
            load_plant(connection),
            primary=primary,
            shadows=(*beside, *_in_shadow(connection)),
            factors=tank_factors(load_labelled_alarms(connection), now) if now else {},
        )


def load_tank_plan(connection: Connection, tank: Tank, settings: Settings) -> Plan:
    """Return what scoring of one tank goes by: no other tank, and no version in shadow."""
    limits = load_tank_limits(connection, tank.tank_id)
    return Plan(
        tanks={tank.tank_id: tank},
        channels=tuple(load_channels(connection)),
        limits={(tank.tank_id, channel): edges for channel, edges in limits.items()},
        primary=_champion(connection, settings.detect.detector),
        shadows=(),
    )


def load_plant(connection: Connection) -> Plan:
    """Return tanks, channels and limits without any version, for whoever does not score."""
    return Plan(
        tanks={tank.tank_id: tank for tank in load_tanks(connection)},
        channels=tuple(load_channels(connection)),
        limits=load_limits(connection),
        primary=None,
        shadows=(),
    )


def limits_of(
    plan: Plan, settings: Settings, tank_ids: Sequence[int]
) -> tuple[
    Floats,
    Floats,
]:
    """Return low and high limits (tanks, channels), NaN for none: a tank's own, else everyone's."""
    shape = (len(tank_ids), len(plan.channels))
    edges = (np.full(shape, np.nan), np.full(shape, np.nan))
    for column, channel in enumerate(plan.channels):
        rules = settings.channels.get(channel.name)
        common = (rules.low, rules.high) if rules else (None, None)
        for row, tank_id in enumerate(tank_ids):
            own = plan.limits.get((tank_id, channel.channel_id), common)
            for edge, limit in zip(edges, own, strict=True):
                edge[row, column] = np.nan if limit is None else limit
    return edges


def _champion(connection: Connection, detector: str) -> Scorer | None:
    champion = find_champion(connection, detector)
    return None if champion is None else load_scorer(connection, champion)


def _in_shadow(connection: Connection) -> list[Scorer]:
    """Return the versions in shadow; one that cannot score must not keep the champion from it."""
    scorers = []
    for shadow in find_shadows(connection):
        try:
            scorers.append(load_scorer(connection, shadow))
        except ModelError as error:
            LOG.warning("shadow cannot score", error=str(error))
    return scorers


def load_scorer(connection: Connection, champion: Champion) -> Scorer:
    """Return a stored version, ready to score."""
    if champion.sha256 not in _SCORERS:
        artefact = load_artefact(connection, champion.model_version_id)
        restored = restore_detector(artefact.detector, artefact.manifest, artefact.onnx)
        norms = artefact.manifest.get("sensor_norms")
        usual = artefact.manifest.get("usual_range")
        newcomer = artefact.manifest.get("newcomer")
        scorer = Scorer(
            restored,
            champion.model_version_id,
            tuple(artefact.manifest["tank_names"]),
            tuple(artefact.manifest["channel_names"]),
            SensorNorms.from_json(norms) if norms else None,
            UsualRange.from_json(usual) if usual else None,
            NewcomerNorms.from_json(newcomer) if newcomer else None,
        )
        while len(_SCORERS) >= _MOST_SCORERS:
            _SCORERS.pop(next(iter(_SCORERS)), None)
        _SCORERS[champion.sha256] = scorer
    return replace(_SCORERS[champion.sha256], model_version_id=champion.model_version_id)


# What has one hash never changes, so a restored detector serves every later pass.
_SCORERS: dict[str, Scorer] = {}
_MOST_SCORERS = 8
