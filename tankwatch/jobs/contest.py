"""Champion and challenger: the same held-out time, judged by both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.block import Block, Grid
from tankwatch.core.figures import AlarmRule, Fault, Figures, count_found, figures, no_worse
from tankwatch.core.stretches import Why
from tankwatch.core.times import from_ms, to_ms
from tankwatch.detectors.base import Detector
from tankwatch.errors import ModelError
from tankwatch.jobs.context import Context
from tankwatch.jobs.history import History
from tankwatch.jobs.probe import Judge, count_seen, make_probes
from tankwatch.scoring.blocks import load_block
from tankwatch.scoring.plan import load_scorer
from tankwatch.settings import Settings
from tankwatch.shaping.windows import split_time
from tankwatch.store.champions import find_champion
from tankwatch.store.engine import reading
from tankwatch.store.stretches import load_stretches

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a candidate is used or not, and which champion it was compared with."""

    reason: str
    champion: int | None
    promoted: bool


def alarm_rule(settings: Settings) -> AlarmRule:
    """Return how the settings turn scores into alarms."""
    detect = settings.detect
    gap = detect.off_delay_steps + detect.merge_gap_steps
    return AlarmRule(settings.grid.step_s, detect.on_delay_steps, gap)


def held_out_block(candidate: Detector, history: History) -> Block:
    """Return the late part of a clean history, which sets thresholds and is never learned from."""
    share, least = candidate.calibration_share, candidate.least_steps
    late = split_time(history.block.steps, share, window=least)[1]
    return history.block.between(late.start, late.stop)


def compare_with_champion(
    context: Context, candidate: Detector, history: History, score: Scores
) -> Decision:
    """Return whether `candidate` is used: it must be no worse than the champion on held-out time.

    Args:
        context: database and settings.
        candidate: fitted on `history`.
        history: what the candidate was fitted on.
        score: float32 (tanks, steps), the candidate's scores of the held-out time.
    """
    with reading(context.engine) as connection:
        found = find_champion(connection, candidate.name)
        if found is None:
            return Decision("first model of this detector", None, promoted=True)
        key = found.model_version_id
        try:
            champion = load_scorer(connection, found)
        except ModelError as error:
            return Decision(f"the model in use cannot score: {error}", key, promoted=True)
    if set(champion.channels) != set(history.block.channels):
        return Decision("the model in use knows other channels", key, promoted=True)
    block = held_out_block(candidate, history)
    old_score = champion.judge(block).score
    both = np.isfinite(score) & np.isfinite(old_score)
    if not both.any():
        return Decision("the model in use judges none of these tanks", key, promoted=True)
    rule = alarm_rule(context.settings)
    judges: tuple[Judge, Judge] = (
        _judge_of(candidate, history),
        lambda given: champion.judge(given).score,
    )
    shared = [row for row, name in enumerate(block.tanks) if name in champion.tanks]
    look_back = max(candidate.context_steps, champion.detector.context_steps)
    probes = make_probes(block, look_back, shared)
    faults = _confirmed_faults(context, history, block, shared)
    whole = _whole(context, history, block) if faults else block
    new, old = (
        replace(
            figures(np.where(both, own, np.nan), rule),
            found=count_found(judge(whole), faults, rule.on_delay) if faults else 0,
            real=len(faults),
            seen=count_seen(judge, probes, rule.on_delay),
            tested=len(probes.tanks),
        )
        for judge, own in zip(judges, (score, old_score), strict=True)
    )
    promoted = no_worse(new, old, budget=champion.detector.budget)
    reason = told(new, old, promoted=promoted)
    if not promoted and candidate.budget > champion.detector.budget:
        reason += "; its alarm budget is higher: promote it by hand if that is meant"
    return Decision(reason, key, promoted=promoted)


def told(new: Figures, old: Figures, *, promoted: bool, time: str = "held-out time") -> str:
    """Return both versions' figures as a sentence that is stored and shown."""
    faults = f"finds {new.found} of {new.real} confirmed faults, the model in use {old.found}"
    tests = f"; sees {new.seen} of {new.tested} test disturbances, the model in use {old.seen}"
    return (
        f"{'no worse' if promoted else 'worse'} than the model in use on {new.tank_months:.2f} "
        f"tank-months of {time}: {new.rate:.2f} false alarms per tank-month against "
        f"{old.rate:.2f}; {faults if new.real else 'no confirmed fault lies in it'}"
        f"{tests if new.tested else ''}"
    )


def _judge_of(candidate: Detector, history: History) -> Judge:
    place = {name: row for row, name in enumerate(history.block.tanks)}

    def judge(block: Block) -> Scores:
        rows = [place[name] for name in block.tanks]
        return candidate.judge(block.values, block.mask, rows=rows).score

    return judge


def _whole(context: Context, history: History, block: Block) -> Block:
    """Return a held-out block with what the clean history leaves out."""
    grid = Grid(block.start_ms, block.steps, block.step_s)
    return load_block(context.engine, context.settings, history.tanks, history.channels, grid)


def _confirmed_faults(
    context: Context, history: History, block: Block, shared: Sequence[int]
) -> Sequence[Fault]:
    """Return the faults that an operator confirmed in a block, of tanks that both versions know."""
    span = (from_ms(block.start_ms), from_ms(block.start_ms + block.steps * block.step_ms))
    with reading(context.engine) as connection:
        stretches = load_stretches(connection, recurring=span)
    rows = {history.tanks[row].tank_id: row for row in shared}
    faults = []
    for one in stretches:
        if one.why is not Why.REAL_FAULT or one.tank_id not in rows:
            continue
        first = (to_ms(one.start) - block.start_ms) // block.step_ms
        end = block.steps - 1
        last = end if one.end is None else (to_ms(one.end) - block.start_ms) // block.step_ms
        if first < block.steps and last >= 0:
            faults.append(Fault(rows[one.tank_id], max(first, 0), min(last, end)))
    return faults
