import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tankwatch.errors import SpoolError
from tankwatch.send.spool import Body, Spool

_PUT_FOR_EVER = """
import sys
from pathlib import Path
from tankwatch.send.spool import Body, Spool
spool = Spool(Path(sys.argv[1]), 100)
number = 0
while True:
    spool.put([Body("text/csv", "", 1, b"%08d" % (2 * number + half)) for half in (0, 1)])
    print(number, flush=True)
    number += 1
"""


def body(text: bytes, rows: int = 1) -> Body:
    return Body("text/csv", "site=north", rows, text)


def test_bodies_come_back_in_order_and_outlive_their_program(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with Spool(path, 1) as spool:
        spool.put([body(b"a"), body(b"b", 7)])
        spool.put([])
        spool.put([body(b"c")])
    with Spool(path, 1) as spool:
        found = []
        while (kept := spool.oldest()) is not None:
            found.append((kept.packed, kept.rows, kept.query, kept.kind))
            spool.drop(kept)
        assert [packed for packed, *_ in found] == [b"a", b"b", b"c"]
        assert found[1][1:] == (7, "site=north", "text/csv")
        assert spool.waiting() == 0


def test_full_spool_is_told_and_keeps_what_it_has(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.db", 0.001) as spool:
        spool.put([body(bytes(600))])
        assert spool.has_room([body(bytes(400))])
        assert not spool.has_room([body(bytes(401))])
        with pytest.raises(SpoolError, match=r"0\.001 MB wait to be sent.*send\.spool_mb"):
            spool.put([body(bytes(200)), body(bytes(201))])
        assert spool.waiting() == 1
        kept = spool.oldest()
        assert kept is not None
        spool.drop(kept)
        spool.put([body(bytes(1000))])


def test_refused_body_is_set_aside_and_can_be_taken_out(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.db", 1) as spool:
        spool.put([body(b"a"), body(b"b")])
        first = spool.oldest()
        assert first is not None
        spool.refuse(first, "no column for tank")
        second = spool.oldest()
        assert second is not None
        assert (second.packed, spool.waiting(), spool.refused()) == (b"b", 1, 1)
        assert [(b.packed, b.refused) for b in spool.take_refused()] == [
            (b"a", "no column for tank")
        ]
        assert (spool.waiting(), spool.refused()) == (1, 0)


def test_what_was_put_survives_a_kill_whole(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    command = [sys.executable, "-c", _PUT_FOR_EVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        for _ in range(25):
            told = int(program.stdout.readline())
        os.kill(program.pid, signal.SIGKILL)
        told = max([told, *(int(line) for line in program.stdout.read().split())])
    with Spool(path, 100) as spool:
        found = []
        while (kept := spool.oldest()) is not None:
            found.append(int(kept.packed))
            spool.drop(kept)
    assert found == list(range(len(found)))
    assert len(found) % 2 == 0
    assert len(found) >= 2 * (told + 1)


def test_spool_that_cannot_be_opened_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="may this user write there"):
        Spool(tmp_path / "nowhere" / "spool.db", 1)
    (tmp_path / "spool.db").write_bytes(b"not a database" * 100)
    with pytest.raises(SpoolError, match="cannot be used"):
        Spool(tmp_path / "spool.db", 1)
