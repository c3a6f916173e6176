"""Settings of the life of alarms."""

from tankwatch.settings_section import Section, setting


class Alarms(Section):
    """How long alarms may be kept from operators."""

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
