"""Conditions that rows have to meet, as text: ``METRIC OP VALUE``, for example ``packet_errors>100``.

    METRIC   name of a metric or label, without < > = ! in it
    OP       one of > >= < <= = !=
    VALUE    a decimal number; with = and != any text, to compare labels with

Blanks around the operator are ignored. ``where.py`` says which cells meet a condition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

MOST_CONDITIONS = 16
"""Largest number of conditions in one query."""
# At most three digits of exponent: the number may be converted to an integer with all its digits.
_DECIMAL = r"[-+]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?"
PATTERN = rf"^[^<>=!]*[^<>=! ][^<>=!]*((>=?|<=?) *{_DECIMAL} *|!?= *[^= ][\s\S]*)$"
"""The texts that are conditions, as a regular expression for clients."""

_CONDITION = re.compile(r"([^<>=!]+)(>=|<=|!=|>|<|=)(.*)", re.DOTALL)
_NUMBER = re.compile(_DECIMAL)
# Not one expression for both: for a text of many commas it would look for the operator from each of them.
_OPERATOR = re.compile(r">=?|<=?|!?=")
_JOINT = re.compile(r"(?:^|\s)(?:and|or)\s|&&|\|\||,|;", re.IGNORECASE)
MORE_THAN_ONE = "is more than one condition: give where= once for each, and a row has to meet all of them"
"""What is wrong with ``A > 0 and B > 0``, after the text."""


class BadCondition(ValueError):
    """The text is not a condition. ``str(error)`` is the second half of the client's message, after the text."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition."""

    metric: str
    op: str
    value: str
    number: Decimal | None
    """The value as a number; None if it is not one."""

    @property
    def orders(self) -> bool:
        """Whether the operator needs an order, which only numbers have: it is neither = nor !=."""
        return self.op not in {"=", "!="}


@lru_cache(256)
def parse_condition(text: str) -> Condition:
    """The condition that a text says. Raises BadCondition."""
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
    if number is None and op not in {"=", "!="} and second_metric(value) is not None:
        raise BadCondition(MORE_THAN_ONE)
    if number is None and op not in {"=", "!="}:
        raise BadCondition(f"needs a decimal number after {op}: text is compared by = and != only")
    return Condition(metric, op, value, number)


def second_metric(value: str) -> str | None:
    """The metric of a second condition in the value of a first one, as in ``A > 0 and B > 0``; None: there is none."""
    *before_operators, _ = _OPERATOR.split(value)
    for text in before_operators:
        *joined, metric = _JOINT.split(text)
        if joined and metric.strip(" "):
            return metric.strip(" ")
    return None


def spelled(condition: Condition) -> str:
    """The canonical text of a condition: equal conditions have equal texts."""
    return f"{condition.metric}{condition.op}{condition.value}"
