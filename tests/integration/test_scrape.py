"""What Prometheus scrapes, over a real port."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tankwatch import clock
from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, connect, writing
from tankwatch.store.outbox import add_deliveries, load_messages
from tests.integration.test_store_views import T0_MS, plant
from tests.integration.web_server import Served, served

__all__ = ["plant"]
TOKEN = "a token of a scrape, long enough"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    return {
        (one.name.removeprefix("tankwatch_"), frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


@pytest.fixture
def web(plant: Engine) -> Iterator[Served]:
    with served(plant) as found:
        yield found


def scraped(web: Served) -> Samples:
    answer = web.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return samples(answer.text)


def test_a_scrape_shows_the_plant(web: Served) -> None:
    found = scraped(web)

    def figure(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert figure("database_up") == 1
    assert figure("tanks", site="north", state="stale") == 1
    assert figure("tanks", site="south", state="learning") == 1
    assert figure("last_reading_timestamp_seconds", site="north") == T0_MS / 1000
    open_alarms = {"site": "north", "severity": "alarm"}
    assert figure("incidents_open", **open_alarms, state="acknowledged") == 1
    assert figure("outbox_messages", state="sent") == 1
    assert figure("outbox_messages", state="pending") == 1
    assert figure("outbox_oldest_pending_timestamp_seconds") == int(T0_MS / 1000) + 0.125
    assert figure("job_last_outcome", job="detect", outcome="failed") == 1
    assert figure("job_consecutive_failures", job="detect") == 2
    assert figure("job_last_lag_seconds", job="watch") == 0.5
    assert figure("job_last_done_timestamp_seconds", job="watch") == T0_MS / 1000 + 61.5
    assert figure("model_in_use", detector="autoencoder", version="2") == 1
    assert figure("model_trained_timestamp_seconds", detector="autoencoder") == T0_MS / 1000
    assert not [labels for _, labels in found if "tank" in dict(labels)]


def test_posts_are_counted_by_their_answer(web: Served) -> None:
    web.post("tank,timestamp,pressure\nT1,2026-03-02T00:00:00Z,1\n")
    web.client.post("/api/v1/readings", content="x")
    found = scraped(web)
    assert found["http_posts_total", frozenset({("status", "200")})] == 1
    assert found["http_posts_total", frozenset({("status", "401")})] == 1
    assert found["http_places_free", frozenset()] == 32


def test_tries_to_send_are_counted_by_what_came_of_them(web: Served, plant: Engine) -> None:
    before = scraped(web)
    with writing(plant) as connection:
        (key, *_) = [one.outbox_id for one in load_messages(connection)]
        for outcome, tries in (("sent", 2), ("held", 1)):
            add_deliveries(connection, [key] * tries, clock.now(), outcome, "")
    after = scraped(web)
    for outcome, tries in (("sent", 2), ("held", 1)):
        name = ("deliveries_total", frozenset({("outcome", outcome)}))
        assert after[name] - before.get(name, 0) == tries


@pytest.mark.parametrize(
    ("shown", "status"),
    [(f"Bearer {TOKEN}", 200), (f"Basic {TOKEN}", 401), ("Bearer wrong", 401), ("", 401)],
)
def test_with_a_token_it_is_asked_for(engine: Engine, shown: str, status: int) -> None:
    with served(engine, Settings(serve={"metrics_token": TOKEN})) as web:  # type: ignore[arg-type]
        answer = web.client.get("/metrics", headers={"authorization": shown})
        assert answer.status_code == status


def test_without_a_token_only_this_machine_scrapes(engine: Engine) -> None:
    with served(engine) as web:
        assert web.client.get("/metrics").status_code == 200
        answer = web.client.get("/metrics", headers={"host": "tankwatch.example"})
        assert answer.status_code == 403
        assert "serve.metrics_token" in answer.json()["remedy"]


def test_a_database_that_does_not_answer_is_told(database_url: str) -> None:
    engine = connect(database_url)
    with served(engine) as web:
        with writing(engine) as connection:
            connection.exec_driver_sql("DROP VIEW dash_job_health")
        answer: httpx.Response = web.client.get("/metrics")
        assert samples(answer.text)["database_up", frozenset()] == 0
    engine.dispose()


def test_the_page_names_every_figure(web: Served) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/prometheus.md").read_text("utf-8")
    families = text_string_to_metric_families(web.client.get("/metrics").text)
    names = {family.name.removeprefix("tankwatch_") for family in families}
    assert [name for name in names if not re.search(rf"`{name}(_info|_total)?`", page)] == [
        name for name in names if name.endswith("_created")
    ]
