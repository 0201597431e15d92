"""Rows of a snapshot as Arrow batches of a size that is wanted: parts of blocks, or small blocks put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from switchboard.selection.choose import Columns, Selector
from switchboard.snapshot.arrays import IntArray, slice_or_take
from switchboard.snapshot.block import PORT, TIME, Block
from switchboard.snapshot.cell import Cells

ROW_WORK = 10
"""What a row costs beside its cells, in cells of 0.1 µs."""
_PART_WORK, _GATHER_WORK = 1, 15
"""What each column costs of a block that is part of a window, and of one whose rows there are not neighbours."""
_MOST_PART_WORK = 4_000


class Window(NamedTuple):
    """Rows with time, port and then the chosen columns; all are of blocks with one schema.

    ``at`` is the place of the first row among the ordinals that were asked for, ``work`` what it costs to read them, in
    cells; ``gathering`` is the share of it that depends on how far apart they are, not on how many.
    """

    block: Block
    rows: pa.RecordBatch
    columns: Columns
    at: int
    work: int
    gathering: int

    @property
    def ports(self) -> list[str] | None:
        """Port of every row; None where the source has no ports."""
        return self.rows.column(PORT).to_pylist() if self.block.has_ports else None


def read_windows(selector: Selector, ordinals: IntArray, most_work: int) -> Iterator[Window]:
    """The rows in the order of ``ordinals``, in windows that cost about ``most_work`` and have at least a row."""
    gathered = _Gathered(selector)
    at = 0
    for block, places, _ in selector.order.segments(ordinals):
        row_work = len(selector.columns(block).names) + ROW_WORK
        most = max(1, most_work // row_work)
        if not gathered.fits(block, len(places), most):
            yield gathered.take(at)
            at += gathered.rows
        done = 0
        while len(places) - done > most:
            gathered.add(block, places[done : done + most])
            yield gathered.take(at)
            done, at = done + most, at + most
        gathered.add(block, places[done:])
    if gathered.parts:
        yield gathered.take(at)


class _Gathered:
    """Rows of blocks with one schema, until they are a window."""

    def __init__(self, selector: Selector) -> None:
        self.parts: list[pa.RecordBatch] = []
        self.rows = 0
        """Rows of the parts, or of the window that was taken last."""
        self._selector = selector
        self._work = 0
        self._block: Block | None = None
        self._projected: pa.RecordBatch | None = None

    def fits(self, block: Block, rows: int, most: int) -> bool:
        """Whether more rows can go into this window."""
        if not self.parts or self._block is None:
            return True
        return block.metrics is self._block.metrics and self.rows + rows <= most and self._work < _MOST_PART_WORK

    def add(self, block: Block, places: IntArray) -> None:
        """Add rows of a block."""
        columns = self._selector.columns(block)
        if block is not self._block or self._projected is None:
            self._block, self._projected = block, block.rows.select([TIME, PORT, *columns.positions])
        part = slice_or_take(self._projected, places)
        if not self.parts:
            self.rows = self._work = 0
        self.parts.append(part)
        self.rows += len(places)
        neighbours = int(places[-1]) - int(places[0]) == len(places) - 1
        self._work += (2 + len(columns.names)) * (_PART_WORK if neighbours else _GATHER_WORK)

    def take(self, at: int) -> Window:
        """The window of what was added."""
        assert self._block is not None
        rows = self.parts[0] if len(self.parts) == 1 else pa.concat_batches(self.parts)
        self.parts = []
        columns = self._selector.columns(self._block)
        work = self._work + self.rows * (len(columns.names) + ROW_WORK)
        return Window(self._block, rows, columns, at, work, self._work)


CELLS = 2
"""Position of the first cell in a window."""


def read_cells(window: Window) -> Iterator[Cells]:
    """The cells of every row of a window; those that are missing are left out."""
    names, positions, labels = window.columns
    if not positions:
        return iter([{}] * window.rows.num_rows)
    columns, complete = [], True
    for place, column in enumerate(window.rows.columns[CELLS:]):
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
