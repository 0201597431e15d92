"""Conditions that a row has to meet: ``METRIC OP VALUE``, as in ``packet_errors>100`` or ``state!=Active``.

    METRIC   name of a metric or label, without < > = ! in it
    OP       one of > >= < <= = !=
    VALUE    a decimal number for all of them; for = and != it may be any text, which labels are compared with

Blanks around the operator do not count. A missing cell meets no condition, not even ``!=``. Integers are compared as
integers, however large, and doubles with the double that is nearest to VALUE, as they were read themselves. A label is
compared as text, and meets neither ``>`` nor ``<``; a number never equals a text.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MOST_CONDITIONS = 16
"""Conditions in one query."""
# Few digits of exponent: an integer is made of it.
_DECIMAL = r"[-+]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?"
PATTERN = rf"^[^<>=!]*[^<>=! ][^<>=!]*((>=?|<=?) *{_DECIMAL} *|!?= *[^= ][\s\S]*)$"
"""What the text of a condition looks like, as a regular expression for clients."""
MISSING, UNMET, MET = 0, 1, 2
"""What a row has to say about a condition."""

Verdicts = npt.NDArray[np.uint8]

_CONDITION = re.compile(r"([^<>=!]+)(>=|<=|!=|>|<|=)(.*)", re.DOTALL)
_NUMBER = re.compile(_DECIMAL)
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


class BadCondition(ValueError):
    """A text that is no condition; its text says on where the sentence `Malformed where parameter: TEXT …` ends."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. ``number`` is its value as a number, if it is one."""

    metric: str
    op: str
    value: str
    number: Decimal | None

    @property
    def orders(self) -> bool:
        """Whether it needs numbers."""
        return self.op not in {"=", "!="}

    def verdicts(self, column: pa.Array) -> Verdicts:
        """MISSING, UNMET or MET for every cell of a column of a block."""
        if pa.types.is_string(column.type):
            there = pc.and_kleene(column.is_valid(), pc.not_equal(column, ""))
            met = self._label(column)
        else:
            there = column.is_valid()
            met = self._double(column) if pa.types.is_floating(column.type) else self._integer(column)
        result: Verdicts = _truths(there).view(np.uint8)
        return result if met is None else result + (result & _truths(met).view(np.uint8))

    def _label(self, column: pa.Array) -> pa.Array | None:
        return None if self.orders else _KERNELS[self.op](column, self.value)

    def _double(self, column: pa.Array) -> pa.Array | None:
        if self.number is None:
            return _always(column, self.op == "!=")
        return _KERNELS[self.op](column, pa.scalar(float(self.number), column.type))

    def _integer(self, column: pa.Array) -> pa.Array | None:
        if self.number is None:
            return _always(column, self.op == "!=")
        op, whole = self.op, int(self.number.to_integral_value(ROUND_FLOOR))
        if whole != self.number:  # between two integers
            if op in {"=", "!="}:
                return _always(column, op == "!=")
            op = {">=": ">", "<": "<="}.get(op, op)
        low, high = _RANGES[column.type]
        if not low <= whole <= high:
            return _always(column, bool(_OPERATORS[op](low if whole < low else high, whole)))
        return _KERNELS[op](column, pa.scalar(whole, column.type))


@lru_cache(256)
def parse_condition(text: str) -> Condition:
    """Read a condition. Raises BadCondition."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise BadCondition("is not METRIC OP VALUE, where OP is one of > >= < <= = !=")
    metric, op, value = match[1].strip(" "), match[2], match[3].strip(" ")
    if not metric:
        raise BadCondition("names no metric before its operator")
    if not value:
        raise BadCondition("has no value after its operator")
    if value.startswith("="):
        raise BadCondition("has an operator that does not exist: use one of > >= < <= = !=")
    number = Decimal(value) if _NUMBER.fullmatch(value) else None
    if number is None and op not in {"=", "!="}:
        raise BadCondition(f"needs a decimal number after {op}: text is compared by = and != only")
    return Condition(metric, op, value, number)


def spelled(condition: Condition) -> str:
    """A condition in the spelling that all of its spellings share."""
    return f"{condition.metric}{condition.op}{condition.value}"


def _truths(values: pa.Array) -> Any:
    """Truth values, a null being false."""
    return (values.fill_null(False) if values.null_count else values).to_numpy(zero_copy_only=False)


def _always(column: pa.Array, met: bool) -> pa.Array | None:
    return column.is_valid() if met else None
