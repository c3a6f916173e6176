"""A plant of months in a database, made by SQL alone, for the benchmark of the views.

Each tank has 10,000 readings and as many scores, five minutes apart; there are as many tanks as the
number of readings asks for.  On PostgreSQL a month is filled apart, and attached with its key.
"""

# ruff: noqa: S608 - constants only

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import text
from view_queries import END

from tankwatch.store.engine import Connection, Engine, autocommitting, writing
from tankwatch.store.partitions import Partitioned, attach_month, partition_name
from tankwatch.store.plant import ensure_tanks

STEPS, STEP_MS, DAY_MS, HOUR_MS = 10_000, 300_000, 86_400_000, 3_600_000
SITES, HOURLY = 20, 400
END_MS = int(END.timestamp() * 1000)
START_MS = END_MS - STEPS * STEP_MS
INCIDENTS, OPEN, DAYS, QUARTER_H = 20_000, 200, 365, 90 * 24
RUNS = {"watch": 500_000, "deliver": 250_000, "detect": 43_000, "rollup": 8_600, "train": 30}
_MODELS = 60
_READING = "(t * 7919 + s * 104729) % 1000 / 100.0, 20 + (t * 31 + s * 17) % 977 / 50.0"
_SCORE = "(t * 7919 + s * 104729) % 1000 / 990.0"


def fill(engine: Engine, rows: int) -> None:
    """Fill a migrated database with `rows` readings, as many scores, and all that belongs to it."""
    tanks = rows // STEPS
    with writing(engine) as connection:
        for site in range(SITES):
            names = [f"TK-{number:05}" for number in range(site, tanks, SITES)]
            ensure_tanks(connection, names, site=f"site-{site:02}", at=END)
        _run(connection, _plant(engine.name, tanks))
    for table, values in (("reading", _READING), ("score", _SCORE)):
        _fill_steps(engine, table, values, tanks)
    # SQLite plans without statistics, as it does wherever nobody gathers any.
    if engine.name == "postgresql":
        with autocommitting(engine) as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _run(connection: Connection, statements: Iterator[str]) -> None:
    for statement in statements:
        connection.execute(text(statement))


def _fill_steps(engine: Engine, table: Partitioned, values: str, tanks: int) -> None:
    """Fill readings or scores of the tanks with a history."""
    columns = "tank_id, observed_at, pressure, temperature"
    chosen = f"t, {at(engine.name, f'{START_MS} + s * {STEP_MS}')}, {values}"
    if table == "score":
        columns = "tank_id, model_version_id, observed_at, score, flag, channel_id"
        moment = at(engine.name, f"{START_MS} + s * {STEP_MS}")
        flag = f"{values} >= 1" if engine.name == "sqlite" else f"({values} >= 1)"
        chosen = f"t, {_MODELS}, {moment}, {values}, {flag}, 1"
    if engine.name == "sqlite":
        with writing(engine) as connection:
            connection.execute(
                text(
                    f"INSERT INTO {table} ({columns}) SELECT {chosen} "
                    f"FROM {series('sqlite', 't', 1, tanks)} "
                    f"CROSS JOIN {series('sqlite', 's', 0, STEPS - 1)}"
                )
            )
        return
    for month, first, last in _months():
        name = partition_name(table, month)
        with writing(engine) as connection:
            connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
            connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE {table})")
            connection.execute(
                text(
                    f"INSERT INTO {name} ({columns}) SELECT {chosen} "
                    f"FROM {series('postgresql', 's', first, last)} "
                    f"CROSS JOIN {series('postgresql', 't', 1, tanks)}"
                )
            )
            key = "tank_id, observed_at"
            key = key if table == "reading" else "tank_id, model_version_id, observed_at"
            connection.exec_driver_sql(f"ALTER TABLE {name} ADD PRIMARY KEY ({key})")
            attach_month(connection, table, month)


