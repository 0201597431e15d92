"""Values of some columns for some rows: how they are written, and what they add up to.

Totals are exact. A reader that turns the text of a decimal into a 64-bit float gets the nearest float, so the totals
add these floats: ``math.fsum`` of what was read equals ``float`` of the total.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from switchboard.generator.draws import UInts
from switchboard.generator.ufm.ports import Bools, Ints

_MOST_PLAIN_DECIMALS = 6
_MANTISSA_BITS = 53


@dataclass(frozen=True, slots=True)
class Total:
    """Number and sum of the cells of a numeric column, to be compared with what a reader got."""

    cells: int
    """How many cells have a number."""
    sum: Fraction
    """Exact sum of the numbers."""

    def __add__(self, other: Total) -> Total:
        return Total(self.cells + other.cells, self.sum + other.sum)


class Cells(Protocol):
    """Values of one or more numeric columns."""

    def texts(self) -> list[pa.Array]:
        """Per column, the texts of its cells; null for an empty cell."""
        ...

    def totals(self) -> list[Total]:
        """Per column, the total of its numbers."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Integers:
    """Whole numbers of several columns."""

    values: UInts | Ints
    """Shape (columns, rows)."""
    missing: Bools | None = None
    """Rows in which none of these columns has a value."""

    def texts(self) -> list[pa.Array]:
        """Plain digits."""
        return _cast(self.values, self.missing, pa.from_numpy_dtype(self.values.dtype))

    def totals(self) -> list[Total]:
        """Sums of any size."""
        values = self.values if self.missing is None else self.values[:, ~self.missing]
        # The upper and the lower halves are added on their own: 64 bits hold the sum of 2 ** 31 halves.
        high, low = (values >> 32).sum(axis=1), (values & 0xFFFFFFFF).sum(axis=1)
        return [Total(values.shape[1], Fraction((int(h) << 32) + int(lo))) for h, lo in zip(high, low, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Decimals:
    """Decimal numbers of several columns, in steps of 10 ** -decimals; below 10 ** 18 steps."""

    steps: Ints
    """Shape (columns, rows)."""
    decimals: int
    missing: Bools | None = None
    bare_zero: bool = False
    """Whether 0 is written without decimals: then some cells of the columns look like whole numbers."""

    def texts(self) -> list[pa.Array]:
        """All decimals are written, without an exponent."""
        if self.decimals <= _MOST_PLAIN_DECIMALS:
            texts = _cast(self.steps, self.missing, pa.decimal64(18, self.decimals))
        else:
            # Arrow gives small numbers an exponent. These are below 1 and not negative.
            digits = _cast(self.steps, self.missing, pa.int64())
            texts = [pc.binary_join_element_wise("0.", pc.utf8_lpad(d, self.decimals, "0"), "") for d in digits]
        if self.bare_zero:
            zeros = (pa.array(column == 0) for column in self.steps)
            texts = [pc.if_else(zero, "0", text) for zero, text in zip(zeros, texts, strict=True)]
        return texts

    def totals(self) -> list[Total]:
        """Sums of the nearest floats: the quotient of two exact floats is rounded to the nearest one."""
        floats = (self.steps if self.missing is None else self.steps[:, ~self.missing]) / 10.0**self.decimals
        return [Total(len(column), exact_sum(column)) for column in floats]


class Vocabulary:
    """The few texts that may stand in a column, in ISO-8859-1, and the number that each means, if any."""

    def __init__(self, texts: Sequence[str], numbers: Sequence[float | None] | None = None) -> None:
        # Arrow does not look into strings, so they may have another encoding than it thinks.
        self.texts = pa.array([text.encode("latin-1") for text in texts], pa.binary()).view(pa.string())
        self.numbers = numbers or [None] * len(texts)

    def pick(self, places: NDArray[np.integer]) -> pa.Array:
        """The texts at these places."""
        return self.texts.take(pa.array(places))


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Cells of one column that has few different texts."""

    vocabulary: Vocabulary
    places: NDArray[np.integer]

    def texts(self) -> list[pa.Array]:
        """The words."""
        return [self.vocabulary.pick(self.places)]

    def totals(self) -> list[Total]:
        """The sum of what the words mean."""
        counts = np.bincount(self.places, minlength=len(self.vocabulary.numbers))
        total = Total(0, Fraction(0))
        for count, number in zip(counts.tolist(), self.vocabulary.numbers, strict=True):
            if count and number is not None:
                total += Total(count, count * Fraction(number))
        return [total]


def exact_sum(floats: NDArray[np.float64]) -> Fraction:
    """The sum of finite floats, with no rounding at all."""
    mantissas, exponents = np.frexp(floats)
    whole = (mantissas * 2.0**_MANTISSA_BITS).astype(np.int64)
    total = Fraction(0)
    for exponent in np.unique(exponents):
        group = whole[exponents == exponent]
        high, low = int((group >> 32).sum()), int((group & 0xFFFFFFFF).sum())
        total += ((high << 32) + low) * Fraction(2) ** (int(exponent) - _MANTISSA_BITS)
    return total


def _cast(values: NDArray[np.integer], missing: Bools | None, kind: pa.DataType) -> list[pa.Array]:
    """The texts of all columns, made in one go: a call for each column would cost more than its work."""
    columns, rows = values.shape
    valid = None
    if missing is not None and missing.any():
        valid = pa.py_buffer(np.packbits(np.tile(~missing, columns), bitorder="little"))
    flat = pa.Array.from_buffers(kind, columns * rows, [valid, pa.py_buffer(values)])
    text = pc.cast(flat, pa.string())
    return [text.slice(column * rows, rows) for column in range(columns)]
