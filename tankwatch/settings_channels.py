"""The section of the settings that each channel has."""

from typing import Self

from pydantic import model_validator

from tankwatch.settings_section import Section, setting


class ChannelRules(Section):
    """What one channel measures and what is plainly wrong for it."""

    unit: str = setting("", "Canonical unit: kPa (gauge) for pressure, degC for temperature.")
    low: float | None = setting(None, "Engineering low limit; leave out for none.", unit="channel")
    high: float | None = setting(
        None, "Engineering high limit; leave out for none.", unit="channel"
    )
    range_low: float | None = setting(
        None,
        "Lower end of the instrument's range; what is below it is no reading. Leave out for none.",
        unit="channel",
    )
    range_high: float | None = setting(
        None, "Upper end of the instrument's range; leave out for none.", unit="channel"
    )
    most_per_minute: float | None = setting(
        None,
        "No tank changes faster: a reading that does is not believed. Leave out to believe all.",
        unit="channel/min",
        gt=0,
    )
    flat_steps: int | None = setting(
        240,
        "Steps without movement that make a flat line; leave out to switch off.",
        unit="steps",
        ge=2,
        le=100_000,
    )
    flat_tolerance: float = setting(
        0.0, "Movement up to this much counts as none.", unit="channel", ge=0
    )
    watch_noise: bool = setting(
        default=True,
        help_text="Watch for noise that bursts or collapses, and for values that flip.",
    )

    @model_validator(mode="after")
    def _range_has_a_width(self) -> Self:
        low, high = self.range_low, self.range_high
        if low is not None and high is not None and low >= high:
            message = f"range_low ({low:g}) must be below range_high ({high:g})"
            raise ValueError(message)
        return self


DEFAULT_CHANNELS = {
    "pressure": ChannelRules(unit="kPa"),
    "temperature": ChannelRules(unit="degC"),
}
