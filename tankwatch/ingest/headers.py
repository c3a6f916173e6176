"""Which column holds what: names, aliases, and units written into the header."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tankwatch.core.units import converter
from tankwatch.errors import SourceError, UsageError
from tankwatch.ingest.options import FileOptions

_ALIASES = {
    "tank": ("tank", "tank_id", "tank_name", "tag"),
    "timestamp": ("timestamp", "datetime", "date_time", "observed_at", "time", "ts", "date"),
    "channel": ("channel", "channel_name", "variable", "measurement"),
    "value": ("value", "reading"),
    "unit": ("unit", "units", "uom"),
}
_UNIT_IN_NAME = re.compile(
    r"(?P<stem>.+?)[\s_]*(?:\[(?P<square>[^\]]+)\]|\((?P<round>[^)]+)\)|[\s_](?P<plain>[^\s_]+))"
)


@dataclass(frozen=True, slots=True)
class ChannelColumn:
    """A column or label that holds a channel; canonical = raw * factor + offset.

    Attributes:
        position: place in the header; -1 for a label.
        channel: place in the store's channels.
        note: what was taken for granted, for the operator; empty where nothing was.
    """

    position: int
    channel: int
    factor: float
    offset: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class LongColumns:
    """Places in the header of the long form's columns."""

    channel: int
    value: int
    unit: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a file holds what; either `wide` or `long` is filled.

    Attributes:
        names: the header as it stands in the file.
        tank: place of the tank's name; None where the options give one tank for all rows.
    """

    names: tuple[str, ...]
    tank: int | None
    timestamp: int
    wide: tuple[ChannelColumn, ...]
    long: LongColumns | None

    @property
    def used(self) -> tuple[int, ...]:
        """Return the places of all columns that are read, in order."""
        long = self.long
        found = [self.tank, self.timestamp, *(column.position for column in self.wide)]
        found += [long.channel, long.value, long.unit] if long else []
        return tuple(sorted({place for place in found if place is not None}))


def find_layout(names: Sequence[str], options: FileOptions, source: str) -> Layout:
    """Return which column of the header `names` holds what.

    Raises:
        SourceError: a column that is needed is missing or stands there twice.
    """
    header = _Header(names, options, source)
    tank, timestamp = header.place("tank"), header.place("timestamp")
    channel, value = header.place("channel"), header.place("value")
    long = None
    if channel is not None and value is not None:
        long = LongColumns(channel, value, header.place("unit"))
    wide = () if long else header.channel_columns()
    missing = [
        *(["tank"] if tank is None and options.default_tank is None else []),
        *(["timestamp"] if timestamp is None else []),
        *([] if wide or long else ["any channel"]),
    ]
    if timestamp is None or missing:
        raise SourceError(header.complaint(missing))
    return Layout(tuple(names), tank, timestamp, wide, long)


def layout_notes(layout: Layout, options: FileOptions) -> tuple[str, ...]:
    """Return what an operator should know: what was taken for granted, which columns are not read.

    Columns that the options skip are meant to be left out and not mentioned.
    """
    skipped = {_plain(name) for name in options.skip_columns}
    ignored = [
        repr(name)
        for place, name in enumerate(layout.names)
        if place not in layout.used and name.strip() and _plain(name) not in skipped
    ]
    notes = tuple(column.note for column in layout.wide if column.note)
    return (*notes, f"columns that are not read: {', '.join(ignored)}") if ignored else notes


def match_label(label: str, unit: str, options: FileOptions) -> ChannelColumn | None:
    """Return the channel that `label` of the long form means; None where the store knows none.

    Raises:
        UsageError: the row's `unit` cannot be turned into the channel's.
    """
    for index, channel in enumerate(options.channels):
        if _plain(label) in {_plain(options.columns.get(channel, channel)), _plain(channel)}:
            return ChannelColumn(-1, index, *options.conversion(channel, unit.strip()))
    for index, channel in enumerate(options.channels):
        written = _unit_of(label, channel, options)
        if written:
            return ChannelColumn(-1, index, *options.conversion(channel, unit.strip() or written))
    return None


class _Header:
    """The header of one file."""

    def __init__(self, names: Sequence[str], options: FileOptions, source: str) -> None:
        self.names = names
        self.options = options
        self.source = source
        skipped = {_plain(name) for name in options.skip_columns}
        self.plain = ["" if _plain(name) in skipped else _plain(name) for name in names]

    def place(self, ours: str) -> int | None:
        """Return where the column for our name `ours` stands; None if it is not there."""
        theirs = self.options.columns.get(ours)
        if theirs is not None:
            return self.mapped(ours, theirs)
        alias = next((alias for alias in _ALIASES[ours] if alias in self.plain), None)
        if alias == "time" and "date" in self.plain:
            message = (
                f"{self.source}: date and time stand in two columns, found {self.found()}: "
                "write them into one column"
            )
            raise SourceError(message)
        return None if alias is None else self.only(alias)

    def mapped(self, ours: str, theirs: str) -> int:
        """Return where the column stands that the options name."""
        if theirs in self.names and self.names.count(theirs) == 1:
            return self.names.index(theirs)
        if _plain(theirs) not in self.plain:
            message = (
                f"{self.source}: no column {theirs!r}, which was named for {ours}; "
                f"found {self.found()}: correct --column {ours}=..."
            )
            raise SourceError(message)
        return self.only(_plain(theirs))

    def only(self, plain: str) -> int:
        """Return the one place of a name."""
        if self.plain.count(plain) > 1:
            message = (
                f"{self.source}: the column {plain!r} stands in the header more than once, "
                f"found {self.found()}: rename all but one"
            )
            raise SourceError(message)
        return self.plain.index(plain)

    def channel_columns(self) -> tuple[ChannelColumn, ...]:
        """Return the columns that hold channels, in the order of the store's channels."""
        columns = [self.channel_column(index) for index in range(len(self.options.channels))]
        return tuple(column for column in columns if column is not None)

    def channel_column(self, index: int) -> ChannelColumn | None:
        """Return the column of one channel: as the options say, by its name, or with a unit."""
        channel = self.options.channels[index]
        theirs = self.options.columns.get(channel)
        if theirs is not None:
            place = self.mapped(channel, theirs)
            unit = _unit_in(self.names[place], channel, self.options)
            return self.column(place, index, unit)
        if _plain(channel) in self.plain:
            return self.column(self.only(_plain(channel)), index, "")
        units = [_unit_of(name, channel, self.options) if name else "" for name in self.plain]
        places = [place for place, unit in enumerate(units) if unit]
        if len(places) > 1:
            several = ", ".join(self.names[place] for place in places)
            message = (
                f"{self.source}: {several} could each be {channel}: "
                f"choose one with --column {channel}=<its name>"
            )
            raise SourceError(message)
        return self.column(places[0], index, units[places[0]]) if places else None

    def column(self, place: int, index: int, unit: str) -> ChannelColumn:
        """Return the column at `place` as a channel's."""
        channel, options = self.options.channels[index], self.options
        note = ""
        if _plain(self.names[place]) != channel:
            taken = options.units.get(channel) or unit or options.canonical.get(channel, "")
            note = f"{channel} is read from the column {self.names[place]!r}"
            note += f" in {taken}" if taken else ""
        return ChannelColumn(place, index, *options.conversion(channel, unit), note)

    def found(self) -> str:
        """Return the header's names for a message."""
        shown = ", ".join(repr(name[:40]) for name in self.names[:20])
        return f"{shown}, ..." if len(self.names) > 20 else shown

    def complaint(self, missing: Sequence[str]) -> str:
        """Return the message about columns that are missing."""
        channels = ", ".join(self.options.channels)
        remedy = "name it with --column <our name>=<name in the file>"
        if "tank" in missing:
            remedy += ", or give the whole file one tank with --tank <name>"
        return (
            f"{self.source}: no column for {' or '.join(missing)}; found {self.found()}; needed "
            f"tank, timestamp and at least one of {channels}, or tank, timestamp, channel, value: "
            f"{remedy}"
        )


def _plain(name: str) -> str:
    """Return `name` as names are compared: no case, no outer spaces, ``_`` between words."""
    return re.sub(r"[\s-]+", "_", name.strip("\ufeff \t\r\n").casefold())


def _unit_of(name: str, channel: str, options: FileOptions) -> str:
    """Return the unit if `name` is `channel` followed by one of its units, else nothing."""
    found = _UNIT_IN_NAME.fullmatch(name.strip())
    is_channel = found is not None and _plain(found["stem"]) == _plain(channel)
    return _unit_in(name, channel, options) if is_channel else ""


def _unit_in(name: str, channel: str, options: FileOptions) -> str:
    """Return the unit at the end of `name` if it is one of the channel's, else nothing."""
    found = _UNIT_IN_NAME.fullmatch(name.strip())
    canonical = options.canonical.get(channel, "")
    if found is None or not canonical:
        return ""
    unit = str(found["square"] or found["round"] or found["plain"]).strip()
    try:
        converter(unit, canonical)
    except UsageError:
        return ""
    return unit
