"""What goes in and comes out of the HTTP interface, for OpenAPI."""

from typing import Any

from pydantic import BaseModel, Field

from tankwatch.core.readings import Rejected, RejectReason, Verdict

_READING = {
    "type": "object",
    "description": "Wide: a value for each channel. Long: channel, value, and unit where needed. "
    "Names may be others, as the parameter column says.",
    "properties": {
        "tank": {"description": "Name of the tank."},
        "timestamp": {"description": "ISO 8601, or a number since 1970."},
        "pressure": {"description": "A number, its text, or null."},
        "temperature": {"description": "A number, its text, or null."},
    },
    "required": ["tank", "timestamp", "pressure"],
}
_EXAMPLE = {
    "tank": "T-101",
    "timestamp": "2026-03-02T06:30:00Z",
    "pressure": 12.5,
    "temperature": 20.5,
}
_CSV = "tank,timestamp,pressure,temperature\nT-101,2026-03-02T06:30:00Z,12.5,20.5\n"
_LINES = '{"tank": "T-101", "timestamp": "2026-03-02T06:30:00Z", "pressure": 12.5}\n'

READINGS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Readings, wide or long; packed with gzip if Content-Encoding says so.",
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [_READING, {"type": "array", "items": _READING, "minItems": 1}]
                },
                "example": [_EXAMPLE],
            },
            "application/x-ndjson": {
                "schema": {"type": "string", "enum": [_LINES]},
                "example": _LINES,
            },
            "text/csv": {"schema": {"type": "string", "enum": [_CSV]}, "example": _CSV},
        },
    }
}


class Reject(BaseModel):
    """A row, or one value of it, that was not stored; it is kept in quarantine."""

    row: int = Field(description="Place of the row among the rows of the body, from 1.")
    line: int = Field(description="Line of the body, or place in a JSON list, from 1.")
    reason: RejectReason
    detail: str = Field(description="What is wrong with it.")


class Verdicts(BaseModel):
    """What became of a body; whatever is not rejected is committed."""

    stored: int = Field(description="Readings that are new.")
    updated: int = Field(description="Readings that changed something.")
    duplicate: int = Field(description="Readings that were known already.")
    rejected: int = Field(description="Rows, or values of rows, that were refused.")
    verdicts: list[Verdict] = Field(description="What became of each row, in order.")
    rejects: list[Reject]
    notes: list[str] = Field(description="What was taken for granted, or is not read.")


class Health(BaseModel):
    """That the server runs, or what keeps it from taking readings."""

    status: str
    faults: list[str] = Field(default=[], description="What is wrong, with the remedy.")


def shown_rejects(rejected: list[Rejected], place: dict[int, int]) -> list[dict[str, Any]]:
    """Return rejects as they are sent, with the place of each one's line among the rows."""
    return [
        {
            "row": place[record.line],
            "line": record.line,
            "reason": record.reason.value,
            "detail": record.detail,
        }
        for record in rejected
    ]
