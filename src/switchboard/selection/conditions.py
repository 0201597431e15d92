"""TODO"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.selection.where import _KERNELS, _OPERATORS, _RANGES, Verdicts, _always, _truths

MOST_CONDITIONS = 16
"""Conditions in one query."""
# Few digits of exponent: an integer is made of it.
_DECIMAL = r"[-+]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?"
PATTERN = rf"^[^<>=!]*[^<>=! ][^<>=!]*((>=?|<=?) *{_DECIMAL} *|!?= *[^= ][\s\S]*)$"
"""What the text of a condition looks like, as a regular expression for clients."""

_CONDITION = re.compile(r"([^<>=!]+)(>=|<=|!=|>|<|=)(.*)", re.DOTALL)
_NUMBER = re.compile(_DECIMAL)


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
