"""The report for people: one page that needs nothing else, by day and by night, on any width."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tankwatch.core.times import human_duration
from tankwatch.evaluate.cases import (
    MOST_FALSE_ALARMS,
    MOST_FAULTS,
    Case,
    fault_cases,
    incident_cases,
    judged_rows,
    period_text,
)
from tankwatch.evaluate.choice import choice
from tankwatch.evaluate.comparison import Table, comparison, details, share_text
from tankwatch.evaluate.events import KindRecall
from tankwatch.evaluate.result import BacktestResult
from tankwatch.evaluate.summary import Summary
from tankwatch.evaluate.tables import INCIDENT_COLUMNS, incident_rows
from tankwatch.evaluate.timeline import Timeline, build_timeline
from tankwatch.evaluate.verdict import BudgetState, budget_state, verdict
from tankwatch.notify.wording import unit_label

_MOST_LISTED = 200
_BADGES = {
    BudgetState.WITHIN: "within budget",
    BudgetState.ABOVE: "above budget",
    BudgetState.UNCERTAIN: "too short to tell",
    BudgetState.UNKNOWN: "",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Cases under one heading."""

    heading: str
    note: str
    cases: Sequence[Case]


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows.

    Attributes:
        facts: what was run: name and value.
        notes: what a reader should know before the figures.
        budget_state: a `BudgetState`, and `badge` its words.
        choice: which detector to use.
        detectors: their comparison, and `details` the figures that it leaves out.
        buffer: longest buffer around a fault in steps, for the note on its figure.
        listed: incidents without labels, beyond those that are drawn.
        settings: what was set: name and value.
    """

    title: str
    verdict: str
    budget_state: str
    badge: str
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str]
    choice: str
    detectors: Table
    details: Table | None
    buffer: int
    kinds: Sequence[KindRecall]
    timeline: Timeline
    has_labels: bool
    groups: Sequence[Group]
    listed: Table | None
    grace: str
    settings: Sequence[tuple[str, str]]


def render_page(result: BacktestResult, summary: Summary) -> str:
    """Return the report as HTML, with its pictures inside and without any script."""
    figures = summary.primary.events
    rate = summary.primary.incidents if figures is None else figures.false_alarms
    state = BudgetState.UNKNOWN if figures is None else budget_state(rate, result.budget)
    page = Page(
        title=result.title,
        verdict=verdict(summary, result.budget),
        budget_state=state,
        badge=_BADGES[state],
        facts=_facts(result, summary),
        notes=_notes(summary),
        choice=choice(summary, result.budget),
        detectors=comparison(summary, result.budget),
        details=details(summary) if figures else None,
        buffer=summary.buffer,
        kinds=figures.by_kind if figures else (),
        timeline=build_timeline(result),
        has_labels=figures is not None,
        groups=_groups(result, summary),
        listed=_listed(result) if figures is None else None,
        grace=human_duration(summary.grace_s),
        settings=list(_flat(result.settings)),
    )
    return _templates().get_template("report.html.j2").render(page=page)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("tankwatch.evaluate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Drawn by us, with every text in it escaped.
    environment.filters["drawn"] = Markup
    return environment


def _facts(result: BacktestResult, summary: Summary) -> list[tuple[str, str]]:
    starts = [start for start, _ in result.spans.values()]
    ends = [end for _, end in result.spans.values()]
    units = zip(result.channels, result.units, strict=True)
    points = summary.primary.points
    judged = f"{period_text(min(starts), max(ends))} UTC, {summary.tank_months:.2g} tank-months"
    trained = min(starts)
    until = f"{trained:%Y-%m-%d %H:%M} UTC"
    if max(starts) != trained:
        until = f"{until} to {max(starts):%Y-%m-%d %H:%M} UTC, by tank"
    return [
        ("Tanks", _names(result.tanks)),
        ("Channels", ", ".join(f"{n} ({unit_label(u)})" if u else n for n, u in units)),
        ("Learned until", until),
        ("Judged", judged),
        ("Steps", f"{points.steps:,} of {result.step_s} s, {share_text(points.coverage)} scored"),
        ("Budget", f"{result.budget:g} false alarms per tank-month"),
        ("Took", ", ".join(f"{k} {human_duration(v)}" for k, v in result.seconds.items())),
    ]


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{len(names)}: {shown}" + (", …" if len(names) > 6 else "")


def _notes(summary: Summary) -> list[str]:
    notes = []
    if summary.unknown_tanks:
        names = _names(summary.unknown_tanks)
        notes.append(f"The labels name tanks that the readings do not have ({names}).")
    if summary.labels_outside:
        notes.append(
            f"{summary.labels_outside} of {summary.labels_given} labelled faults lie outside the "
            "time that was judged and count neither way."
        )
    return notes


def _groups(result: BacktestResult, summary: Summary) -> list[Group]:
    figures = summary.primary.events
    if figures is None:
        cases = incident_cases(result, judged_rows(result), state="incident", most=MOST_FAULTS)
        return [Group("Incidents from close", "Highest peaks first.", cases)] if cases else []
    faults = fault_cases(result, figures)
    false_rows = figures.false_alarm_rows
    alarms = incident_cases(result, false_rows, state="false", most=MOST_FALSE_ALARMS)
    missed = [case for case in faults if case.state == "missed"]
    found = [case for case in faults if case.state == "found"]
    counts = {"missed": len(figures.events) - figures.found, "found": figures.found}
    groups = [
        Group("Missed faults", _of(len(missed), counts["missed"]), missed),
        Group("Found faults", _of(len(found), counts["found"]), found),
        Group("False alarms", f"{_of(len(alarms), len(false_rows))} Highest peaks first.", alarms),
    ]
    return [group for group in groups if group.cases]


def _of(shown: int, total: int) -> str:
    return f"All {total}." if shown == total else f"{shown} of {total}."


def _listed(result: BacktestResult) -> Table:
    rows = incident_rows(result.primary.incidents.iloc[judged_rows(result)])
    heads = ("tank", "start", "end", "peak score", "channel", "symptom")
    shown = rows.head(_MOST_LISTED)
    cells = zip(*(shown[name].astype(str) for name in INCIDENT_COLUMNS), strict=True)
    return Table(heads, tuple(("incident", tuple(row)) for row in cells))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
