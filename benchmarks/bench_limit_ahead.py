"""How long before a limit is crossed it is told of, and how often it is told of for nothing.

Limits are 15 % above what each vent is set to, 50 % beyond what each vacuum breaker is, and 3 degC
above the warmest fortnight; vents and breakers stick, heaters and regulators do not shut.
"""

import numpy as np
from numpy.typing import NDArray
from results import record
from simulated_rounds import DAYS, LEARNED, SEEDS, STEPS_PER_MONTH, TANKS, episodes

from tankwatch.core.block import Block
from tankwatch.core.episodes import EpisodeRule
from tankwatch.detectors.ahead import LimitsAhead, look_ahead
from tankwatch.detectors.trend import context_steps, learn_usual
from tankwatch.settings_ahead import LimitAhead
from tankwatch.simulate import Farm, FarmSpec, FaultKind, simulate_farm

KINDS = (
    FaultKind.VENT_STUCK_CLOSED,
    FaultKind.VACUUM_BREAKER_STUCK,
    FaultKind.HEATER_STUCK_ON,
    FaultKind.REGULATOR_CREEP,
)
LIMIT_RULE = EpisodeRule(3, 10, 0.0)
APART = 720


def warned(farm: Farm, wanted: LimitAhead) -> tuple[list[int], int, float]:
    """Return leads of crossings in steps (0: not told), warnings for nothing, tank-months."""
    values = farm.values
    early = values[:, :LEARNED]
    vents = farm.plant.vents
    high = np.stack([1.15 * vents.vent_kpa, np.nanmax(early[:, :, 1], axis=1) + 3.0], axis=1)
    low = np.stack([-1.5 * vents.vacuum_kpa, np.full(TANKS, np.nan)], axis=1)
    horizon = round(wanted.response_s / 60)
    lead_in = context_steps(horizon)
    part = values[:, LEARNED - lead_in :]
    block = Block(farm.tanks, ("pressure", "temperature"), 0, 60, part, np.isfinite(part))
    asked = np.zeros(part.shape[:2], dtype=bool)
    asked[:, lead_in:] = True
    usual = learn_usual(early, np.isfinite(early))
    limits = LimitsAhead(low, high, usual, np.full(TANKS, horizon), asked)
    ahead = look_ahead(block, limits, None)
    rule = EpisodeRule(wanted.on_delay_steps, wanted.off_delay_steps, wanted.deadband)
    told = episodes(ahead.probability / wanted.probability, rule, ahead.direction)
    with np.errstate(invalid="ignore"):
        beyond = ((part >= high[:, None]) | (part <= low[:, None])).any(axis=2)
    crossed = episodes(np.where(asked, beyond.astype(float), np.nan), LIMIT_RULE)
    leads: list[int] = []
    last: dict[int, int] = {}
    for tank, _, at, _ in crossed:
        if at - last.get(tank, -APART) >= APART:
            before = [w[2] for w in told if w[0] == tank and at - 240 <= w[2] <= at]
            leads.append(at - before[0] if before else 0)
        last[tank] = at
    vain = [w for w in told if not any(c[0] == w[0] and abs(c[2] - w[2]) < APART for c in crossed)]
    months: NDArray[np.float64] = np.array(asked.sum() / STEPS_PER_MONTH)
    return leads, len(vain), float(months)


def main() -> None:
    """Measure both, print and record."""
    wanted = LimitAhead()
    leads: list[int] = []
    vain, months = 0, 0.0
    for seed in SEEDS:
        faulty = FarmSpec(tanks=TANKS, days=DAYS, seed=seed, faults=40, severity=1.5, kinds=KINDS)
        leads += warned(simulate_farm(faulty), wanted)[0]
        sound = simulate_farm(FarmSpec(tanks=TANKS, days=DAYS, seed=seed, faults=0))
        _, more, time = warned(sound, wanted)
        vain, months = vain + more, months + time
    early = [lead for lead in leads if lead > 0]
    spread = np.quantile(early, (0.1, 0.5, 0.9)) if early else np.zeros(3)
    print(
        f"{len(leads)} crossings, {len(early)} told of before: {spread[1]:.0f} min in the median, "
        f"{spread[0]:.0f} to {spread[2]:.0f} min in eight of ten; without a fault {vain} warnings "
        f"in {months:.1f} tank-months"
    )
    record(
        "limit ahead: crossings told of before",
        len(early) / max(len(leads), 1),
        "share",
        against="the limit rule by itself",
        other=0.0,
    )
    record(
        "limit ahead: median lead",
        float(spread[1]),
        "min",
        against="the limit rule by itself",
        other=0.0,
    )
    record(
        "limit ahead: warnings without a fault",
        vain / months,
        "1/(tank month)",
        against="the alarm budget",
        other=0.5,
    )


if __name__ == "__main__":
    main()
