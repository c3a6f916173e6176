"""How a sender waits, against a real server that answers as it was told."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tankwatch.send.client import Client
from tankwatch.send.sender import Patience, Sender, Sent
from tankwatch.send.spool import Body, Spool

TAKEN = {"stored": 1, "updated": 0, "duplicate": 0, "rejected": 0, "verdicts": ["stored"]}
Answers = Sequence[tuple[int, dict[str, str]]]

PROBLEM = {"title": "not now", "remedy": "wait"}


class PausesNoted(threading.Event):
    """The wish to stop, which notes how long it is waited for and takes no time over it."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        return self.is_set()


@contextmanager
def answering(answers: Answers) -> Iterator[tuple[str, list[bytes]]]:
    """Serve the answers, one a post, and then take everything; return the address and bodies."""
    told, bodies = list(answers), list[bytes]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers = told.pop(0) if told else (200, {})
            text = json.dumps(TAKEN if status == 200 else PROBLEM).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()
        thread.join()


def send(
    folder: Path, answers: Answers, patience: Patience, count: int = 1
) -> tuple[Sent, list[float], list[bytes], list[str]]:
    """Send bodies; return what was sent, the pauses, the bodies that came, and what was said."""
    path, stop, said = folder / "spool.db", PausesNoted(), list[str]()
    ended = threading.Event()
    ended.set()
    with Spool(path, 1) as spool:
        spool.put([Body("text/csv", "", 1, b"%d" % number) for number in range(count)])
    with answering(answers) as (url, bodies):
        client = Client(url, "tw_x", timeout_s=10, ca_file=None)
        sender = Sender(client, patience, say=said.append)
        sender.run(path, 1, ended=ended, stop=stop)
    return sender.sent, stop.pauses, bodies, said


def test_pauses_double_up_to_the_cap_and_begin_anew_after_a_success(tmp_path: Path) -> None:
    answers: Answers = [(503, {})] * 6 + [(200, {}), (503, {})]
    sent, pauses, bodies, said = send(tmp_path, answers, Patience(1.0, 10.0), 2)
    assert (sent.posts, sent.accepted.stored, sent.gave_up) == (2, 2, "")
    assert bodies == [b"0"] * 7 + [b"1"] * 2
    for pause, full in zip(pauses, [1, 2, 4, 8, 10, 10, 1], strict=True):
        assert full / 2 <= pause <= full
    assert len(said) == 2
    assert "the server answered 503 (not now: wait)" in said[0]


def test_pause_is_never_shorter_than_the_server_asks_for(tmp_path: Path) -> None:
    answers: Answers = [(429, {"Retry-After": "7"}), (503, {"Retry-After": "30"}), (429, {})]
    sent, pauses, _, _ = send(tmp_path, answers, Patience(1.0, 10.0))
    assert sent.posts == 1
    assert 7 <= pauses[0] <= 8.75
    assert 30 <= pauses[1] <= 37.5
    assert 2 <= pauses[2] <= 4


def test_answer_that_is_cut_off_is_none_and_the_body_is_sent_again(tmp_path: Path) -> None:
    cut = {"Content-Length": "9999", "Connection": "close"}
    sent, pauses, bodies, said = send(tmp_path, [(200, cut)], Patience(1.0, 10.0))
    assert (sent.posts, sent.gave_up, len(pauses)) == (1, "", 1)
    assert bodies == [b"0", b"0"]
    assert "the server does not answer (IncompleteRead" in said[0]


def test_body_that_the_server_fails_over_again_and_again_is_set_aside(tmp_path: Path) -> None:
    sent, _, bodies, _ = send(tmp_path, [(500, {})] * 8, Patience(1.0, 10.0), 2)
    assert bodies == [b"0"] * 8 + [b"1"]
    assert (sent.posts, sent.refused) == (1, 1)
    with Spool(tmp_path / "spool.db", 1) as spool:
        assert (spool.waiting(), spool.refused()) == (0, 1)


def test_body_that_does_not_fit_is_set_aside_at_once(tmp_path: Path) -> None:
    sent, pauses, bodies, said = send(tmp_path, [(413, {})], Patience(1.0, 10.0), 2)
    assert (sent.posts, sent.refused, pauses) == (1, 1, [])
    assert bodies == [b"0", b"1"]
    assert "set aside 1 rows" in said[0]


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_refused_token_ends_a_file_and_not_a_stream(tmp_path: Path, status: int) -> None:
    sent, pauses, _, _ = send(tmp_path, [(status, {})], Patience(1.0, 10.0))
    assert (sent.posts, pauses) == (0, [])
    assert str(status) in sent.gave_up
    patient = Patience(1.0, 10.0, when_denied=True)
    sent, pauses, bodies, _ = send(tmp_path, [(status, {})] * 3, patience=patient)
    assert (sent.posts, len(pauses), len(bodies)) == (2, 3, 5)


def test_patience_that_is_over_ends_with_what_waits(tmp_path: Path) -> None:
    sent, pauses, _, _ = send(tmp_path, [(503, {})] * 3, Patience(1.0, 10.0, give_up_s=0))
    assert (sent.posts, pauses) == (0, [])
    assert "503" in sent.gave_up
    with Spool(tmp_path / "spool.db", 1) as spool:
        assert spool.waiting() == 1
