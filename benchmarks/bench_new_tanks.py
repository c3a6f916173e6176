"""Tanks that no model knows, from their first reading, beside robust z with their whole history.

Thirty tanks of each farm are the fleet that is learned from; ten join it after two weeks and are
watched for one.  Robust z is given two weeks of those ten, too, which a plant does not have.
"""

import numpy as np
from results import record
from simulated_rounds import DAYS, LEARNED, SEEDS, TANKS, counted

from tankwatch.core.episodes import EpisodeRule
from tankwatch.detectors.baselines import RobustZBaseline
from tankwatch.detectors.newcomer import FEWEST_STEPS, NewcomerMemory, watch_new
from tankwatch.detectors.newcomer_fit import learn_newcomer
from tankwatch.detectors.threshold import AlarmBudget
from tankwatch.simulate import FarmSpec, simulate_farm

FLEET = 30
FAULTS, SEVERITY = 60, 1.5
RULE = EpisodeRule(3, 10, 0.2)
BUDGET = AlarmBudget(0.5, 60, 3, 40)


def main() -> None:
    """Measure both on the same faults, print and record."""
    totals = {name: np.zeros(4) for name in ("new tanks", "robust z with their history")}
    for seed in SEEDS:
        farm = simulate_farm(
            FarmSpec(tanks=TANKS, days=DAYS, seed=seed, faults=FAULTS, severity=SEVERITY)
        )
        values = farm.values
        fleet = values[:FLEET, :LEARNED]
        norms = learn_newcomer(fleet, np.isfinite(fleet), BUDGET, seed=0)
        assert norms is not None
        new = values[FLEET:, LEARNED:]
        memory = NewcomerMemory.fresh(len(new), new.shape[2])
        judged, _ = watch_new(norms, new, np.isfinite(new), memory, first=0, phase=0)
        robust = RobustZBaseline(budget=0.5).fit(values[:, :LEARNED])
        theirs = robust.score_samples(values[:, LEARNED:])[FLEET:]
        start_ms = int(farm.observed_ms[LEARNED])
        spans = [
            (f.tank - FLEET, (f.start_ms - start_ms) // 60_000, (f.end_ms - start_ms) // 60_000)
            for f in farm.faults
            if f.tank >= FLEET
        ]
        faults = [span for span in spans if span[2] > FEWEST_STEPS]
        for name, score in zip(totals, (judged.score, theirs), strict=True):
            found, false, months = counted(score, faults, RULE)
            totals[name] += (found, len(faults), false, months)
    for name, (found, faults_of, false, months) in totals.items():
        print(
            f"{name}: {found:.0f} of {faults_of:.0f} faults, {false:.0f} false alarms in "
            f"{months:.1f} tank-months"
        )
    ours, other = (total.tolist() for total in totals.values())
    record(
        "new tanks: recall",
        ours[0] / ours[1],
        "share",
        against="robust z with two weeks of their history",
        other=other[0] / other[1],
        target=1.0,
    )
    record(
        "new tanks: false alarms",
        ours[2] / ours[3],
        "1/(tank month)",
        against="robust z with two weeks of their history",
        other=other[2] / other[3],
    )


if __name__ == "__main__":
    main()
