"""Rows of a snapshot as Arrow batches of a wanted size: parts of a block, or the rows of several small blocks together.

Cutting neighbouring rows out of a block costs almost nothing, and so does reading a column of many rows. A call per row
or per tiny block would cost more than the cells; so rows of blocks with one schema are put together into a *window*.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from switchboard.selection import cost
from switchboard.selection.choose import Selector
from switchboard.selection.masks import Columns
from switchboard.snapshot.arrays import IntArray, slice_or_take
from switchboard.snapshot.block import PORT, TIME, Block
from switchboard.snapshot.cell import Cells

FIRST_CELL = 2
"""Position of the first chosen column in a window, after time and port."""


class Window(NamedTuple):
    """Rows of blocks with one schema, in the order asked for, as a batch: time, port, and then the chosen columns."""

    block: Block
    """One of the blocks."""
    rows: pa.RecordBatch
    columns: Columns
    """The chosen columns. Their positions are those in the block, not in ``rows``."""
    start: int
    """Index of the first row of the window among the ordinals that were asked for."""
    work: int
    """What it costs to read the rows and write them as JSON, in cells of ``cost.py``."""
    column_work: int
    """The part of ``work`` that depends on how many blocks the rows come from, not on how many rows there are."""

    @property
    def ports(self) -> list[str] | None:
        """Port of every row; None where the source has no ports."""
        return self.rows.column(PORT).to_pylist() if self.block.has_ports else None


def read_windows(selector: Selector, ordinals: IntArray, budget: int) -> Iterator[Window]:
    """The rows in the order of ``ordinals``, in windows of about ``budget`` cells of work and at least one row."""
    gathered = _Gathered()
    start = 0
    for block, offsets, _ in selector.order.segments(ordinals):
        columns = selector.columns(block)
        most_rows = max(1, budget // (len(columns.names) + cost.ROW_CELLS))
        if not gathered.fits(block, len(offsets), most_rows):
            yield gathered.take(start)
            start += gathered.rows
        done = 0
        while len(offsets) - done > most_rows:
            gathered.add(block, columns, offsets[done : done + most_rows])
            yield gathered.take(start)
            done, start = done + most_rows, start + most_rows
        gathered.add(block, columns, offsets[done:])
    if gathered.parts:
        yield gathered.take(start)


class _Gathered:
    """Rows of blocks with one schema, collected until they are a window."""

    def __init__(self) -> None:
        self.parts: list[pa.RecordBatch] = []
        self.rows = 0
        """Number of rows in ``parts``; after ``take``, in the window that was taken."""
        self._column_work = 0
        self._block: Block | None = None
        """The block of the rows that were added last."""
        self._columns = Columns((), (), 0)
        self._projected: pa.RecordBatch | None = None
        """The chosen columns of ``_block``."""

    def fits(self, block: Block, rows: int, most_rows: int) -> bool:
        """Whether more rows can go into this window."""
        if not self.parts or self._block is None:
            return True
        if block.metrics is not self._block.metrics or self._column_work >= cost.MOST_WINDOW_CELLS:
            return False
        return self.rows + rows <= most_rows

    def add(self, block: Block, columns: Columns, offsets: IntArray) -> None:
        """Add rows of a block, at least one; ``columns`` are those of the block that are chosen."""
        if block is not self._block or self._projected is None:
            self._block, self._columns = block, columns
            self._projected = block.rows.select([TIME, PORT, *columns.positions])
        part = slice_or_take(self._projected, offsets)
        if not self.parts:
            self.rows = self._column_work = 0
        self.parts.append(part)
        self.rows += len(offsets)
        neighbours = int(offsets[-1]) - int(offsets[0]) == len(offsets) - 1
        per_column = cost.COLUMN_CELLS if neighbours else cost.GATHER_CELLS
        self._column_work += (FIRST_CELL + len(columns.names)) * per_column

    def take(self, start: int) -> Window:
        """The window of the rows that were added. The next ``add`` begins another one."""
        assert self._block is not None
        rows = self.parts[0] if len(self.parts) == 1 else pa.concat_batches(self.parts)
        self.parts = []
        work = self._column_work + self.rows * (len(self._columns.names) + cost.ROW_CELLS)
        return Window(self._block, rows, self._columns, start, work, self._column_work)


def read_cells(window: Window) -> Iterator[Cells]:
    """The cells of every row of a window by name of their column; missing cells are left out."""
    names, positions, labels = window.columns
    if not positions:
        return iter([{}] * window.rows.num_rows)
    columns, complete = [], True
    for place, column in enumerate(window.rows.columns[FIRST_CELL:]):
        values = column.to_pylist()
        if place < labels:
            values = [text or None for text in values]
            complete = complete and None not in values
        else:
            complete = complete and column.null_count == 0
        columns.append(values)
    rows = zip(*columns, strict=True)
    if complete:
        return (dict(zip(names, row, strict=True)) for row in rows)
    return ({name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows)