def _months() -> Iterator[tuple[int, int, int]]:
    """Yield each month with its first and last step."""
    moment = datetime.fromtimestamp(START_MS / 1000, UTC)
    while moment < END:
        number = 12 * (moment.year - 1970) + moment.month - 1
        after = datetime(1970 + (number + 1) // 12, (number + 1) % 12 + 1, 1, tzinfo=UTC)
        first, last = (
            int((edge.timestamp() * 1000 - START_MS) // STEP_MS) for edge in (moment, after)
        )
        yield number, first, min(last, STEPS) - 1
        moment = after


def series(backend: str, name: str, first: int, last: int) -> str:
    """Return a table of whole numbers from `first` to `last`, as column `name`."""
    if backend == "postgresql":
        return f"generate_series({first}::bigint, {last}::bigint) AS {name}({name})"
    return (
        f"(WITH RECURSIVE r({name}) AS (SELECT {first} UNION ALL SELECT {name} + 1 FROM r "
        f"WHERE {name} < {last}) SELECT {name} FROM r) AS {name}_"
    )


def at(backend: str, ms: str) -> str:
    """Return epoch milliseconds as a time column holds them."""
    return f"({ms})" if backend == "sqlite" else f"to_timestamp(({ms}) / 1000.0)"


def _plant(backend: str, tanks: int) -> Iterator[str]:
    """Yield the statements that fill every table but readings and scores."""

    def from_(name: str, count: int) -> str:
        return series(backend, name, 0, count - 1)

    def moment(ms: str) -> str:
        return at(backend, ms)

    no = "0" if backend == "sqlite" else "false"
    end, day = moment(str(END_MS)), f"{END_MS} - (d + 1) * {DAY_MS}"
    rolled = "10, 10, 1, 0.99, 20, 19, 21, 19.5, 20.5"
    yield (
        "INSERT INTO model_version (detector, state, reason, trained_at, promoted_at, tanks, "
        "train_windows, excluded_windows, drift, manifest, sha256) SELECT 'fused', "
        f"CASE WHEN m = {_MODELS - 1} THEN 'champion' ELSE 'retired' END, '', "
        f"{moment(f'{END_MS} - ({_MODELS} - m) * {DAY_MS}')}, "
        f"{moment(f'{END_MS} - ({_MODELS} - m) * {DAY_MS}')}, {tanks}, 6000, 12, 0.1, '', '' "
        f"FROM {from_('m', _MODELS)} ORDER BY m"
    )
    yield (
        "INSERT INTO watermark (tank_id, first_reading_at, last_reading_at, claimed_until, "
        f"scored_until) SELECT tank_id, {moment(str(START_MS))}, {end}, {end}, {end} FROM tank"
    )
    yield (
        "INSERT INTO last_score (model_version_id, tank_id, observed_at, score, channel_id) "
        f"SELECT {_MODELS}, tank_id, {end}, tank_id % 97 / 90.0, 1 FROM tank"
    )
    yield (
        f"INSERT INTO plant_day (starts_at, share) SELECT {moment(day)}, 1 FROM {from_('d', DAYS)}"
    )
    yield (
        "INSERT INTO tank_channel (tank_id, channel_id, from_day) SELECT tank_id, channel_id, "
        f"{moment(f'{END_MS - DAYS * DAY_MS}')} FROM tank CROSS JOIN channel"
    )
    # Days of a year and hours of a quarter for some tanks, days of a month for all the others.
    yield (
        "INSERT INTO reading_day (tank_id, starts_at, channel_id, readings, valid, filled_share, "
        "quality_share, mean, low, high, first_value, last_value) "
        f"SELECT tank_id, {moment(day)}, channel_id, {rolled} FROM tank CROSS JOIN channel "
        f"CROSS JOIN {from_('d', DAYS)} WHERE d < 31 OR tank_id <= {HOURLY}"
    )
    yield (
        "INSERT INTO reading_hour (tank_id, starts_at, channel_id, readings, valid, filled_share, "
        "quality_share, mean, low, high, first_value, last_value) "
        f"SELECT tank_id, {moment(f'{END_MS} - (h + 1) * {HOUR_MS}')}, channel_id, {rolled} "
        f"FROM tank CROSS JOIN channel CROSS JOIN {from_('h', QUARTER_H)} "
        f"WHERE tank_id <= {HOURLY}"
    )
    raised = f"{END_MS} - ({INCIDENTS} - i) * {DAYS * DAY_MS // INCIDENTS}"
    yield (
        "INSERT INTO incident (uid, tank_id, state, severity, detector, channel_id, share, symptom,"
        " started_at, raised_at, ended_at, acknowledged_at, acknowledged_by, closed_at, peak_score,"
        " historical, nature) SELECT 'u' || i, "
        f"1 + i * 37 % {tanks}, "
        f"CASE WHEN i >= {INCIDENTS - OPEN} THEN 'unacknowledged' ELSE 'closed' END, "
        "CASE WHEN i % 5 = 0 THEN 'journal' ELSE 'alarm' END, 'fused', 1 + i % 2, 1, "
        f"'above_expected', {moment(f'{raised} - 600000')}, {moment(raised)}, "
        f"CASE WHEN i < {INCIDENTS - OPEN} THEN {moment(f'{raised} + 3600000')} END, "
        f"CASE WHEN i < {INCIDENTS - OPEN} THEN {moment(f'{raised} + 300000')} END, 'kim', "
        f"CASE WHEN i < {INCIDENTS - OPEN} THEN {moment(f'{raised} + 3600000')} END, "
        f"1 + i % 50 / 10.0, {no}, 'process' FROM {from_('i', INCIDENTS)} ORDER BY i"
    )
    yield (
        "INSERT INTO label (tank_id, incident_id, started_at, verdict, cause, labelled_by, "
        "labelled_at) SELECT tank_id, incident_id, started_at, CASE WHEN incident_id % 3 = 0 "
        "THEN 'not_a_fault' ELSE 'real_fault' END, '', 'kim', raised_at FROM incident "
        "WHERE incident_id % 5 < 3"
    )
    for kind in ("alarm", "all_clear"):
        yield (
            "INSERT INTO outbox (incident_id, kind, message_id, thread_id, state, reason, attempts,"
            f" queued_at, next_attempt_at, sent_at, last_error) SELECT incident_id, '{kind}', "
            f"'{kind}' || incident_id, 'alarm' || incident_id, 'sent', '', 1, raised_at, raised_at,"
            " raised_at, '' FROM incident WHERE severity = 'alarm'"
        )
    yield (
        "INSERT INTO delivery (outbox_id, at, outcome, detail) "
        "SELECT outbox_id, sent_at, 'sent', '' FROM outbox"
    )
    yield (
        "INSERT INTO site_incident (uid, site_id, kind, channel_id, started_at, raised_at, "
        f"ended_at) SELECT 's' || i, 1 + i % {SITES}, 'above', 1, {moment(raised)}, "
        f"{moment(raised)}, CASE WHEN i < 195 THEN {moment(f'{raised} + 3600000')} END "
        f"FROM {from_('i', 200)}"
    )
    yield (
        "INSERT INTO site_member (site_incident_id, incident_id) "
        "SELECT 1 + incident_id % 200, incident_id FROM incident WHERE incident_id <= 2000"
    )
    for job, runs in RUNS.items():
        every_ms = 30 * DAY_MS // runs
        began = f"{END_MS} - ({runs} - n) * {every_ms}"
        yield (
            "INSERT INTO job_run (job, started_at, finished_at, outcome, rows, lag_s, detail) "
            f"SELECT '{job}', {moment(began)}, {moment(f'{began} + 900')}, "
            f"CASE WHEN n % 1000 = 999 THEN 'failed' ELSE 'done' END, 10, 1.5, '' "
            f"FROM {from_('n', runs)} ORDER BY n"
        )
