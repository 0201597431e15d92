"""Which cells are numbers, and which Arrow type holds a column of numbers exactly."""

from __future__ import annotations

import math
import re

import pyarrow as pa
import pyarrow.compute as pc

from switchboard.inputs.csv.context import ARROW, EXACT_DOUBLE, ColumnType

_INTEGER = r"-?[0-9]+"
_NUMBER = rf"{_INTEGER}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# Anchored for pyarrow (RE2, where `$` is the end of the text); Python's `re` needs fullmatch.
NUMBER = f"^{_NUMBER}$"
INTEGER = f"^{_INTEGER}$"
is_number = re.compile(NUMBER, re.ASCII).fullmatch
is_integer = re.compile(INTEGER, re.ASCII).fullmatch
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})

_RANGES = {
    ColumnType.INT32: (-(2**31), 2**31 - 1),
    ColumnType.INT64: (-(2**63), 2**63 - 1),
    ColumnType.UINT64: (0, 2**64 - 1),
    ColumnType.DOUBLE: (1 - EXACT_DOUBLE, EXACT_DOUBLE - 1),
}
"""Least and greatest integer that a type is sure to hold exactly."""


class Inexact(Exception):
    """No single Arrow type holds all values of a column exactly."""


def is_not_finite(text: str) -> bool:
    """Whether a text is a word for infinity or for «not a number»."""
    return text.lower().lstrip("+-") in _NOT_FINITE


def integer(text: str) -> int:
    """An integer that may have any number of leading zeros (Python refuses to read thousands of digits)."""
    return int(text.lstrip("-0") or "0") * (-1 if text.startswith("-") else 1)


def out_of_range(number: str) -> str:
    """The reject reason of a well-written number that cannot be held; empty if it can."""
    if is_integer(number):
        fits = len(number.lstrip("-0")) <= 20 and -(2**63) <= integer(number) < 2**64
        return "" if fits else "out_of_range"
    return "" if math.isfinite(float(number)) else "not_finite"


def type_of(number: str, preferred: ColumnType) -> ColumnType:
    """The type that holds a number exactly (a decimal: as nearly as any): the preferred one if it does, else the first.

    Every number for which ``out_of_range`` has no reason has such a type.
    """
    if not is_integer(number):
        return ColumnType.DOUBLE
    value = integer(number)
    least, most = _RANGES[preferred]
    if least <= value <= most:
        return preferred
    return ColumnType.UINT64 if value >= 2**63 else ColumnType.INT64


def without_unit(cells: pa.Array, unit: str) -> pa.Array:
    """Cells like ``37C`` or ``37 C`` without their unit; other cells stay as they are."""
    # \Q…\E is RE2's quoting.
    return pc.replace_substring_regex(cells, rf"^({_NUMBER}) ?\Q{unit}\E$", r"\1")


def typed(cells: pa.Array, preferred: ColumnType) -> pa.Array:
    """Well-written numbers, or nulls, in the preferred type if it is exact, else in another that is.

    Raises Inexact if there is none.
    """
    whole = pc.match_substring_regex(cells, INTEGER)
    if not pc.all(whole, min_count=0).as_py():
        if _beyond_double(cells.filter(whole).cast(pa.float64())):
            raise Inexact
        return cells.cast(pa.float64())
    for column_type in dict.fromkeys((preferred, ColumnType.INT64, ColumnType.UINT64, ColumnType.DOUBLE)):
        try:
            numbers = cells.cast(ARROW[column_type])
        except pa.ArrowInvalid:
            continue
        if column_type is not ColumnType.DOUBLE or not _beyond_double(numbers):
            return numbers
    raise Inexact


def _beyond_double(numbers: pa.Array) -> bool:
    return bool(pc.any(pc.greater_equal(pc.abs(numbers), EXACT_DOUBLE), min_count=0).as_py())
