"""`tankwatch send` as an operator of a gateway meets it."""

import gzip
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.gateway import Server, end
from tests.acceptance.program import command, environment, run, run_json

HEADER = "Tag;Time;P\n"
ROWS = "".join(f"T{n};2026-03-02 07:3{n}:00;0,{n}\n" for n in range(1, 6))
HOW = ["--column", "tank=Tag", "--column", "timestamp=Time", "--column", "pressure=P"]
HOW += ["--unit", "pressure=bar", "--time-zone", "Europe/Oslo"]
QUICK = {"TANKWATCH_SEND__RETRY_BASE_S": "0.05", "TANKWATCH_SEND__RETRY_CAP_S": "0.1"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    run(tmp_path, "init")
    made = Server(tmp_path)
    yield made
    end(made)


@pytest.fixture
def gateway(server: Server, tmp_path: Path) -> dict[str, str]:
    """Variables of a gateway that has its token in a file."""
    (tmp_path / "token").write_text(server.token("gateway", "--site", "north") + "\n")
    file = {"TANKWATCH_SEND__TOKEN_FILE": "token", "TANKWATCH_SEND__URL": server.url}
    return {**QUICK, **file}


def test_file_is_sent_with_its_units_and_zone(
    server: Server, gateway: dict[str, str], tmp_path: Path
) -> None:
    server.start()
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((HEADER + ROWS).encode()))
    first = run_json(tmp_path, "send", "a.csv.gz", *HOW, code=0, **gateway)
    again = run_json(tmp_path, "send", "a.csv.gz", *HOW, code=0, **gateway)
    assert (first["posts"], first["stored"], again["duplicate"]) == (1, 5, 5)
    (tank, *_) = run_json(tmp_path, "tanks")
    assert (tank["site"], tank["tank"], tank["last_reading_at"][:16]) == (
        *("north", "T1", "2026-03-02T06:31"),
    )
    server.stop()


def test_line_that_is_lost_is_told_and_everything_waits(
    server: Server, gateway: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(HEADER + ROWS)
    words = ("send", "a.csv", *HOW, "--give-up-after", "0.3")
    done = run(tmp_path, *words, code=1, stdin=None, **gateway)
    assert "the server does not answer" in done.stderr
    assert "what waits is sent by `tankwatch send`" in done.stderr
    assert "waiting 1" in done.stdout
    server.start()
    assert run_json(tmp_path, "send", code=0, **gateway)["stored"] == 5
    server.stop()


def test_token_that_is_not_accepted_ends_at_once_and_keeps_everything(
    server: Server, gateway: dict[str, str], tmp_path: Path
) -> None:
    server.start()
    run(tmp_path, "token", "revoke", "gateway")
    (tmp_path / "a.csv").write_text(HEADER + ROWS)
    done = run(tmp_path, "send", "a.csv", *HOW, code=1, stdin=None, **gateway)
    assert "401 (the token was revoked: make a token with" in done.stderr
    assert "waiting 1" in done.stdout
    server.stop()


def test_body_that_is_never_taken_is_set_aside_and_can_be_written_out(
    server: Server, gateway: dict[str, str], tmp_path: Path
) -> None:
    server.start()
    (tmp_path / "bad.csv").write_text(HEADER + ROWS)
    (tmp_path / "good.csv").write_text("tank,timestamp,pressure\nT1,2026-03-02T06:30:00Z,1\n")
    done = run(tmp_path, "send", "bad.csv", "good.csv", code=1, stdin=None, **gateway)
    assert "set aside 5 rows: the server answered 400 (no column for any channel" in done.stderr
    assert "stored 1" in done.stdout
    written = run_json(tmp_path, "send", "--refused", "aside", code=0, **gateway)["written"]
    assert [Path(name).name for name in written] == ["00000001.csv.gz"]
    assert gzip.decompress((tmp_path / written[0]).read_bytes()).decode() == HEADER + ROWS
    assert "no column for" in (tmp_path / "aside" / "00000001.txt").read_text()
    assert run_json(tmp_path, "send", code=0, **gateway)["set aside"] == 0
    server.stop()


def test_full_spool_ends_a_stream_with_the_remedy(gateway: dict[str, str], tmp_path: Path) -> None:
    words = ("send", "-", *HOW, "--give-up-after", "20")
    small = {"TANKWATCH_SEND__SPOOL_MB": "0.0001", "TANKWATCH_SEND__ROWS": "1"}
    done = run(tmp_path, *words, code=1, stdin=HEADER + ROWS, **gateway, **small)
    assert "spool.db is full" in done.stderr
    assert "send.spool_mb" in done.stderr


def test_stream_is_sent_as_it_comes_and_ends_cleanly(
    server: Server, gateway: dict[str, str], tmp_path: Path
) -> None:
    server.start()
    quick = environment(**gateway, TANKWATCH_SEND__LINGER_S="0.05")
    with subprocess.Popen(
        command("send", "-", *HOW), cwd=tmp_path, env=quick, stdin=subprocess.PIPE
    ) as client:
        assert client.stdin is not None
        client.stdin.write((HEADER + ROWS).encode())
        client.stdin.flush()
        while len(run_json(tmp_path, "tanks")) < 5:
            time.sleep(0.05)
        client.stdin.write(b"T9;2026-03-02 07:30:00;0,9")
        client.stdin.flush()
        time.sleep(0.3)
        client.terminate()
        assert client.wait(timeout=30) == 0
    # Its last line had not ended: it went into the spool when the client was told to end.
    assert run_json(tmp_path, "send", code=0, **gateway)["stored"] in {0, 1}
    assert {tank["tank"] for tank in run_json(tmp_path, "tanks")} == {
        *("T1", "T2", "T3", "T4", "T5", "T9"),
    }
    server.stop()


@pytest.mark.parametrize(
    ("words", "variables", "told"),
    [
        ([], {}, "send.url names no server"),
        ([], {"TANKWATCH_SEND__URL": "http://localhost:1"}, "TANKWATCH_SEND__TOKEN_FILE"),
        (["-", "a.csv"], {}, "stands alone"),
    ],
)
def test_wrong_use_names_the_remedy(
    tmp_path: Path, words: list[str], variables: dict[str, str], told: str
) -> None:
    assert told in run(tmp_path, "send", *words, code=2, stdin=None, **variables).stderr


def test_file_that_is_not_there_is_told(gateway: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, "send", "nowhere.csv", code=1, stdin=None, **gateway)
    assert "nowhere.csv: cannot be read" in done.stderr
