"""What Prometheus scrapes: the plant as the database has it now, and the posts of this server."""

import hmac
import threading
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Info
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tankwatch import __version__, clock
from tankwatch.errors import ProblemError, StoreError
from tankwatch.store.engine import Engine, reading
from tankwatch.store.gauges import Gauges, load_gauges
from tankwatch.web.page_password import is_local
from tankwatch.web.service import Service

router = APIRouter(include_in_schema=False)
POSTS = "/api/v1/readings"
Row = Sequence[Any]
# Field of the gauges, name, help, names of the labels; the last value of a row is the figure.
_PLAIN = (
    ("states", "tanks", "Tanks in each state.", ("site", "state")),
    ("quarantined", "quarantined_last_day", "Rows refused in the last 24 hours.", ("reason",)),
    ("incidents", "incidents_open", "Incidents not closed.", ("site", "severity", "state")),
    (
        "raised",
        "incidents_raised_last_day",
        "Incidents raised in the last 24 hours.",
        ("site", "severity"),
    ),
    ("messages", "outbox_messages", "Messages in each state.", ("state",)),
    ("values", "newest_day_values", "Values of the newest UTC day.", ("site",)),
)
_JOB = ("job",)


def may_scrape(request: Request) -> None:
    """Let a request pass that may scrape.

    Raises:
        ProblemError: 401, it shows no token or a wrong one; 403, there is no token and it does not
            come from this machine.
    """
    token = request.app.state.service.settings.serve.metrics_token.get_secret_value()
    if not token:
        if is_local(request):
            return
        what = "there is no token for scrapes, so only this machine may scrape"
        remedy = "set serve.metrics_token on the server and start it again"
        raise ProblemError(403, what, where="server", remedy=remedy)
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    told = shown.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() != "bearer" or not hmac.compare_digest(told, token.encode()):
        raise ProblemError(
            401,
            "a scrape shows the token of serve.metrics_token",
            where="header Authorization",
            remedy="set `authorization` with `credentials_file` in Prometheus' scrape_config",
            www_authenticate="Bearer",
        )


@router.get("/metrics")
def scrape(request: Request, _may: Annotated[None, Depends(may_scrape)]) -> Response:
    """Answer a scrape, in the format that it asks for."""
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    figures: Figures = request.app.state.figures
    return Response(encode(figures.registry), headers={"Content-Type": kind})


class Figures:
    """The registry of one server."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        info = Info("tankwatch_build", "The program that answers.", registry=self.registry)
        info.info({"version": __version__})
        self.posts = Counter(
            "tankwatch_http_posts", "Posts of readings.", ("status",), registry=self.registry
        )
        places = Gauge(
            "tankwatch_http_places_free", "Posts that could be taken now.", registry=self.registry
        )
        places.set_function(lambda: service.free_places)
        self.registry.register(OfDatabase(service.engine))


class OfDatabase:
    """What the database knows, asked anew by each scrape, one at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._one = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Return nothing: nobody is asked before the first scrape."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield every family; without a database only that it does not answer."""
        up = GaugeMetricFamily("tankwatch_database_up", "Whether the database answers.")
        try:
            with self._one, reading(self._engine) as connection:
                gauges = load_gauges(connection, now=clock.now())
        except StoreError:
            up.add_metric((), 0)
            return [up]
        up.add_metric((), 1)
        return [up, *_plant(gauges), *_jobs(gauges), *_models(gauges)]


def _plant(gauges: Gauges) -> Iterable[Metric]:
    for field, name, told, labels in _PLAIN:
        yield _gauge(name, told, labels, getattr(gauges, field))
    last, day = gauges.last_readings, gauges.arrivals
    for name, told, rows in (
        ("last_reading", "Newest reading of the site.", [(s, new) for s, new, _ in last]),
        ("stalest_tank", "Last reading of its stalest tank.", [(s, old) for s, _, old in last]),
    ):
        yield _gauge(f"{name}_timestamp_seconds", told, ("site",), _seconds(rows))
    yield _gauge(
        "newest_day_late_values", "Those that came late.", ("site",), [(s, n) for s, n, _ in day]
    )
    yield _gauge(
        "newest_day_contradicted_values",
        "Those that a later message contradicted.",
        ("site",),
        [(s, n) for s, _, n in day],
    )
    yield _gauge(
        "outbox_oldest_pending_timestamp_seconds",
        "When the oldest message that is still to be sent was queued.",
        (),
        _seconds(gauges.waiting),
    )
    tries = CounterMetricFamily(
        "tankwatch_deliveries", "Tries to send a message.", labels=("outcome",)
    )
    for outcome, count in gauges.deliveries:
        tries.add_metric((outcome,), count)
    yield tries


def _jobs(gauges: Gauges) -> Iterable[Metric]:
    rows = gauges.jobs
    outcomes = [(job, outcome, 1) for job, outcome, *_ in rows]
    yield _gauge("job_last_outcome", "How the last run ended.", ("job", "outcome"), outcomes)
    for place, name, told in (
        (2, "job_last_rows", "Rows of the last run."),
        (3, "job_last_duration_seconds", "How long the last run took."),
        (4, "job_last_lag_seconds", "How far the last run was behind."),
        (5, "job_consecutive_failures", "Failures since it was last done."),
    ):
        yield _gauge(name, told, _JOB, [(row[0], row[place]) for row in rows])
    began = [(job, start) for job, start, _ in gauges.runs]
    done = [(job, end) for job, _, end in gauges.runs]
    yield _gauge("job_last_start_timestamp_seconds", "Last begun.", _JOB, _seconds(began))
    yield _gauge("job_last_done_timestamp_seconds", "Last done.", _JOB, _seconds(done))


def _models(gauges: Gauges) -> Iterable[Metric]:
    rows, of = gauges.models, ("detector",)
    versions = [(row[0], str(row[1]), 1) for row in rows]
    yield _gauge("model_in_use", "The version in use.", ("detector", "version"), versions)
    for place, name in ((2, "trained"), (3, "promoted")):
        moments = _seconds([(row[0], row[place]) for row in rows])
        yield _gauge(f"model_{name}_timestamp_seconds", f"When it was {name}.", of, moments)
    drift = [(row[0], row[4]) for row in rows]
    yield _gauge("model_drift_psi", "Population stability index of its scores.", of, drift)


def _gauge(name: str, told: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """Return a family; a row is its labels and its figure, and one without a figure is left out."""
    family = GaugeMetricFamily(f"tankwatch_{name}", told, labels=labels)
    for row in rows:
        if row[-1] is not None:
            family.add_metric([str(label) for label in row[:-1]], float(row[-1]))
    return family


def _seconds(rows: Iterable[Row]) -> list[Row]:
    return [(*row[:-1], None if row[-1] is None else row[-1] / 1000) for row in rows]


class Counted:
    """An application whose answers to posts of readings are counted."""

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        self.app = app
        self._posts = figures.posts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != POSTS:
            await self.app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._posts.labels(str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, counted)
