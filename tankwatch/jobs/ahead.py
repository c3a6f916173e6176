"""The limits that tanks head for, as a source of episodes beside rules and detectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tankwatch.core.block import Block
from tankwatch.core.episodes import TIME_TO_LIMIT, EpisodeRule, SourceScores
from tankwatch.core.outlook import Outlook
from tankwatch.core.times import to_ms
from tankwatch.detectors.ahead import ROLL_EVERY, Ahead, Doubles, Integers, LimitsAhead, look_ahead
from tankwatch.detectors.forecaster import ForecastingDetector
from tankwatch.detectors.rollout import sample_fleet
from tankwatch.detectors.trend import context_steps
from tankwatch.scoring.plan import Plan, limits_of
from tankwatch.scoring.scorer import Scorer
from tankwatch.settings import Settings

LED_IN_BY = 240
MOST_STEPS = 240


@dataclass(frozen=True, slots=True)
class Outlooks:
    """What was seen ahead of the tanks of a block; empty where nothing was looked for."""

    block: Block
    settings: Settings
    ahead: Ahead | None = None
    asked: LimitsAhead | None = None

    def sources(self, row: int, new: slice) -> list[SourceScores]:
        """Return the source of one tank's new steps, none where nothing was looked for."""
        if self.ahead is None:
            return []
        wanted = self.settings.limit_ahead
        return [
            SourceScores(
                TIME_TO_LIMIT,
                EpisodeRule(wanted.on_delay_steps, wanted.off_delay_steps, wanted.deadband),
                self.ahead.probability[row, new] / wanted.probability,
                self.ahead.channel[row, new],
                np.ones(new.stop - new.start),
                self.ahead.direction[row, new],
            )
        ]

    def at(self, row: int, at_ms: int) -> Outlook | None:
        """Return what was seen at the end of a step, epoch milliseconds; None if no limit was."""
        if self.ahead is None or self.asked is None:
            return None
        step = (at_ms - self.block.start_ms) // self.block.step_ms - 1
        if not 0 <= step < self.block.steps or np.isnan(self.ahead.earliest[row, step]):
            return None
        channel = int(self.ahead.channel[row, step])
        above = self.ahead.direction[row, step] > 0
        edge = self.asked.high if above else self.asked.low
        return Outlook(
            channel=self.block.channels[channel],
            limit=float(edge[row, channel]),
            above=bool(above),
            probability=float(self.ahead.probability[row, step]),
            earliest_s=float(self.ahead.earliest[row, step]) * self.block.step_s,
            latest_s=float(self.ahead.latest[row, step]) * self.block.step_s,
            response_s=float(self.asked.horizon[row]) * self.block.step_s,
            seen_ms=at_ms,
        )


def see_ahead(
    plan: Plan,
    settings: Settings,
    block: Block,
    tank_ids: Sequence[int],
    new: Sequence[slice],
    *,
    now: datetime,
) -> Outlooks:
    """Return which limits the tanks head for at their new steps.

    Nothing is said of a step that is judged late: a forecast of the past warns nobody.

    Args:
        plan: limits, and the model that knows what is usual.
        settings: response time and probability.
        block: the new steps and what comes before them, without what a stuck sensor repeats.
        tank_ids: along the first axis of the block.
        new: the new steps of each tank.
        now: when this is judged.
    """
    usual = plan.primary.usual_of(block.tanks, block.channels) if plan.primary else None
    low, high = limits_of(plan, settings, tank_ids)
    limited = (np.isfinite(low) | np.isfinite(high)).any(axis=1)
    horizon = np.where(limited, responses(plan, settings, tank_ids), 0)
    if usual is None or plan.primary is None or not horizon.any():
        return Outlooks(block, settings)
    wanted = np.zeros(block.values.shape[:2], dtype=bool)
    earliest_ms = to_ms(now) - round(settings.limit_ahead.late_s * 1000)
    timely = block.times_ms + block.step_ms >= earliest_ms
    for row, steps in enumerate(new):
        wanted[row, steps] = timely[steps]
    asked = LimitsAhead(low, high, usual, horizon, wanted)
    roll = _Rolled(plan.primary, block, settings.limit_ahead.paths)
    return Outlooks(block, settings, look_ahead(block, asked, roll if roll.can else None), asked)


def responses(plan: Plan, settings: Settings, tank_ids: Sequence[int]) -> Integers:
    """Return the response time of each tank in steps, int64 (tanks,); 0 for not to be looked at."""
    common = settings.limit_ahead.response_s
    seconds = [plan.tanks[tank].response_s for tank in tank_ids]
    own = np.array([common if s is None else s for s in seconds], dtype=np.float64)
    steps = np.clip(np.ceil(own / settings.grid.step_s), 0, MOST_STEPS)
    return steps.astype(np.int64)


def ahead_steps(plan: Plan, settings: Settings) -> int:
    """Return how many steps before the first new one are needed to look ahead from it."""
    declared = any(
        rules.low is not None or rules.high is not None for rules in settings.channels.values()
    )
    if not (plan.limits or declared) or plan.primary is None or plan.primary.usual is None:
        return 0
    longest = int(responses(plan, settings, list(plan.tanks)).max(initial=0))
    return max(context_steps(longest), LED_IN_BY + ROLL_EVERY) if longest else 0


@dataclass(frozen=True, slots=True)
class _Rolled:
    """Rolls the forecaster of a version forward over a block."""

    scorer: Scorer
    block: Block
    paths: int

    @property
    def can(self) -> bool:
        return isinstance(self.scorer.detector, ForecastingDetector)

    def __call__(self, rows: Integers, ends: Integers, horizon: int) -> Doubles:
        detector = self.scorer.detector
        block = self.block
        found = np.full((rows.size, self.paths, horizon, len(block.channels)), np.nan)
        if not isinstance(detector, ForecastingDetector):
            return found
        columns = [block.channels.index(name) for name in self.scorer.channels]
        place = {name: index for index, name in enumerate(self.scorer.tanks)}
        places = np.array([place[block.tanks[row]] for row in rows.tolist()], dtype=np.int64)
        steps = ends[:, None] - np.arange(LED_IN_BY)[::-1]
        back, chosen = np.maximum(steps, 0), np.array(columns)
        values = block.values[rows[:, None, None], back[..., None], chosen]
        mask = block.mask[rows[:, None, None], back[..., None], chosen] & (steps >= 0)[..., None]
        drawn = sample_fleet(
            detector, values, mask, places=places, horizon=horizon, paths=self.paths
        )
        found[..., columns] = drawn
        return found
