"""Adding a channel: a nullable column of `reading`, and its place in the views."""

from collections.abc import Mapping

from sqlalchemy import Connection, insert
from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer
from sqlalchemy.dialects.sqlite.base import SQLiteIdentifierPreparer

from tankwatch.errors import UsageError
from tankwatch.store.plant import ChannelRow, check_channel_name, load_channels
from tankwatch.store.views import create_view, reading_columns

READINGS_VIEW_VERSION = 2
_OURS = {"tank_id", "observed_at", "tank", "site", "timestamp"}
_OF_POSTGRESQL = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
# Columns stand unquoted in statements and views, on whichever backend a database is later.
_TAKEN = _OURS | _OF_POSTGRESQL | PGIdentifierPreparer.reserved_words
_TAKEN |= SQLiteIdentifierPreparer.reserved_words - {"temp"}  # which works, and plants use it


def add_channel(connection: Connection, name: str, unit: str) -> None:
    """Add a channel.

    Raises:
        UsageError: the name cannot be a column, or the channel is there already.
    """
    check_channel_name(name)
    if name in _TAKEN:
        message = f"{name!r} is a word of SQL or of every reading already: choose another name"
        raise UsageError(message)
    if name in {channel.name for channel in load_channels(connection)}:
        message = f"the channel {name!r} is there already: see `tankwatch channel list`"
        raise UsageError(message)
    connection.exec_driver_sql(f"ALTER TABLE reading ADD COLUMN {name} DOUBLE PRECISION")
    connection.execute(insert(ChannelRow).values(name=name, unit=unit))
    columns = reading_columns(connection)
    create_view(connection, "dash_readings", READINGS_VIEW_VERSION, channels=columns)


def ensure_channels(connection: Connection, units: Mapping[str, str]) -> list[str]:
    """Add the channels of `units` that are missing, and return their names."""
    known = {channel.name for channel in load_channels(connection)}
    missing = [name for name in units if name not in known]
    for name in missing:
        add_channel(connection, name, units[name])
    return missing
