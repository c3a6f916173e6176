import gzip

import pytest

from tankwatch.errors import SourceError
from tankwatch.send.cutting import CSV, JSON_LINES, Cutter
from tankwatch.send.spool import Body

HEAD = "# export\n\nsep=;\ntank;timestamp;pressure\n"
ROWS = [f"T{number};2026-03-02T06:30:00Z;{number}" for number in range(7)]


def cut(text: bytes, *, piece: int, rows: int = 3) -> list[Body]:
    cutter = Cutter("a", query="tank=T1", rows=rows)
    bodies = []
    for at in range(0, len(text), piece):
        bodies += cutter.feed(text[at : at + piece])
    return bodies + cutter.finish()


def texts(bodies: list[Body]) -> list[str]:
    return [gzip.decompress(body.packed).decode() for body in bodies]


@pytest.mark.parametrize("piece", [1, 7, 50, 10_000])
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_each_body_of_csv_begins_with_the_header(piece: int, end: str) -> None:
    bodies = cut((HEAD + "\n".join(ROWS) + end).encode(), piece=piece)
    head = "# export\nsep=;\ntank;timestamp;pressure\n"
    assert texts(bodies) == [
        head + "".join(f"{row}\n" for row in part) for part in (ROWS[:3], ROWS[3:6], ROWS[6:])
    ]
    assert [(body.kind, body.rows, body.query) for body in bodies] == [
        (CSV, rows, "tank=T1") for rows in (3, 3, 1)
    ]


@pytest.mark.parametrize("piece", [1, 10_000])
def test_json_lines_have_no_header(piece: int) -> None:
    lines = [f'{{"tank": "T{number}"}}' for number in range(4)]
    bodies = cut("\r\n".join(lines).encode(), piece=piece)
    assert [body.kind for body in bodies] == [JSON_LINES, JSON_LINES]
    assert "".join(texts(bodies)).split() == "\n".join(lines).split()


def test_line_that_has_not_ended_waits_for_its_end() -> None:
    cutter = Cutter("a", query="", rows=10)
    assert cutter.feed(b"tank,timestamp,pressure\nT1,x,1\nT2,x,") == []
    assert cutter.age_s() > 0
    (first,) = cutter.flush()
    assert (first.rows, cutter.age_s()) == (1, 0)
    assert cutter.flush() == []
    cutter.feed(b"2\n")
    assert texts(cutter.finish()) == ["tank,timestamp,pressure\nT2,x,2\n"]


def test_body_ends_before_it_is_too_large_for_a_server() -> None:
    wide = ",".join(["1"] * 50_000)
    bodies = cut(("tank\n" + f"{wide}\n" * 100).encode(), piece=1 << 16, rows=100_000)
    assert max(len(text) for text in texts(bodies)) < 5_000_000
    assert sum(body.rows for body in bodies) == 100


@pytest.mark.parametrize(
    "text", [b"[1, 2]\n", b"PAR1abc\n", "tank,t\nT1,x\n".encode("utf-16"), b"x" * (2 << 20)]
)
def test_what_is_no_lines_of_text_is_refused(text: bytes) -> None:
    with pytest.raises(SourceError, match="CSV"):
        cut(text, piece=1 << 16)
