"""What a chart is given, for OpenAPI."""

from pydantic import BaseModel, Field

_MS = "milliseconds since 1970"


class ChannelSeries(BaseModel):
    """A channel: buckets, or readings one by one."""

    channel: str
    unit: str
    limit_low: float | None = Field(description="Engineering low limit.")
    limit_high: float | None = Field(description="Engineering high limit.")
    t: list[int] = Field(description=f"Beginning of each bucket, or time of a reading, {_MS}.")
    mean: list[float | None] = Field(description="Mean or reading; null is a gap.")
    low: list[float | None] = Field(description="Lowest of each bucket; empty for readings.")
    high: list[float | None] = Field(description="Highest of each bucket; empty for readings.")
    expected_low: list[float | None] = Field(
        description="Lower edge of what was expected then; null where it is not known, empty if "
        "that is everywhere."
    )
    expected_high: list[float | None] = Field(description="Its upper edge.")


class ScoreSeries(BaseModel):
    """The highest score of each bucket; 1.0 is the threshold."""

    width_ms: int = Field(description="Width of a bucket.")
    t: list[int] = Field(description=f"Beginning of each bucket, {_MS}.")
    high: list[float | None]


class IncidentOut(BaseModel):
    """An incident that lies in the span."""

    id: int
    from_ms: int
    until_ms: int | None = Field(description="Null while it lasts.")
    state: str
    severity: str
    symptom: str
    channel: str
    peak_score: float


class Series(BaseModel):
    """What a chart shows of a tank."""

    site: str
    tank: str
    from_ms: int
    until_ms: int
    width_ms: int = Field(description="Width of a bucket of readings; 0 for readings one by one.")
    first_ms: int | None = Field(description="The oldest that is kept of the tank.")
    last_ms: int | None = Field(description="Its newest reading.")
    channels: list[ChannelSeries]
    score: ScoreSeries
    flagged: list[list[int]] = Field(description="Stretches at or above the threshold.")
    incidents: list[IncidentOut]
