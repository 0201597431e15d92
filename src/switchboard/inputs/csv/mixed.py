"""Columns with numbers that no single Arrow type holds exactly: -1 beside 2^64 - 1, or 0.5 beside 2^53 + 1.

The type of a column may widen while a body is read, once or twice. A column whose type would have to change in another
way is *mixed* from there on: its type stays, and a row with a number that does not fit becomes an odd row
(`snapshot/block.py`). Odd rows with the same types go together, so blocks stay large wherever such rows stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.inputs.csv.context import ARROW, TYPE_OF, ColumnType, Context
from switchboard.inputs.csv.numbers import Inexact, type_of, typed
from switchboard.snapshot.arrays import IntArray

MOST_COMBINATIONS = 32
"""Most combinations of types that the odd rows of a body may have. Each makes blocks of its own, and five columns that
are mixed at random have so many."""
_WIDENS = {
    ColumnType.INT32: {ColumnType.INT64, ColumnType.UINT64, ColumnType.DOUBLE},
    ColumnType.INT64: {ColumnType.UINT64, ColumnType.DOUBLE},
}
"""Type -> the types that may take its place."""

Arrays = dict[int, pa.Array]
"""By position of the column in the header."""
Combination = tuple[tuple[int, ColumnType], ...]
"""The columns of an odd row that have another type than in most rows."""


class Typed(NamedTuple):
    """Columns with their types. In ``columns``, numbers of odd rows that do not fit are null."""

    columns: Arrays
    odd: list[tuple[IntArray, Arrays]]
    """Positions of odd rows of one combination, and all columns of these rows."""


def type_columns(context: Context, cells: Mapping[int, pa.Array], lines: IntArray) -> Typed:
    """Give a type to every column that has one: labels, and metrics as well-written numbers or nulls.

    ``lines``: the line of each row, for rejects.
    """
    columns: Arrays = {}
    odd_cells: dict[int, list[tuple[int, ColumnType]]] = {}  # by row
    for at, texts in cells.items():
        if context.types[at] is ColumnType.LABEL:
            columns[at] = texts
        elif context.types[at] is not ColumnType.UNKNOWN:
            columns[at] = _one_type(context, at, texts)
            if columns[at] is None:
                columns[at], misfits = _split(texts, context.types[at])
                for row, column_type in misfits.items():
                    odd_cells.setdefault(row, []).append((at, column_type))
    return Typed(columns, _odd_rows(context, cells, columns, odd_cells, lines) if odd_cells else [])


def _one_type(context: Context, at: int, texts: pa.Array) -> pa.Array | None:
    """A column in one type, which is its type from here on; None if the column is mixed and has odd rows here."""
    before = context.types[at]
    try:
        column = typed(texts, before)
    except Inexact:
        column = None
    after = before if column is None else TYPE_OF[column.type]
    if column is not None and (after is before or (at not in context.mixed and after in _WIDENS.get(before, ()))):
        context.types[at] = after
        return column
    if at not in context.mixed:
        context.mixed.add(at)
        context.types[at] = ColumnType.INT64 if before is ColumnType.INT32 else before
    return None


def _split(texts: pa.Array, column_type: ColumnType) -> tuple[pa.Array, dict[int, ColumnType]]:
    """The numbers of a column that fit its type, and by row the types of the others."""
    misfits = {
        row: fitting
        for row, text in enumerate(texts.to_pylist())
        if text is not None and (fitting := type_of(text, column_type)) is not column_type
    }
    fits = np.ones(len(texts), bool)
    fits[list(misfits)] = False
    return pc.if_else(pa.array(fits), texts, pa.scalar(None, pa.string())).cast(ARROW[column_type]), misfits


def _odd_rows(
    context: Context,
    cells: Mapping[int, pa.Array],
    columns: Arrays,
    odd_cells: Mapping[int, list[tuple[int, ColumnType]]],
    lines: IntArray,
) -> list[tuple[IntArray, Arrays]]:
    """The odd rows by combination. Cells of combinations beyond MOST_COMBINATIONS become rejects."""
    rows_of: dict[Combination, list[int]] = {}
    for row in sorted(odd_cells):
        combination = tuple(odd_cells[row])
        if combination not in context.combinations:
            if len(context.combinations) >= MOST_COMBINATIONS:
                for at, _ in combination:
                    context.rejects.add("mixed", int(lines[row]), context.columns.names[at], cells[at][row].as_py())
                continue
            context.combinations.add(combination)
        rows_of.setdefault(combination, []).append(row)
    odd = []
    for combination, rows in rows_of.items():
        types = dict(combination)
        odd.append(
            (
                np.array(rows, np.int32),
                {
                    at: cells[at].take(pa.array(rows)).cast(ARROW[types[at]])
                    if at in types
                    else column.take(pa.array(rows))
                    for at, column in columns.items()
                },
            )
        )
    return odd
