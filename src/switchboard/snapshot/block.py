"""A snapshot as bytes: rows gathered into blocks, the index that finds them, and the way back.

A block is an Arrow record batch, serialised without its schema. Its columns, by position:

    0                 time of the row, int64, microseconds since the epoch
    1                 port, string; of type null where the source has no ports
    2 … 1 + labels    labels, string
    then              metrics: int32, int64, uint64 or double; null where the cell was empty or rejected

The switch is no column: the index says which rows of which block belong to which switch, as parts (switch, block,
first row, rows). Rows of one switch may be far apart in the body; then it has several parts, in the body's order.

A snapshot of up to SMALL_ROWS rows gets one block a switch. A larger one closes a block at the first switch boundary
after BLOCK_ROWS rows: on 100,000 one-row switches that is 50 bytes a row instead of 456, and a hundredth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from switchboard.snapshot.arrays import IntArray

TIME, PORT, LABELS = 0, 1, 2
"""Positions of the time, the port and the first label in a block."""


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows as they were parsed: ``rows`` has the columns of a block, ``switches`` and ``lines`` one entry a row."""

    switches: pa.Array
    rows: pa.RecordBatch
    labels: int
    lines: IntArray
    """Line of the body on which each row begins."""


class Block:
    """A block in memory. ``metrics`` and ``labels`` map a name to the position of its column."""

    __slots__ = ("_columns", "_ports", "has_ports", "labels", "metrics", "rows")

    def __init__(self, rows: pa.RecordBatch, labels: dict[str, int], metrics: dict[str, int]) -> None:
        self.rows = rows
        self.labels = labels
        self.metrics = metrics
        self.has_ports = not pa.types.is_null(rows.schema.field(PORT).type)
        """Whether rows are ports of a switch, or whole switches."""
        self._ports: list[str] | None = None
        self._columns: dict[int, _Cells] = {}

    def column_of(self, name: str) -> int | None:
        """Position of the column of a metric or, where there is no such metric, of a label."""
        column = self.metrics.get(name)
        return self.labels.get(name) if column is None else column

    def cell(self, column: int, row: int) -> Any:
        """One cell as a Python value, None where it is missing: 0.1 µs, a fifth of what Arrow's own way takes."""
        cells = self._columns.get(column)
        if cells is None:
            cells = self._columns[column] = _cells(self.rows.column(column))
        return cells[row]

    @property
    def ports(self) -> list[str]:
        """Port of every row; made once. Ask ``has_ports`` first."""
        if self._ports is None:
            self._ports = self.rows.column(PORT).to_pylist()
        return self._ports


class _Cells(Protocol):
    """The cells of a column, by row."""

    def __getitem__(self, row: int, /) -> Any:
        """The cell of a row."""


class _Scalars:
    """A column of any type, with cells that may be missing."""

    __slots__ = ("_array",)

    def __init__(self, array: pa.Array) -> None:
        self._array = array

    def __getitem__(self, row: int, /) -> Any:
        return self._array[row].as_py()


_MEMORY_FORMATS = {pa.int32(): "i", pa.int64(): "q", pa.uint64(): "Q", pa.float64(): "d"}


def _cells(array: pa.Array) -> _Cells:
    """Numbers of which none is missing are read where they lie."""
    form = _MEMORY_FORMATS.get(array.type)
    if form is None or array.null_count or not len(array):
        return _Scalars(array)
    width = array.type.byte_width
    data = memoryview(array.buffers()[1]).cast("B")
    cells: memoryview[Any] = data[array.offset * width : (array.offset + len(array)) * width].cast(form)  # type: ignore[call-overload]
    return cells
