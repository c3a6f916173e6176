"""Settings of the warning that a limit is ahead."""

from tankwatch.settings_section import Section, setting


class LimitAhead(Section):
    """When a tank that heads for a limit is told of before it is there."""

    response_s: float = setting(
        1800.0,
        "Time in which somebody can act; `tankwatch response` sets it for one tank; 0 switches "
        "off; warnings look at most 240 steps ahead.",
        unit="s",
        ge=0,
        le=86_400,
    )
    probability: float = setting(
        0.9, "How likely the limit must be reached within that time.", gt=0, le=1
    )
    on_delay_steps: int = setting(
        3, "Steps in a row that likely that raise it.", unit="steps", ge=1
    )
    off_delay_steps: int = setting(
        15, "Steps in a row below the deadband that end it.", unit="steps", ge=1
    )
    deadband: float = setting(
        0.3, "It ends below 1 minus this share of the probability.", ge=0, lt=1
    )
    paths: int = setting(
        100, "Continuations that are drawn of a tank near a limit.", ge=20, le=10_000
    )
    late_s: float = setting(
        900.0, "A step judged later than this after its end warns of nothing.", unit="s", ge=0
    )
