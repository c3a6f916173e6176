"""Numbers from columns of text or typed values, read exactly as Python's ``float`` does."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

ABSENT = ("", "nan", "na", "n/a", "null", "none")
_PRINTED_NAN = re.compile(r"[+-]?nan\(.*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers.

    Attributes:
        values: float64 (rows,), NaN where a cell is absent or no number.
        bad: bool (rows,), true where a cell holds something that is no number.
    """

    values: NDArray[np.float64]
    bad: NDArray[np.bool_]


def parse_numbers(cells: pa.Array, *, decimal_comma: bool = False) -> Numbers:
    """Return the numbers in `cells`; an empty cell and the words in ``ABSENT`` are absent."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        return _from_text(cells, decimal_comma=decimal_comma)
    return _sound(pc.cast(cells, pa.float64(), safe=False))


def holds_numbers(kind: pa.DataType) -> bool:
    """Return whether a column of this type can hold numbers, be it as text."""
    if pa.types.is_dictionary(kind):
        return holds_numbers(kind.value_type)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(is_text or is_number or pa.types.is_decimal(kind) or pa.types.is_null(kind))


def parse_number(text: str, *, decimal_comma: bool = False) -> float | None:
    """Return the number that `text` is, None where it is absent.

    Raises:
        ValueError: it is neither.
    """
    plain = text.strip()
    if plain.casefold() in ABSENT or _PRINTED_NAN.fullmatch(plain):
        return None
    return float(plain.replace(",", ".") if decimal_comma else plain)


def _from_text(cells: pa.Array, *, decimal_comma: bool) -> Numbers:
    """Try the whole column, then the tidied column, and only then cell by cell."""
    try:
        return _sound(pc.cast(cells, pa.float64()))
    except pa.ArrowInvalid:
        tidy = pc.utf8_trim_whitespace(cells)
    absent = pc.is_in(pc.utf8_lower(tidy), value_set=pa.array(ABSENT, tidy.type))
    tidy = pc.if_else(absent, pa.scalar(None, tidy.type), tidy)
    if decimal_comma:
        tidy = pc.replace_substring(tidy, ",", ".")
    try:
        return _sound(pc.cast(tidy, pa.float64()))
    except pa.ArrowInvalid:
        return _cell_by_cell(tidy)


def _cell_by_cell(cells: pa.Array) -> Numbers:
    values = np.full(len(cells), np.nan)
    bad = np.zeros(len(cells), dtype=bool)
    for row, text in enumerate(cells.to_pylist()):
        if text is None:
            continue
        try:
            number = parse_number(text)
        except ValueError:
            bad[row] = True
        else:
            values[row] = np.nan if number is None else number
    return Numbers(values, bad)


def _sound(floats: pa.Array) -> Numbers:
    return Numbers(
        floats.to_numpy(zero_copy_only=False, writable=True), np.zeros(len(floats), dtype=bool)
    )
