"""Conditions: their grammar, and what cells meet them, exactly."""

from __future__ import annotations

import re
import time

import pyarrow as pa
import pytest

from switchboard.selection.conditions import PATTERN, BadCondition, parse_condition, second_metric, spelled
from switchboard.selection.where import MET, MISSING, UNMET, truths


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("rx>5", "rx>5"),
        ("rx >= 5", "rx>=5"),
        ("  rx<= -0.5e3 ", "rx<=-0.5e3"),
        ("odd name!=7", "odd name!=7"),
        ("state=Active", "state=Active"),
        ("state != link down", "state!=link down"),
        ("description=a>b", "description=a>b"),
        ("rx=+.5", "rx=+.5"),
        ("rx<18446744073709551616", "rx<18446744073709551616"),
    ],
)
def test_a_condition_is_metric_operator_value(text: str, spelling: str) -> None:
    """Blanks around the operator do not count; the pattern that is published takes what the parser takes."""
    assert spelled(parse_condition(text)) == spelling
    assert parse_condition(spelling) == parse_condition(text)
    assert re.search(PATTERN, text)


@pytest.mark.parametrize(
    ("value", "metric"),
    [
        ("0 and tx > 1", "tx"),
        ("Up && tx != 1", "tx"),
        ("a, b OR tx<=1", "tx"),
        ("0,tx=1", "tx"),
        ("x>1;tx>2", "tx"),
        ("salt and pepper", None),
        ("a, b", None),
        ("sand > 1", None),
        (", > 1", None),
    ],
)
def test_a_second_condition_in_a_value_is_found(value: str, metric: str | None) -> None:
    """What joins it may stand anywhere in the text before its operator: the metric is what follows the last one."""
    assert second_metric(value) == metric


@pytest.mark.parametrize("text", ["rx>0" + ",a" * 4_000, "rx=" + "," * 8_000, "rx=" + " and " * 1_600])
def test_a_long_condition_costs_little(text: str) -> None:
    """It is read on the event loop, where all wait."""
    began = time.process_time()
    second_metric(text)
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rx", "is not METRIC OP VALUE"),
        (">5", "is not METRIC OP VALUE"),
        ("  >5", "names no metric"),
        ("rx>", "has no value"),
        ("rx>  ", "has no value"),
        ("rx==5", "has an operator that does not exist"),
        ("rx=<5", None),
        ("rx=>5", None),
        ("rx!5", "is not METRIC OP VALUE"),
        ("rx>abc", "needs a decimal number after >"),
        ("rx<=1e9999", "needs a decimal number after <="),
        ("rx>=0x10", "needs a decimal number"),
        ("rx>1_000", "needs a decimal number"),
        ("rx>nan", "needs a decimal number"),
        ("rx>inf", "needs a decimal number"),
        ("rx>٣", "needs a decimal number"),
        ("rx>" + "9" * 41, "needs a decimal number"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_reason(text: str, reason: str | None) -> None:
    """A slip is named; what is left is a text that labels may have."""
    if reason is None:
        assert parse_condition(text).op == "="
        return
    with pytest.raises(BadCondition, match=re.escape(reason)):
        parse_condition(text)


BIG = 2**63
INT32, INT64, UINT64, DOUBLE = pa.int32(), pa.int64(), pa.uint64(), pa.float64()


@pytest.mark.parametrize(
    ("condition", "kind", "cells", "met"),
    [
        ("x>9007199254740992", INT64, [2**53, 2**53 + 1], [0, 1]),
        ("x=9007199254740993", INT64, [2**53, 2**53 + 1, 2**53 + 2], [0, 1, 0]),
        ("x>=9223372036854775808", UINT64, [BIG - 1, BIG, BIG + 1], [0, 1, 1]),
        ("x<9223372036854775808", UINT64, [BIG - 1, BIG], [1, 0]),
        ("x=18446744073709551615", UINT64, [2 * BIG - 1, 2 * BIG - 2], [1, 0]),
        ("x<18446744073709551616", UINT64, [2 * BIG - 1], [1]),
        ("x>-1", UINT64, [0], [1]),
        ("x!=-1", UINT64, [0], [1]),
        ("x<=-1", UINT64, [0], [0]),
        ("x<9223372036854775808", INT64, [BIG - 1, -BIG], [1, 1]),
        ("x>-9223372036854775809", INT64, [-BIG], [1]),
        ("x>1e999", INT64, [BIG - 1], [0]),
        ("x>=-1e999", INT64, [-BIG], [1]),
        ("x<2147483648", INT32, [2**31 - 1], [1]),
        ("x>2.5", INT64, [2, 3], [0, 1]),
        ("x>=2.5", INT64, [2, 3], [0, 1]),
        ("x<2.5", INT64, [2, 3], [1, 0]),
        ("x<=2.5", INT64, [2, 3], [1, 0]),
        ("x<-2.5", INT64, [-3, -2], [1, 0]),
        ("x=2.5", INT64, [2, 3], [0, 0]),
        ("x!=2.5", INT64, [2, 3], [1, 1]),
        ("x=2.0", INT64, [2, 3], [1, 0]),
        ("x=2e0", INT64, [2], [1]),
        ("x=0.1", DOUBLE, [0.1, 0.2], [1, 0]),
        ("x<1e999", DOUBLE, [1.7e308], [1]),
        ("x>5", DOUBLE, [5.0, 5.000001], [0, 1]),
        ("x=abc", DOUBLE, [5.0], [0]),
        ("x!=abc", INT64, [5], [1]),
        ("x=7", pa.string(), ["7", "7.0", "8"], [1, 0, 0]),
        ("x!=7", pa.string(), ["7", "8"], [0, 1]),
        ("x>7", pa.string(), ["8"], [0]),
    ],
)
def test_cells_are_compared_exactly(condition: str, kind: pa.DataType, cells: list[object], met: list[int]) -> None:
    """64-bit integers as integers, doubles as doubles, labels as text; what is missing meets nothing."""
    column = pa.array([*cells, None], kind)
    expected = [MET if each else UNMET for each in met]
    assert truths(parse_condition(condition), column).tolist() == [*expected, MISSING]
    assert truths(parse_condition(condition), column[1:]).tolist() == [*expected[1:], MISSING]


def test_a_label_without_text_is_missing() -> None:
    """An empty label meets no condition, not even that it differs."""
    assert truths(parse_condition("x!=a"), pa.array(["", "b"])).tolist() == [MISSING, MET]
