"""What is refused over HTTP: each error says what, where and the remedy."""

import gzip
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tankwatch.settings import Settings
from tankwatch.store.engine import Engine, reading, writing
from tankwatch.store.tokens import revoke_token
from tests.integration.web_server import NOW, Served, make_token, served

ROW = "T1,2026-03-02T06:30:00Z,1\n"
CSV = f"tank,timestamp,pressure\n{ROW}"
SMALL = {"body_mb": 0.01, "unpacked_mb": 0.1, "waiting_posts": 1, "body_timeout_s": 0.5}


@pytest.fixture
def web(engine: Engine) -> Iterator[Served]:
    with served(engine, Settings(serve=SMALL)) as found:  # type: ignore[arg-type]
        yield found


def refusal(answer: httpx.Response, status: int, where: str) -> dict[str, Any]:
    """Return the body of an answer that refuses, which says what, where and the remedy."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["where"]) == (status, where)
    assert body["title"]
    assert body["remedy"]
    return body


def readings(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(text("SELECT count(*) FROM reading")).scalar_one())


@pytest.mark.parametrize(
    ("shown", "what"),
    [
        ("", "shows no bearer token"),
        ("Basic abc", "shows no bearer token"),
        ("Bearer", "shows no bearer token"),
        ("Bearer secret", "not one of tankwatch's"),
        (f"Bearer tw_{'0' * 16}_{'x' * 43}", "not known here"),
    ],
)
def test_request_without_a_sound_token_is_refused(
    engine: Engine, web: Served, shown: str, what: str
) -> None:
    answer = web.post(CSV, headers={"authorization": shown})
    body = refusal(answer, 401, "header Authorization")
    assert what in body["title"]
    assert "tankwatch token add" in body["remedy"]
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert readings(engine) == 0


def test_revoked_token_is_refused_from_the_next_request_on(engine: Engine, web: Served) -> None:
    assert web.post(CSV).status_code == 200
    with writing(engine) as connection:
        revoke_token(connection, "gateway", at=NOW)
    assert "revoked" in refusal(web.post(CSV), 401, "header Authorization")["title"]


def test_site_out_of_the_tokens_scope_is_refused(web: Served) -> None:
    body = refusal(web.post(CSV, params={"site": "south"}), 403, "query site")
    assert "'south'" in body["title"]
    assert "north" in body["remedy"]
    assert web.post(CSV, params={"site": "north"}).status_code == 200


def test_token_of_several_sites_must_say_where_new_tanks_belong(
    engine: Engine, web: Served
) -> None:
    token = make_token(engine, "two", "east", "west")
    headers = {"authorization": f"Bearer {token}"}
    assert "east, west" in refusal(web.post(CSV, headers=headers), 422, "query site")["remedy"]
    assert web.post(CSV, headers=headers, params={"site": "east"}).status_code == 200


@pytest.mark.parametrize(
    ("kind", "content", "what", "remedy"),
    [
        ("text/csv", "", "the body is empty", "send at least one reading"),
        ("text/csv", "time,pressure\n1,2\n", "no column for tank", "the query parameter column"),
        ("text/csv", "tank,timestamp,pressure\n", "a header but no row", "check what wrote"),
        ("application/json", '[{"tank": "T1"', "not a JSON document", "one object a line"),
        ("application/json", "[]", "holds no object", "send an object, or a list"),
        ("application/json", "[1, 2]", "holds no object", "send an object, or a list"),
        ("application/json", '{"tank": "\\ud800"}', "not a JSON document", "an object"),
        ("application/json", "[" * 100_000, "", ""),
        ("application/x-ndjson", "[1]\n", "no JSON object", "one object a line"),
        ("text/csv", gzip.compress(CSV.encode(), mtime=0), "packed twice", "pack it once"),
    ],
)
def test_malformed_body_is_refused(
    engine: Engine, web: Served, kind: str, content: str | bytes, what: str, remedy: str
) -> None:
    if len(content) > 10_000:
        content = gzip.compress(str(content).encode())
        answer = web.post(content, kind, headers={"content-encoding": "gzip"})
    else:
        answer = web.post(content, kind)
    body = refusal(answer, 400, "body")
    assert what in body["title"]
    assert remedy in body["remedy"]
    assert readings(engine) == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "plain", "tail"])
def test_damaged_gzip_is_refused_whole(engine: Engine, web: Served, damage: str) -> None:
    packed = gzip.compress((CSV + ROW * 50).encode())
    content = {
        "cut": packed[:-12],
        "flipped": packed[:30] + bytes([packed[30] ^ 255]) + packed[31:],
        "plain": CSV.encode(),
        "tail": packed + b"more",
    }[damage]
    answer = web.post(content, headers={"content-encoding": "gzip"})
    assert "the gzip body is damaged" in refusal(answer, 400, "body")["title"]
    assert readings(engine) == 0


def test_gzip_of_several_members_is_one_body(web: Served) -> None:
    content = b"".join(gzip.compress(part.encode()) for part in (CSV, ROW.replace("T1", "T2")))
    answer = web.post(content, headers={"content-encoding": "gzip"})
    assert answer.json()["verdicts"] == ["stored", "stored"]


def test_body_over_the_limit_is_refused_before_and_while_it_is_read(web: Served) -> None:
    large = (CSV + ROW * 1000).encode()
    body = refusal(web.post(large), 413, "body")
    assert "larger than 0.01 MB" in body["title"]
    assert "serve.body_mb" in body["remedy"]
    parts = (large[at : at + 1000] for at in range(0, len(large), 1000))
    refusal(web.post(parts), 413, "body")  # type: ignore[arg-type]


@pytest.mark.parametrize("members", [1, 300])
def test_gzip_bomb_is_refused_without_being_unpacked(web: Served, members: int) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(8)) + packer.flush()
    if members > 1:
        bomb = gzip.compress(bytes(1000)) * members
    assert len(bomb) < 10_000
    answer = web.post(bomb, headers={"content-encoding": "gzip"})
    body = refusal(answer, 413, "body")
    assert "once it is unpacked larger than 0.1 MB" in body["title"]
    assert "serve.unpacked_mb" in body["remedy"]


@pytest.mark.parametrize("kind", ["", "application/octet-stream", "text/html"])
def test_other_types_are_refused(web: Served, kind: str) -> None:
    answer = web.post(CSV, kind)
    assert "text/csv" in refusal(answer, 415, "header Content-Type")["remedy"]
    assert "text/csv" in answer.headers["accept-post"]


def test_other_packing_is_refused(web: Served) -> None:
    answer = web.post(CSV, headers={"content-encoding": "br"})
    refusal(answer, 415, "header Content-Encoding")
    assert "gzip" in answer.headers["accept-encoding"]


@pytest.mark.parametrize(
    ("parameters", "where"),
    [
        ({"unit": "pressure"}, "query unit"),
        ({"column": "=x"}, "query column"),
        ({"unit": "level=m"}, "query"),
        ({"unit": "pressure=degC"}, "query"),
        ({"time_zone": "Mars/Base"}, "query"),
        ({"absolute": "level"}, "query"),
        ({"epoch_unit": "fortnight"}, "query epoch_unit"),
        ({"tank": "\n"}, "query tank"),
        ({"tank": "T" * 121}, "query tank"),
        ({"site": "a\x00b"}, "query site"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    web: Served, parameters: dict[str, str], where: str
) -> None:
    refusal(web.post(CSV, params=parameters), 422, where)


def test_unknown_paths_and_methods_are_refused(web: Served) -> None:
    refusal(web.client.get("/nowhere"), 404, "/nowhere")
    answer = web.client.get("/api/v1/readings")
    refusal(answer, 405, "/api/v1/readings")
    assert answer.headers["allow"] == "POST"


@contextmanager
def half_a_post(web: Served) -> Iterator[socket.socket]:
    """Begin a post whose body does not come."""
    url = web.client.base_url
    head = (
        "POST /api/v1/readings HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
        f"Authorization: Bearer {web.token}\r\nContent-Length: {len(CSV)}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 80)) as line:
        line.sendall(head.encode() + CSV[:10].encode())
        yield line


def test_one_more_post_than_there_are_places_is_sent_away_and_told_when(web: Served) -> None:
    with half_a_post(web) as line:
        while web.client.get("/readyz").status_code == 200:
            time.sleep(0.01)
        answer = web.post(CSV)
        assert "serve.waiting_posts" in refusal(answer, 429, "server")["remedy"]
        assert answer.headers["retry-after"] == "2"
        line.sendall(CSV[10:].encode())
        assert line.recv(100).startswith(b"HTTP/1.1 200")
    assert web.post(CSV).json()["verdicts"] == ["duplicate"]


def test_body_that_does_not_come_gives_its_place_back(engine: Engine, web: Served) -> None:
    with half_a_post(web) as line:
        told = line.recv(1000)
        assert told.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in told.lower()
    assert web.client.get("/readyz").json() == {"status": "ready", "faults": []}
    assert readings(engine) == 0


def test_line_that_breaks_in_the_body_stores_nothing_and_frees_the_place(
    engine: Engine, web: Served
) -> None:
    with half_a_post(web):
        while web.client.get("/readyz").status_code == 200:
            time.sleep(0.01)
    while web.client.get("/readyz").status_code != 200:
        time.sleep(0.01)
    assert readings(engine) == 0


def test_database_that_refuses_is_no_acknowledgement(engine: Engine, web: Served) -> None:
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE watermark RENAME TO elsewhere"))
    answer = web.post(CSV)
    assert "nothing was stored, send it again" in refusal(answer, 503, "database")["remedy"]
    assert answer.headers["retry-after"] == "2"
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO watermark"))
    assert web.post(CSV).json()["verdicts"] == ["stored"]


def test_database_of_another_revision_is_not_ready(engine: Engine, web: Served) -> None:
    assert web.client.get("/healthz").json()["status"] == "ok"
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    answer = web.client.get("/readyz")
    assert answer.status_code == 503
    assert "tankwatch db upgrade" in answer.json()["faults"][0]
    assert web.client.get("/healthz").status_code == 200


def test_database_that_does_not_answer_a_question_is_to_be_asked_again(
    engine: Engine, web: Served
) -> None:
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE tank RENAME TO elsewhere"))
    answer = web.client.get("/api/v1/tanks/north/T1/series")
    assert refusal(answer, 503, "database")["remedy"].endswith("; ask again")
