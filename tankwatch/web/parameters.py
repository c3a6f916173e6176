"""Query parameters that say how a body is to be understood, as `tankwatch ingest` has them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from tankwatch.errors import ProblemError
from tankwatch.ingest.options import EpochUnit, FileOptions

_LONGEST = 120
_Pairs = Annotated[list[str], Field(max_length=100)]
_LISTS = ("column", "unit", "absolute")


@dataclass(frozen=True, slots=True)
class Understanding:
    """How a body is to be understood, as far as the request says."""

    site: str | None
    tank: str | None
    columns: dict[str, str]
    units: dict[str, str]
    absolute: frozenset[str]
    time_zone: str
    epoch_unit: EpochUnit

    def over(self, options: FileOptions) -> FileOptions:
        """Return `options` with what the request says put over them.

        Raises:
            UsageError: there is no such channel, unit or time zone.
        """
        if self == _NOTHING:
            return options
        return replace(
            options,
            columns=self.columns,
            units=self.units,
            absolute=self.absolute,
            time_zone=self.time_zone or options.time_zone,
            epoch_unit=self.epoch_unit,
            default_tank=self.tank,
        )


class Asked(BaseModel):
    """The query parameters of a post."""

    site: str | None = Field(None, description="Site of tanks that are new.", max_length=_LONGEST)
    tank: str | None = Field(None, description="Tank of a body without one.", max_length=_LONGEST)
    column: _Pairs = Field([], description="A name in the body, as tank=Tag or pressure=PT.")
    unit: _Pairs = Field([], description="A channel's unit in the body, as pressure=bar.")
    absolute: _Pairs = Field([], description="A channel whose pressure is absolute.")
    time_zone: str = Field("", description="Zone of times that state none.", max_length=_LONGEST)
    epoch_unit: EpochUnit = Field("auto", description="Unit of numeric times.")


def described() -> list[dict[str, Any]]:
    """Return the parameters as OpenAPI has them."""
    properties = Asked.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.pop("description"),
            "schema": schema,
        }
        for name, schema in properties.items()
    ]


async def understood(request: Request) -> Understanding:
    """Return what the request says of its body; async, so that no thread is asked for it.

    Most posts say nothing, and FastAPI would look for each parameter in each of them.

    Raises:
        RequestValidationError: a parameter is too long, or none of those that there are.
    """
    if not request.scope["query_string"]:
        return _NOTHING
    query = request.query_params
    lists = {name: query.getlist(name) for name in _LISTS}
    try:
        asked = Asked.model_validate({**query, **lists})
    except ValidationError as error:
        found = [{**one, "loc": ("query", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(found) from error
    return Understanding(
        site=_name("site", asked.site),
        tank=_name("tank", asked.tank),
        columns=_pairs("column", asked.column),
        units=_pairs("unit", asked.unit),
        absolute=frozenset(asked.absolute),
        time_zone=asked.time_zone,
        epoch_unit=asked.epoch_unit,
    )


_NOTHING = Understanding(None, None, {}, {}, frozenset(), "", "auto")


def _name(parameter: str, given: str | None) -> str | None:
    if given is None:
        return None
    name = given.strip()
    if not name or not name.isprintable():
        raise ProblemError(
            422,
            f"{given!r} is no name",
            where=f"query {parameter}",
            remedy="use printable characters, or leave the parameter away",
        )
    return name


def _pairs(parameter: str, given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, _, value = text.partition("=")
        if not name.strip() or not value.strip():
            raise ProblemError(
                422,
                f"{text!r} is not NAME=VALUE",
                where=f"query {parameter}",
                remedy="write for instance column=tank=Tag, or unit=pressure=bar",
            )
        pairs[name.strip()] = value.strip()
    return pairs
