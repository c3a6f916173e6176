"""Query parameters that say how a body is to be understood, as `tankwatch ingest` has them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Query

from tankwatch.errors import ProblemError
from tankwatch.ingest.options import EpochUnit, FileOptions

_LONGEST = 120
_Pairs = Annotated[list[str], Query(max_length=100)]


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


async def understood(
    site: Annotated[
        str | None, Query(description="Site of tanks that are new.", max_length=_LONGEST)
    ] = None,
    tank: Annotated[
        str | None, Query(description="Tank of a body without one.", max_length=_LONGEST)
    ] = None,
    column: Annotated[
        _Pairs, Query(description="A name in the body, as tank=Tag or pressure=PT.")
    ] = [],  # noqa: B006 - FastAPI copies it
    unit: Annotated[
        _Pairs, Query(description="A channel's unit in the body, as pressure=bar.")
    ] = [],  # noqa: B006
    absolute: Annotated[_Pairs, Query(description="A channel whose pressure is absolute.")] = [],  # noqa: B006
    time_zone: Annotated[
        str, Query(description="Zone of times that state none.", max_length=_LONGEST)
    ] = "",
    epoch_unit: Annotated[EpochUnit, Query(description="Unit of numeric times.")] = "auto",
) -> Understanding:
    """Return what the request says of its body; async, so that no thread is asked for it."""
    return Understanding(
        site=_name("site", site),
        tank=_name("tank", tank),
        columns=_pairs("column", column),
        units=_pairs("unit", unit),
        absolute=frozenset(absolute),
        time_zone=time_zone,
        epoch_unit=epoch_unit,
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
