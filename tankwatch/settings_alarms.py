"""Settings of the life of alarms."""

from typing import Literal

from tankwatch.settings_section import Section, setting

Latching = Literal[
    "learned",
    "limit",
    "time_to_limit",
    "out_of_range",
    "rate",
    "flat_line",
    "stuck",
    "stale",
    "noise_burst",
    "noise_collapse",
    "chattering",
    "limit_chatter",
]


class Alarms(Section):
    """How long alarms may be kept from operators, and how often they are told."""

    longest_shelf_h: float = setting(
        24.0, "Longest time that a tank can be shelved for.", unit="h", gt=0, le=8760
    )
    longest_one_shot_h: float = setting(
        168.0,
        "An incident that is shelved until it clears comes back after this at the latest.",
        unit="h",
        gt=0,
        le=8760,
    )
    longest_transfer_h: float = setting(
        72.0, "Longest time that a transfer can be put down for.", unit="h", gt=0, le=8760
    )
    latching: tuple[Latching, ...] = setting(
        (),
        "Rules whose incidents stay in sight when they are over, until somebody resets them; "
        "`learned` for those of detectors.",
    )
    realarm_s: float = setting(
        0.0,
        "An alarm that stands and that nobody has acknowledged is told again to the same people "
        "after this time, and again each such time; 0 tells it once.",
        unit="s",
        ge=0,
        le=604_800,
    )
    realarm_times: int = setting(5, "How often an alarm is told again at most.", ge=1, le=100)
    chatter_count: int = setting(
        3,
        "So many alarms of one kind of a tank within `chatter_window_s` come and go: one mail says "
        "so, and further ones are recorded but not mailed.",
        ge=2,
        le=100,
    )
    chatter_window_s: float = setting(
        14_400.0,
        "Time in which alarms that come and go are counted, and for which they must be quiet until "
        "they are mailed again; 0 mails each one.",
        unit="s",
        ge=0,
        le=604_800,
    )
