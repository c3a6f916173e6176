"""The report on alarms: each figure beside what ISA-18.2 and EEMUA 191 recommend."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Final

import css_inline

from tankwatch.core.alarm_health import AlarmHealth, PositionHealth
from tankwatch.core.times import human_duration, iso
from tankwatch.notify import wording
from tankwatch.notify.render import Heading, fill, headed, put_body

ISA: Final = "ANSI/ISA-18.2-2016, clause 16"
EEMUA: Final = "EEMUA 191, 3rd ed."
NONE: Final = "no value in either"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it is shown; `is_met` is None where nothing is recommended or known."""

    label: str
    value: str
    recommended: str
    source: str
    is_met: bool | None

    @property
    def verdict(self) -> str:
        """Return what the figure is by what is recommended, in a word."""
        return {None: "", True: "met", False: "missed"}[self.is_met]


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """What one recipient was told, as it is shown."""

    name: str
    alarms: int
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class HealthView:
    """What the templates show."""

    headline: str
    site: str
    sentence: str
    note: str
    checks: tuple[str, ...]
    link: str
    figures: tuple[Figure, ...]
    positions: tuple[PositionFigures, ...]
    top: tuple[tuple[str, int, str], ...]
    chattering: tuple[str, ...]
    held: tuple[tuple[str, int], ...]
    time_zone: str


def render_health(health: AlarmHealth, *, month: str, plant: str, time_zone: str) -> str:
    """Return the report as a page of HTML that needs nothing else."""
    view = _view(health, month=month, plant=plant, time_zone=time_zone)
    page = fill("report/body.html.j2", view)
    return css_inline.inline(page, keep_at_rules=True, load_remote_stylesheets=False)


def render_health_mail(
    health: AlarmHealth,
    *,
    month: str,
    plant: str,
    time_zone: str,
    message_id: str,
    at: datetime,
    sender: str,
    recipients: Sequence[str],
) -> EmailMessage:
    """Return the mail with the report of a month.

    Raises:
        UsageError: an address, the Message-ID or the zone is not usable.
    """
    view = _view(health, month=month, plant=plant, time_zone=time_zone)
    heading = Heading("report", month, plant, message_id, message_id, at)
    subject = " ".join(fill("report/subject.txt.j2", view).split())
    message = headed(heading, sender=sender, recipients=recipients, subject=subject)
    html = render_health(health, month=month, plant=plant, time_zone=time_zone)
    text = fill("report/body.txt.j2", view)
    put_body(message, message_id, text=text, html=html, picture=None)
    return message


def health_json(health: AlarmHealth, *, month: str) -> dict[str, Any]:
    """Return the figures for machines, with what is recommended beside them."""
    figures = [
        {**asdict(one), "verdict": one.verdict}
        for one in [*_figures(health), *(f for p in health.positions for f in _of_position(p))]
    ]
    plain = asdict(health)
    return {
        **plain,
        "start": iso(health.start),
        "end": iso(health.end),
        "month": month,
        "shown": figures,
    }


def _view(health: AlarmHealth, *, month: str, plant: str, time_zone: str) -> HealthView:
    figures = _figures(health)
    shown = [*figures, *(f for position in health.positions for f in _of_position(position))]
    met = [figure.is_met for figure in shown if figure.is_met is not None]
    days = human_duration((health.end - health.start).total_seconds())
    people = len(health.positions)
    return HealthView(
        headline=f"Alarms of {month}",
        site=wording.clean_name(plant),
        sentence=(
            f"Operators were told of {health.alarms} alarms in {days}, at {people} "
            f"{'position' if people == 1 else 'positions'}; {met.count(True)} of {len(met)} "
            f"figures are as the standards recommend."
        ),
        note="",
        checks=(),
        link="",
        figures=figures,
        positions=tuple(
            PositionFigures(one.name, one.alarms, _of_position(one)) for one in health.positions
        ),
        top=tuple(
            (name, count, wording.percent(count / max(health.alarms, 1)))
            for name, count in health.top
        ),
        chattering=health.chattering,
        held=_held(health.held),
        time_zone=time_zone,
    )


def _held(held: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(
        (reason.removeprefix("hold_").replace("_", " "), count) for reason, count in held.items()
    )


def _of_position(one: PositionHealth) -> tuple[Figure, ...]:
    return (
        Figure(
            "Alarms in ten minutes, mean",
            f"{one.mean_rate:.2f}",
            "about 1; more than 2 is too much",
            f"{ISA}; {EEMUA}",
            one.mean_rate <= 1,
        ),
        Figure(
            "Most alarms in ten minutes", f"{one.peak_rate}", "at most 10", ISA, one.peak_rate <= 10
        ),
        Figure(
            "Ten minutes with more than ten alarms",
            f"{100 * one.share_above_ten:.2f} %",
            "below 1 %",
            ISA,
            one.share_above_ten < 0.01,
        ),
        Figure(
            "Time in flood",
            f"{100 * one.share_in_flood:.2f} % (floods: {one.floods})",
            "below 1 %",
            ISA,
            one.share_in_flood < 0.01,
        ),
    )


def _figures(health: AlarmHealth) -> tuple[Figure, ...]:
    top = health.top_share
    return (
        Figure(
            "Standing for over a day, most on one day",
            f"{health.most_standing} ({health.standing} in all)",
            "below 5 on any day",
            ISA,
            health.most_standing < 5,
        ),
        Figure(
            "Chattering (three a day or more)",
            f"{len(health.chattering)}",
            "0",
            ISA,
            not health.chattering,
        ),
        Figure(
            "Share of the ten most frequent",
            _percent(top),
            "below 1 %, at most 5 %",
            ISA,
            None if top is None else top <= 0.05,
        ),
        Figure(
            "Time to acknowledge, median and nine in ten",
            f"{_duration(health.acknowledge_median_s)}, {_duration(health.acknowledge_ninety_s)}",
            NONE,
            "",
            None,
        ),
        Figure("Acknowledged", _percent(health.acknowledged_share), NONE, "", None),
        Figure(
            f"Not a fault, of {health.labelled} labelled",
            _percent(health.not_a_fault_share),
            NONE,
            "",
            None,
        ),
        Figure("Shelved or taken out of service", f"{health.shelved}", "reviewed each", ISA, None),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else wording.percent(share)


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else human_duration(seconds)
