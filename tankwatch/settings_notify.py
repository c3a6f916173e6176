"""Settings of who is told how often."""

from typing import Annotated

from pydantic import Field

from tankwatch.settings_section import Section, setting

_ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Notify(Section):
    """How often an operator is mailed; who is told of what are routes, see `tankwatch route`."""

    least_gap_s: float = setting(
        300.0,
        "Least time between two mails to one operator: what comes within it is gathered into one; "
        "0 sends each by itself.",
        unit="s",
        ge=0,
        le=86_400,
    )
    shifts: tuple[_ClockTime, ...] = setting(
        ("06:00", "14:00", "22:00"), "When shifts change, in the plant's zone: digests are mailed."
    )
    quiet_digest: bool = setting(
        default=True, help_text="A digest with nothing to tell is mailed, too, and says so."
    )
    report_at: _ClockTime = setting(
        "07:00",
        "When admins are mailed the alarm report of a month, on the first day of the next.",
        unit="HH:MM",
    )
