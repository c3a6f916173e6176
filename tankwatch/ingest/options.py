"""How a file of readings is to be understood."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tankwatch.core.units import ATMOSPHERIC_KPA, PRESSURE, TEMPERATURE, converter
from tankwatch.errors import UsageError

EpochUnit = Literal["auto", "s", "ms", "us", "ns"]
EPOCH_UNITS: tuple[EpochUnit, ...] = ("auto", "s", "ms", "us", "ns")
ROW_NAMES = ("tank", "timestamp", "channel", "value")
CANONICAL = {"pressure": PRESSURE, "temperature": TEMPERATURE}


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a file of readings is to be understood.

    Attributes:
        channels: channels that the store knows, in order.
        canonical: unit in which each channel is kept; a channel without one passes unchanged.
        columns: the file's name for ``tank``, ``timestamp``, ``channel``, ``value`` or a channel.
        units: unit of each channel in the file; wins over a unit in the header.
        absolute: channels that hold absolute pressure in the file.
        atmospheric_kpa: subtracted from absolute pressure.
        time_zone: IANA zone of times that state none.
        epoch_unit: unit of numeric times; ``auto`` tells by their size.
        encoding: ``auto`` (byte order mark, else UTF-8, else Windows-1252) or a codec's name.
        default_tank: tank of a file that has no column for it.
        known_tanks: tanks that may have readings; None lets any.
        foreign_tanks: tanks of sites that the source may not write to.
        skip_columns: columns that are never read.
        chunk_bytes: text that is taken at a time, in bytes after unpacking.
        chunk_rows: Parquet rows that are taken at a time.
        latest_ms: epoch milliseconds; a later time is quarantined; None for no limit.
    """

    channels: tuple[str, ...]
    canonical: Mapping[str, str] = field(default_factory=lambda: CANONICAL)
    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    absolute: frozenset[str] = frozenset()
    atmospheric_kpa: float = ATMOSPHERIC_KPA
    time_zone: str = "UTC"
    epoch_unit: EpochUnit = "auto"
    encoding: str = "auto"
    default_tank: str | None = None
    known_tanks: frozenset[str] | None = None
    foreign_tanks: frozenset[str] = frozenset()
    skip_columns: tuple[str, ...] = ()
    chunk_bytes: int = 4 << 20
    chunk_rows: int = 100_000
    latest_ms: int | None = None

    def __post_init__(self) -> None:
        _refuse_unknown("column", self.columns, (*ROW_NAMES, *self.channels))
        _refuse_unknown("unit", self.units, self.channels)
        _refuse_unknown("absolute pressure", self.absolute, self.channels)
        if self.epoch_unit not in EPOCH_UNITS:
            message = f"{self.epoch_unit!r} is no unit of time: use {', '.join(EPOCH_UNITS)}"
            raise UsageError(message)
        if min(self.chunk_bytes, self.chunk_rows) < 1:
            message = "a chunk must hold at least one byte and one row: raise chunk_bytes"
            raise UsageError(message)
        if self.default_tank is not None and not self.default_tank.strip():
            message = "the tank for the whole file has no name: give one, or leave it out"
            raise UsageError(message)
        _check_zone(self.time_zone)
        _check_encoding(self.encoding)
        for channel in self.channels:
            self.conversion(channel)

    def conversion(self, channel: str, header_unit: str = "") -> tuple[float, float]:
        """Return (factor, offset) that turn the file's values of `channel` into canonical ones."""
        try:
            return converter(
                self.units.get(channel) or header_unit,
                self.canonical.get(channel, ""),
                absolute=channel in self.absolute,
                atmospheric_kpa=self.atmospheric_kpa,
            )
        except UsageError as error:
            message = f"channel {channel}: {error}"
            raise UsageError(message) from None


def _refuse_unknown(
    what: str, names: Mapping[str, str] | frozenset[str], allowed: tuple[str, ...]
) -> None:
    for name in names:
        if name not in allowed:
            message = f"{what} of {name!r}: there is no such name, use one of {', '.join(allowed)}"
            raise UsageError(message)


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{name!r} is not a time zone: use an IANA name, for instance Europe/Oslo"
        raise UsageError(message) from error


def _check_encoding(name: str) -> None:
    try:
        if name != "auto":
            "".encode(name)
    except LookupError as error:
        message = f"{name!r} is not an encoding: use auto, utf-8, utf-16, latin-1 or cp1252"
        raise UsageError(message) from error
