"""What a chart is given of the time ahead, for OpenAPI."""

from typing import Literal

from pydantic import BaseModel, Field

_MS = "milliseconds since 1970"


class LimitOut(BaseModel):
    """An engineering limit, and when it is reached."""

    side: Literal["low", "high"]
    limit: float = Field(description="In the channel's unit.")
    is_passed: bool = Field(description="The newest reading lies beyond it already.")
    probability: float = Field(description="That it is reached within the time looked at, 0 to 1.")
    earliest_s: int | None = Field(description="Nine crossings in ten come after this many s,")
    latest_s: int | None = Field(description="and before this many; null if none comes.")
    says: str = Field(description="The same as a sentence.")


class ChannelForecast(BaseModel):
    """A channel of the steps ahead."""

    channel: str
    unit: str
    by_trend: bool = Field(description="Its trend is carried on, as it is beyond what is usual.")
    low: list[float] = Field(description="Below it lie 5 % of the paths, for each step.")
    median: list[float]
    high: list[float] = Field(description="Above it lie 5 % of the paths.")
    limits: list[LimitOut]


class ForecastOut(BaseModel):
    """What a tank is expected to do next."""

    site: str
    tank: str
    model_version: int | None = Field(description="What looked ahead.")
    t: list[int] = Field(description=f"Beginning of each step ahead, {_MS}.")
    step_ms: int = Field(description="Length of a step.")
    channels: list[ChannelForecast] = Field(description="Empty if there is no forecast.")
    basis: str = Field(description="What it goes by; if there is no forecast, why not.")
