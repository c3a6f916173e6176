"""The result of a backtest in a few plain sentences."""

from enum import StrEnum

from scipy.stats import binomtest

from tankwatch.core.times import human_duration
from tankwatch.evaluate.events import EventFigures, Rate
from tankwatch.evaluate.summary import Summary, SummaryRow

# Two counts differ if chance alone would make them differ so much less than one time in ten.
_CHANCE = 0.10


class BudgetState(StrEnum):
    """How an observed rate of false alarms stands to the budget."""

    WITHIN = "within"
    ABOVE = "above"
    UNCERTAIN = "uncertain"
    UNKNOWN = "unknown"


def budget_state(rate: Rate, budget: float) -> BudgetState:
    """Return whether the 90 % interval of `rate` lies within the budget, above it, or spans it."""
    if rate.low is None or rate.high is None:
        return BudgetState.UNKNOWN
    if rate.high <= budget:
        return BudgetState.WITHIN
    return BudgetState.ABOVE if rate.low > budget else BudgetState.UNCERTAIN


def verdict(summary: Summary, budget: float) -> str:
    """Return what was found, at what cost, and whether a baseline does as well."""
    row = summary.primary
    if row.events is None:
        return _without_labels(row, budget)
    figures = row.events
    sentences = [_found(figures, budget), _kept(figures.false_alarms, budget)]
    best = best_baseline(summary, budget)
    if figures.events and best is not None and best.events is not None:
        sentences.append(_beside(figures, best.name, best.events))
    return " ".join(sentences)


def best_baseline(summary: Summary, budget: float) -> SummaryRow | None:
    """Return the baseline to beat: of those not clearly above the budget the one that finds most.

    Among equals it is the one with fewer false alarms; where all are above the budget, all count.
    """
    baselines = [row for row in summary.rows if row.role == "baseline" and row.events]
    return max(baselines, key=lambda row: _merit(row, budget), default=None)


def more_found(ours: EventFigures, theirs: EventFigures) -> int:
    """Return 1, 0 or -1 by the faults that only one of the two found (exact McNemar test)."""
    pairs = list(zip(ours.events, theirs.events, strict=True))
    only_ours = sum(a.raised is not None and b.raised is None for a, b in pairs)
    only_theirs = sum(a.raised is None and b.raised is not None for a, b in pairs)
    return _sign(only_ours, only_theirs)


def rate_text(value: float | None) -> str:
    """Return a rate as ``0.4``, ``12`` or ``0.04``."""
    if value is None:
        return "unknown"
    if value >= 10:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def _merit(row: SummaryRow, budget: float) -> tuple[bool, int, float]:
    if row.events is None:
        return False, 0, 0.0
    rate = row.events.false_alarms
    is_affordable = budget_state(rate, budget) is not BudgetState.ABOVE
    return is_affordable, row.events.found, -(rate.per_tank_month or 0.0)


def _found(figures: EventFigures, budget: float) -> str:
    rate = figures.false_alarms
    interval = f"budget {budget:g}; {_interval(rate)}"
    if not figures.events:
        return (
            "No labelled fault lies in the time that was judged, so only false alarms can be "
            f"counted: tankwatch raised {rate.count}, {_rate(rate)} per tank-month ({interval})."
        )
    total = len(figures.events)
    faults = "1 labelled fault" if total == 1 else f"{total} labelled faults"
    delay = figures.delay_median_s
    return (
        f"Of {faults} tankwatch found {_share(figures)} with {_rate(rate)} false alarms per "
        f"tank-month ({interval})"
        + ("." if delay is None else f"; median delay {human_duration(delay)}.")
    )


def _kept(rate: Rate, budget: float) -> str:
    return {
        BudgetState.WITHIN: "The budget is kept.",
        BudgetState.ABOVE: "That is above the budget.",
        BudgetState.UNCERTAIN: "The time judged is too short to tell whether the budget is kept.",
        BudgetState.UNKNOWN: "There was no time without a fault in which to count false alarms.",
    }[budget_state(rate, budget)]


def _beside(ours: EventFigures, name: str, theirs: EventFigures) -> str:
    more = more_found(ours, theirs)
    fewer = -_sign(ours.false_alarms.count, theirs.false_alarms.count)
    found = {1: "more faults", 0: "about as many faults", -1: "fewer faults"}[more]
    cost = {1: "fewer", 0: "about as many", -1: "more"}[fewer]
    if more + fewer > 0:
        end = "so it earns its place on this data"
    elif more + fewer < 0:
        end = f"so {name} serves this data better"
    elif more:
        end = "so it is a trade of faults found against false alarms"
    else:
        end = "so on this data the simple baseline would do as well"
    return (
        f"The best baseline, {name}, found {_share(theirs)} with {_rate(theirs.false_alarms)} "
        f"false alarms per tank-month: tankwatch finds {found} with {cost} false alarms, {end}."
    )


def _sign(ours: int, theirs: int) -> int:
    """Return 1 or -1 where one of two counts over the same time is larger beyond chance, else 0."""
    if ours == theirs or binomtest(ours, ours + theirs, 0.5).pvalue >= _CHANCE:
        return 0
    return 1 if ours > theirs else -1


def _without_labels(row: SummaryRow, budget: float) -> str:
    rate = row.incidents
    return (
        f"tankwatch raised {rate.count} incidents in {rate.tank_months:.2g} tank-months, "
        f"{_rate(rate)} per tank-month ({_interval(rate)}; the budget for false alarms is "
        f"{budget:g}). Without labels nothing says which of them were faults: the pictures below "
        "show what was read."
    )


def _interval(rate: Rate) -> str:
    return f"90 % interval {rate_text(rate.low)} to {rate_text(rate.high)}"


def _share(figures: EventFigures) -> str:
    return str(figures.found) + (
        "" if figures.recall is None else f" ({round(100 * figures.recall)} %)"
    )


def _rate(rate: Rate) -> str:
    return rate_text(rate.per_tank_month)
