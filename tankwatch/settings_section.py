"""What every section of the settings is made of."""

from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def setting(default: Any, help_text: str, *, unit: str = "", **limits: Any) -> Any:
    """Return the field of a setting: its default, what it does, its unit, and what is allowed."""
    return Field(default=default, description=help_text, json_schema_extra={"unit": unit}, **limits)


class Section(BaseModel):
    """A section of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        message = "must be an IANA time zone, for instance UTC or Europe/Oslo"
        raise ValueError(message)
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
