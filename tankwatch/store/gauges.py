"""What a scrape shows: the state of the plant in a few short queries, by site and never by tank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from tankwatch.store.sql import is_sqlite, ms_column, ms_parameter

_DAY_MS = 86_400_000
_OF_TANK = "JOIN tank ON tank.tank_id = {0}.tank_id JOIN site ON site.site_id = tank.site_id"


@dataclass(frozen=True, slots=True)
class Gauges:
    """The plant at one moment; times in epoch milliseconds, None where there is none.

    Attributes:
        states: site, state of `dash_tank_status`, tanks.
        last_readings: site, newest last reading of its tanks, oldest last reading of its tanks.
        values: site, values of the newest UTC day that was rolled up.
        arrivals: site, values of that day that came late, values that contradicted a stored one.
        quarantined: reason, rows refused in the last 24 hours.
        incidents: site, severity, state, incidents that are not closed.
        raised: site, severity, incidents raised in the last 24 hours.
        messages: state, messages.
        waiting: when the oldest message that is still to be sent was queued.
        deliveries: outcome, tries.
        models: detector, version, trained, promoted, drift of each model in use.
        jobs: job, outcome, rows, seconds, lag, failures since it was last done.
        runs: job, when its last run began, when it was last done.
    """

    states: Sequence[tuple[Any, ...]]
    last_readings: Sequence[tuple[Any, ...]]
    values: Sequence[tuple[Any, ...]]
    arrivals: Sequence[tuple[Any, ...]]
    quarantined: Sequence[tuple[Any, ...]]
    incidents: Sequence[tuple[Any, ...]]
    raised: Sequence[tuple[Any, ...]]
    messages: Sequence[tuple[Any, ...]]
    waiting: Sequence[tuple[Any, ...]]
    deliveries: Sequence[tuple[Any, ...]]
    models: Sequence[tuple[Any, ...]]
    jobs: Sequence[tuple[Any, ...]]
    runs: Sequence[tuple[Any, ...]]


def load_gauges(connection: Connection, *, now: datetime) -> Gauges:
    """Return the plant as it is at `now`."""
    given = {"since": int(now.timestamp() * 1000) - _DAY_MS}
    found = {
        name: [tuple(row) for row in connection.execute(text(query), _named(query, given))]
        for name, query in _queries(connection).items()
    }
    return Gauges(**found)


def _named(query: str, given: Mapping[str, int]) -> dict[str, int]:
    return {name: value for name, value in given.items() if f":{name}" in query}


def _queries(connection: Connection) -> dict[str, str]:
    since = ms_parameter(connection, ":since")

    def ms(column: str) -> str:
        return ms_column(connection, column)

    def shown_ms(column: str) -> str:
        """Return a time of a view as epoch milliseconds: on SQLite it is shown as text."""
        if is_sqlite(connection):
            return f"CAST(round((julianday({column}) - 2440587.5) * {_DAY_MS}) AS bigint)"
        return ms_column(connection, column)

    newest_day = "(SELECT max(starts_at) FROM plant_day)"
    return {
        "states": "SELECT site, state, count(*) FROM dash_tank_status GROUP BY site, state",
        "last_readings": f"SELECT site.name, {ms('max(w.last_reading_at)')}, "  # noqa: S608
        f"{ms('min(w.last_reading_at)')} FROM watermark w {_OF_TANK.format('w')} "
        "WHERE w.last_reading_at IS NOT NULL GROUP BY site.name",
        "values": f"SELECT site.name, sum(r.readings) FROM reading_day r {_OF_TANK.format('r')} "  # noqa: S608
        f"WHERE r.starts_at = {newest_day} GROUP BY site.name",
        "arrivals": "SELECT site.name, sum(a.late), sum(a.contradicted) "  # noqa: S608
        f"FROM arrival_day a {_OF_TANK.format('a')} WHERE a.day_at = {newest_day} "
        "GROUP BY site.name",
        "quarantined": "SELECT reason, count(*) FROM quarantine "  # noqa: S608
        f"WHERE received_at > {since} GROUP BY reason",
        "incidents": "SELECT site.name, i.severity, i.state, count(*) "  # noqa: S608
        f"FROM incident i {_OF_TANK.format('i')} WHERE i.state <> 'closed' "
        "GROUP BY site.name, i.severity, i.state",
        "raised": "SELECT site.name, i.severity, count(*) "  # noqa: S608
        f"FROM incident i {_OF_TANK.format('i')} WHERE i.raised_at > {since} "
        "GROUP BY site.name, i.severity",
        "messages": "SELECT state, count(*) FROM outbox GROUP BY state",
        "waiting": f"SELECT {ms('min(queued_at)')} FROM outbox WHERE state = 'pending'",  # noqa: S608
        "deliveries": "SELECT outcome, count(*) FROM delivery GROUP BY outcome",
        "models": f"SELECT detector, model_version_id, {ms('trained_at')}, {ms('promoted_at')}, "  # noqa: S608
        "drift FROM model_version WHERE state = 'champion'",
        "jobs": "SELECT job, last_outcome, rows, seconds, lag_s, consecutive_failures "
        "FROM dash_job_health",
        "runs": f"SELECT job, {shown_ms('last_started_at')}, {shown_ms('last_done_at')} "  # noqa: S608
        "FROM dash_job_health",
    }
