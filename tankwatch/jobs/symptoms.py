"""The symptom of what a detector raised, told from its readings and those of the days before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tankwatch.core.block import Grid
from tankwatch.core.episodes import RULES, Change, TankEvent
from tankwatch.core.incident import Nature, Symptom
from tankwatch.core.nature import nature_of
from tankwatch.core.settling import Found
from tankwatch.core.shapes import HOUR, is_drifting, tell_shape
from tankwatch.core.times import to_ms
from tankwatch.jobs.context import Context
from tankwatch.scoring.blocks import load_block
from tankwatch.scoring.plan import Plan
from tankwatch.shaping.grid import step_floor
from tankwatch.store.engine import reading
from tankwatch.store.incidents import StoredIncident, load_incidents
from tankwatch.store.plant import Tank

DAY_S = 86_400
_DAYS = 4
_LONGEST = 3 * HOUR  # of a stretch that is looked at
_MOST_TOLD = 200  # in a round: when a whole plant alarms, mails must not wait for this
_SIDE = {Symptom.ABOVE_EXPECTED: 1, Symptom.BELOW_EXPECTED: -1}
_DRIFT = {1: Symptom.DRIFT_UP, -1: Symptom.DRIFT_DOWN}
# What a rule or an engineering limit says is said already.
_OPEN = frozenset(
    {
        *_SIDE,
        *_DRIFT.values(),
        Symptom.UNUSUAL_PATTERN,
        Symptom.UNUSUAL_STAY,
        Symptom.DECOUPLED,
        Symptom.SPIKE,
        Symptom.STEP,
    }
)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What an incident was opened with: source, channel (index), start, and symptom so far."""

    source: str
    channel: int
    start_ms: int
    symptom: Symptom


class SymptomTeller:
    """Tells the symptoms of the events of a round; after `_MOST_TOLD` of them it leaves off."""

    def __init__(self, context: Context, plan: Plan) -> None:
        self._context = context
        self._plan = plan
        self._told = 0

    def tell(
        self, tank: Tank, events: Sequence[TankEvent], incident_id: int | None = None
    ) -> list[TankEvent]:
        """Return the events of a tank, with the symptom that its readings show.

        What is raised is told from what is known then; a return says in `course` what the whole
        stretch, three hours of it at most, looks like.

        Args:
            tank: whose events these are.
            events: in order of time.
            incident_id: of the incident that stands before them.
        """
        told = []
        opened: _Opened | None = None
        for event in events:
            shown = event
            if event.change is Change.RAISE:
                opened = _Opened(event.source, event.channel, event.start_ms, event.symptom)
                shape = self._shape(tank, opened, event.at_ms)
                shown = replace(event, symptom=shape or event.symptom)
                opened = replace(opened, symptom=shown.symptom)
            elif event.change is Change.JOIN:
                opened = opened or self._stored(incident_id)
                if opened is not None and is_sharper(event, opened.channel):
                    opened = replace(opened, symptom=event.symptom)
            else:
                opened = opened or self._stored(incident_id)
                if opened is not None:
                    shown = replace(event, course=self._shape(tank, opened, event.end_ms))
                opened = None
            told.append(shown)
        return told

    def _shape(self, tank: Tank, opened: _Opened, until_ms: int) -> Symptom | None:
        is_ours = opened.source == self._context.settings.detect.detector
        if not is_ours or opened.symptom not in _OPEN or self._told >= _MOST_TOLD:
            return None
        self._told += 1
        step_ms, step_s = self._context.step_ms, self._context.settings.grid.step_s
        start_ms = step_floor(opened.start_ms, step_s)
        first = _DAYS * DAY_S // step_s
        steps = min(max((until_ms - start_ms) // step_ms, 1), _LONGEST)
        grid = Grid(start_ms - first * step_ms, first + steps, step_s)
        block = load_block(
            self._context.engine, self._context.settings, [tank], self._plan.channels, grid
        )
        known = block.mask[0, :, opened.channel]
        values = np.where(known, block.values[0, :, opened.channel], np.nan)
        shape = tell_shape(values, first)
        if shape is not None or opened.symptom not in _SIDE:
            return shape
        per_day, side = DAY_S // step_s, _SIDE[opened.symptom]
        drifts = is_drifting(values, first, side=side, steps_per_day=per_day)
        return _DRIFT[side] if drifts else None

    def _stored(self, incident_id: int | None) -> _Opened | None:
        if incident_id is None:
            return None
        with reading(self._context.engine) as connection:
            (stored,) = load_incidents(connection, ids=[incident_id])
        incident = stored.incident
        names = [channel.name for channel in self._plan.channels]
        return _Opened(
            incident.detector,
            names.index(incident.channel),
            to_ms(incident.started_at),
            incident.symptom,
        )


def worded(one: Found) -> TankEvent:
    """Return the event that raised an incident, with the best word for it that is known by now."""
    assert one.raised is not None  # noqa: S101 - callers have looked
    if one.raised.source in RULES:
        return one.raised
    joined = [event.symptom for event in one.joins if is_sharper(event, one.raised.channel)]
    course = one.returned.course if one.returned is not None else None
    said = [*joined, course] if course is not None else joined
    return replace(one.raised, symptom=_best(said or [one.raised.symptom]))


def sharper(one: Found, stored: StoredIncident, plan: Plan) -> dict[str, str]:
    """Return columns of an incident that was under way, for the better word that is known by now.

    Nothing if there is none, or if a rule opened the incident; planned work stays planned work.
    """
    incident = stored.incident
    if stored.model_version_id is None:
        return {}
    channel = [channel.name for channel in plan.channels].index(incident.channel)
    words = [event.symptom for event in one.joins if is_sharper(event, channel)]
    if one.returned is not None and one.returned.course is not None:
        words.append(one.returned.course)
    if not words:
        return {}
    symptom = _best([incident.symptom, *words])
    nature = nature_of(symptom, incident.detector)
    kept = incident.nature is Nature.OPERATION
    return {"symptom": symptom.value, **({} if kept else {"nature": nature.value})}


def _best(words: Sequence[Symptom]) -> Symptom:
    """Return the word that counts: the last, but what flips is noisy as well and keeps its word."""
    is_flipping = words[-1] is Symptom.NOISE and Symptom.CHATTERING in words
    return Symptom.CHATTERING if is_flipping else words[-1]


def is_sharper(event: TankEvent, channel: int) -> bool:
    """Return whether a rule that joins says more than what opened the incident: of its sensor."""
    of_sensor = nature_of(event.symptom, event.source) is Nature.SENSOR
    return of_sensor and event.channel == channel
