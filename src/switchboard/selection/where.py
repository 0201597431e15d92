"""Conditions applied to columns: which cells meet a condition.

A missing cell meets no condition, not even ``!=``. Integers are compared as integers, however large. Doubles are
compared with the double that is nearest to the condition's value, because the parser rounded them in the same way.
Labels are compared as text, and meet no ``>`` or ``<``. A number never equals a text.
"""

from __future__ import annotations

import operator
from decimal import ROUND_FLOOR
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.selection.conditions import Condition

MISSING, UNMET, MET = 0, 1, 2
"""Truth values of a condition in a cell: the cell is missing, does not meet it, or meets it."""

Truths = npt.NDArray[np.uint8]
"""One number per row, or a table: a line per condition, a column per row."""
_OPERATORS = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
_KERNELS = {
    ">": pc.greater, ">=": pc.greater_equal, "<": pc.less, "<=": pc.less_equal, "=": pc.equal, "!=": pc.not_equal,
}  # fmt: skip
_RANGES = {
    pa.int32(): (-(2**31), 2**31 - 1),
    pa.int64(): (-(2**63), 2**63 - 1),
    pa.uint64(): (0, 2**64 - 1),
}


def truths(condition: Condition, column: pa.Array) -> Truths:
    """The truth value of the condition in every cell of a column of a block: MISSING, UNMET or MET."""
    if pa.types.is_string(column.type):
        present = pc.and_kleene(column.is_valid(), pc.not_equal(column, ""))
        met = None if condition.orders else _KERNELS[condition.op](column, condition.value)
    else:
        present = column.is_valid()
        met = _double(condition, column) if pa.types.is_floating(column.type) else _integer(condition, column)
    result: Truths = _booleans(present).view(np.uint8)
    return result if met is None else result + (result & _booleans(met).view(np.uint8))


def _double(condition: Condition, column: pa.Array) -> pa.Array | None:
    if condition.number is None:
        return _always(column, condition.op == "!=")
    return _KERNELS[condition.op](column, pa.scalar(float(condition.number), column.type))


def _integer(condition: Condition, column: pa.Array) -> pa.Array | None:
    if condition.number is None:
        return _always(column, condition.op == "!=")
    op, whole = condition.op, int(condition.number.to_integral_value(ROUND_FLOOR))
    if whole != condition.number:  # the value lies between two integers
        if op in {"=", "!="}:
            return _always(column, op == "!=")
        op = {">=": ">", "<": "<="}.get(op, op)
    low, high = _RANGES[column.type]
    if not low <= whole <= high:
        return _always(column, bool(_OPERATORS[op](low if whole < low else high, whole)))
    return _KERNELS[op](column, pa.scalar(whole, column.type))


def _booleans(values: pa.Array) -> Any:
    """An Arrow array of booleans as a numpy array; null counts as false."""
    return (values.fill_null(False) if values.null_count else values).to_numpy(zero_copy_only=False)


def _always(column: pa.Array, met: bool) -> pa.Array | None:
    """The same answer for every cell that is there; None: no cell meets the condition."""
    return column.is_valid() if met else None
