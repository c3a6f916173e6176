"""The usual query of each panel, as dashboards put it, and what it stands beside.

A time is asked for as each backend indexes it: on SQLite through the column in milliseconds, on
PostgreSQL through the time itself.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# The readings that are measured end here.
END = datetime(2026, 3, 28, tzinfo=UTC)
_AGO = {
    name: END - timedelta(days=days)
    for name, days in (("day", 1), ("week", 7), ("month", 31), ("quarter", 90))
}
GIVEN: dict[str, Any] = {
    "tank": "TK-00100",
    "site": "site-03",
    "month_text": _AGO["month"].date().isoformat(),
    **{name: int(moment.timestamp() * 1000) for name, moment in _AGO.items()},
}


def given(query: str) -> dict[str, Any]:
    """Return the parameters that a query names."""
    return {name: value for name, value in GIVEN.items() if re.search(rf":{name}\b", query)}


@dataclass(frozen=True, slots=True)
class Usual:
    """A panel's query.

    Attributes:
        panel: what it shows.
        query: over the views; ``{since:day}`` becomes a filter on `column` from a parameter on.
        against: the name of the alternative.
        other: the alternative, over tables or an older version of the view (``old_dash_...``).
        column: the view's time, without ``_at`` or ``_ms``.
    """

    panel: str
    query: str
    against: str
    other: str
    column: str = "observed"

    def sql(self, backend: str) -> str:
        """Return the query in the words of a backend."""
        return _put(self.query, backend, self.column)

    def other_sql(self, backend: str) -> str:
        """Return the alternative in the words of a backend."""
        return _put(self.other, backend, self.column)


def _put(query: str, backend: str, column: str) -> str:
    for name in _AGO:
        if backend == "sqlite":
            view, raw = f"{column}_ms >= :{name}", f"observed_at >= :{name}"
            text = f"strftime('%Y-%m-%dT%H:%M:%fZ', :{name} / 1000.0, 'unixepoch')"
        else:
            view = f"{column}_at >= to_timestamp(CAST(:{name} AS float8) / 1000)"
            raw = f"observed_at >= to_timestamp(CAST(:{name} AS float8) / 1000)"
            text = f"to_timestamp(CAST(:{name} AS float8) / 1000)"
        if column == "hour" and backend == "postgresql":
            view = f"hour >= to_timestamp(CAST(:{name} AS float8) / 1000)"
        query = query.replace(f"{{since:{name}}}", view).replace(f"{{raw:{name}}}", raw)
        query = query.replace(f"{{text:{name}}}", text)
    hour = {
        "sqlite": "observed_at / 3600000",
        "postgresql": "date_trunc('hour', observed_at, 'UTC')",
    }
    return query.replace("{hour}", hour[backend])


_READINGS = "SELECT observed_at, pressure, temperature FROM dash_readings"
_SCORES = "SELECT observed_at, score, flag FROM dash_scores"
_OLD_TIME = "the older view, filtered by the time as shown"
_HOUR = (
    "SELECT {hour}, avg(pressure), min(pressure), max(pressure) FROM reading WHERE tank_id = "
    "(SELECT tank_id FROM tank WHERE name = :tank) AND {raw:month} GROUP BY 1 ORDER BY 1"
)

USUAL = (
    Usual(
        "a tank's last day of readings",
        f"{_READINGS} WHERE tank = :tank AND {{since:day}} ORDER BY observed_at",
        _OLD_TIME,
        "SELECT observed_at, pressure, temperature FROM old_dash_readings "
        "WHERE tank = :tank AND observed_at >= {text:day} ORDER BY observed_at",
    ),
    Usual(
        "a tank's last week of readings",
        f"{_READINGS} WHERE tank = :tank AND {{since:week}} ORDER BY observed_at",
        _OLD_TIME,
        "SELECT observed_at, pressure, temperature FROM old_dash_readings "
        "WHERE tank = :tank AND observed_at >= {text:week} ORDER BY observed_at",
    ),
    Usual(
        "a tank's last day of scores",
        f"{_SCORES} WHERE tank = :tank AND {{since:day}} ORDER BY observed_at",
        _OLD_TIME,
        "SELECT observed_at, score, flag FROM old_dash_scores "
        "WHERE tank = :tank AND observed_at >= {text:day} ORDER BY observed_at",
    ),
    Usual(
        "a tank's last week of scores",
        f"{_SCORES} WHERE tank = :tank AND {{since:week}} ORDER BY observed_at",
        _OLD_TIME,
        "SELECT observed_at, score, flag FROM old_dash_scores "
        "WHERE tank = :tank AND observed_at >= {text:week} ORDER BY observed_at",
    ),
    Usual(
        "the fleet by state",
        "SELECT state, count(*) FROM dash_tank_status GROUP BY state",
        "the older view",
        "SELECT state, count(*) FROM old_dash_tank_status GROUP BY state",
    ),
    Usual(
        "a site's tanks, the worst first",
        "SELECT * FROM dash_tank_status WHERE site = :site ORDER BY score DESC",
        "the older view",
        "SELECT * FROM old_dash_tank_status WHERE site = :site ORDER BY score DESC",
    ),
    Usual(
        "a tank's status",
        "SELECT * FROM dash_tank_status WHERE tank = :tank",
        "the older view",
        "SELECT * FROM old_dash_tank_status WHERE tank = :tank",
    ),
    Usual(
        "open incidents",
        "SELECT * FROM dash_incidents WHERE state <> 'closed' ORDER BY started_at DESC",
        "the older view",
        "SELECT * FROM old_dash_incidents WHERE state <> 'closed' ORDER BY started_at DESC",
    ),
    Usual(
        "a month's incidents",
        "SELECT * FROM dash_incidents WHERE {since:month} ORDER BY started_at DESC",
        _OLD_TIME,
        "SELECT * FROM old_dash_incidents WHERE started_at >= {text:month} "
        "ORDER BY started_at DESC",
        column="started",
    ),
    Usual(
        "incidents of whole sites",
        "SELECT * FROM dash_site_incidents ORDER BY started_at DESC",
        "",
        "",
    ),
    Usual(
        "alarm figures by day for a month",
        "SELECT * FROM dash_alarm_kpis WHERE day >= :month_text ORDER BY day, site",
        "the older view",
        "SELECT * FROM old_dash_alarm_kpis WHERE day >= :month_text ORDER BY day, site",
    ),
    Usual(
        "jobs",
        "SELECT * FROM dash_job_health ORDER BY job",
        "the older view",
        "SELECT * FROM old_dash_job_health ORDER BY job",
    ),
    Usual("models", "SELECT * FROM dash_model_health ORDER BY trained_at DESC", "", ""),
    Usual(
        "a tank's hours for a month",
        "SELECT hour, mean, min, max FROM dash_readings_hourly WHERE tank = :tank "
        "AND channel = 'pressure' AND {since:month} ORDER BY hour",
        "readings grouped by hour",
        _HOUR,
        column="hour",
    ),
    Usual(
        "a tank's hours for three months",
        "SELECT hour, mean, min, max FROM dash_readings_hourly WHERE tank = :tank "
        "AND channel = 'pressure' AND {since:quarter} ORDER BY hour",
        "readings grouped by hour, of which there is a month",
        _HOUR,
        column="hour",
    ),
    Usual(
        "a tank's days for a year",
        "SELECT day, mean, min, max FROM dash_readings_daily WHERE tank = :tank "
        "AND channel = 'pressure' ORDER BY day",
        "readings grouped by hour, of which there is a month",
        _HOUR,
    ),
    Usual(
        "a tank's data quality for a month",
        "SELECT * FROM dash_data_quality WHERE tank = :tank AND day >= :month_text ORDER BY day",
        "",
        "",
    ),
    Usual(
        "a site's data quality of the last day",
        "SELECT * FROM dash_data_quality WHERE site = :site AND {since:day} ORDER BY completeness",
        "",
        "",
        column="day",
    ),
)
