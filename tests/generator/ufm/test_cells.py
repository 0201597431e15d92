from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.generator.ufm.cells import Cells, Decimals, Integers, Total, Vocabulary, Words, exact_sum

ROWS = st.lists(st.booleans(), min_size=1, max_size=40)


def read(cells: Cells) -> list[list[str | None]]:
    return [text.to_pylist() for text in cells.texts()]


@given(values=st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 9), st.booleans()), min_size=1, max_size=40))
def test_integers_are_written_exactly_and_add_up(values: list[tuple[int, int, bool]]) -> None:
    """All 64 bits are written, a missing row has nothing, and totals are those of what was written."""
    large, small, missing = zip(*values, strict=True)
    cells = Integers(np.array([large, small], np.uint64), np.array(missing))
    present = [[None if gone else n for n, gone in zip(column, missing, strict=True)] for column in (large, small)]
    assert read(cells) == [[None if n is None else str(n) for n in column] for column in present]
    assert cells.totals() == [
        Total(missing.count(False), Fraction(sum(n for n in column if n is not None))) for column in present
    ]


def test_negative_integers_add_up() -> None:
    """A sum may go below zero."""
    cells = Integers(np.array([[-5, 3], [2**62, 2**62]]))
    assert read(cells) == [["-5", "3"], [str(2**62)] * 2]
    assert [total.sum for total in cells.totals()] == [-2, 2**63]


@given(
    steps=st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=40),
    decimals=st.integers(1, 6),
    bare_zero=st.booleans(),
)
def test_decimals_are_written_without_exponent_and_add_up(steps: list[int], decimals: int, bare_zero: bool) -> None:
    """The text is the exact decimal number, and the total is what a reader of floats gets."""
    cells = Decimals(np.array([steps]), decimals, bare_zero=bare_zero)
    (column,) = read(cells)
    assert [Fraction(text or "") * 10**decimals for text in column] == steps
    for text, step in zip(column, steps, strict=True):
        assert text == "0" if bare_zero and not step else "." in (text or "")
        assert "e" not in (text or "").lower()
    (total,) = cells.totals()
    assert total.cells == len(steps)
    assert float(total.sum) == math.fsum(float(text or "") for text in column)


@given(steps=st.lists(st.integers(0, 10**11 - 1), min_size=1, max_size=40))
def test_small_decimals_have_no_exponent_either(steps: list[int]) -> None:
    """Eleven decimals are written out with their zeros."""
    cells = Decimals(np.array([steps]), 11)
    assert read(cells) == [[f"0.{step:011d}" for step in steps]]
    assert float(cells.totals()[0].sum) == math.fsum(step / 10**11 for step in steps)


def test_words_are_picked_and_count_if_they_mean_a_number() -> None:
    """Only words that mean a number are in the total, and text is ISO-8859-1."""
    vocabulary = Vocabulary(["37C", "NA", "é", "1.5e-254"], [37, None, None, 1.5e-254])
    cells = Words(vocabulary, np.array([3, 0, 1, 0, 2]))
    assert [cells.texts()[0].cast("binary").to_pylist()] == [[b"1.5e-254", b"37C", b"NA", b"37C", b"\xe9"]]
    assert cells.totals() == [Total(3, 74 + Fraction(1.5e-254))]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), max_size=40))
def test_floats_add_up_exactly(floats: list[float]) -> None:
    """The sum of floats of any size is the sum of the fractions that they are."""
    assert exact_sum(np.array(floats, float)) == sum(map(Fraction, floats))


@pytest.mark.parametrize("count", [0, 1])
def test_no_rows_add_up_to_nothing(count: int) -> None:
    """Columns of which all rows are missing have a total of no cells."""
    cells = Integers(np.zeros((1, count), np.uint64), np.ones(count, bool))
    assert cells.totals() == [Total(0, Fraction(0))]
