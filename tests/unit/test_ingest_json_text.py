"""The quick parser gives what the standard library gives, and refuses what that refuses."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankwatch.ingest.json_text import parse_json

_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_DOCUMENTS = st.recursive(
    _PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of the same types, NaN being equal to itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@given(_DOCUMENTS, st.sampled_from([{}, {"indent": 2}, {"ensure_ascii": False}]))
def test_every_document_is_read_alike(document: Any, how: dict[str, Any]) -> None:
    text = json.dumps(document, **how)
    assert same(parse_json(text), json.loads(text))
    raw = text.encode(errors="surrogatepass")
    try:
        wanted = json.loads(raw)
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            parse_json(raw)
    else:
        assert same(parse_json(raw), wanted)


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "[Infinity, -Infinity]", "1e400", "-1e400", "-0", "1E5", '{"a": 1, "a": 2}'),
        *(
            '"\\ud800"',
            '"\\ud83d\\ude00"',
            " [1] \n",
            "0.12345678901234567890",
            "18446744073709551615",
        ),
    ],
)
def test_what_is_no_json_by_the_letter_is_read_as_ever(text: str) -> None:
    assert same(parse_json(text), json.loads(text))
    assert same(parse_json(text.encode()), json.loads(text))


def test_byte_order_mark_and_other_encodings_are_read() -> None:
    text = '{"tank": "Größe"}'
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert parse_json(text.encode(encoding)) == {"tank": "Größe"}


@pytest.mark.parametrize(
    "text", ["", "[1,]", "{'a': 1}", '{"a": "\x01"}', "tank,time", "[1] [2]", "01", b"\xff\xfe"]
)
def test_what_is_wrong_is_told_in_the_words_of_the_standard_library(text: str | bytes) -> None:
    with pytest.raises(ValueError) as wanted:  # noqa: PT011 - what it says is compared
        json.loads(text)
    with pytest.raises(ValueError) as found:  # noqa: PT011
        parse_json(text)
    assert type(found.value) is type(wanted.value)
    assert str(found.value) == str(wanted.value)


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**20, 123456789012345678901])
def test_whole_number_beyond_64_bits_is_kept_to_the_digit(number: int) -> None:
    for text in (f'{{"tank": {number}}}', f'{{"tank": {number}}}'.encode()):
        assert same(parse_json(text), {"tank": number})


def test_deep_nesting_is_refused_and_not_fatal() -> None:
    with pytest.raises(RecursionError):
        parse_json("[" * 100_000 + "]" * 100_000)
