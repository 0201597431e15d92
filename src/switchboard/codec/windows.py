"""Rows of a snapshot as Arrow batches of a size that is wanted: parts of blocks, or small blocks put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from switchboard.codec.block import PORT, TIME, Block
from switchboard.codec.choose import Columns, Selector
from switchboard.codec.duplicates import IntArray
from switchboard.codec.order import slice_or_take

_MOST_PUT_TOGETHER = 4_000
"""Columns of blocks that are put together in one window; each costs 0.1 µs."""


class Window(NamedTuple):
    """Rows with time, port and then the chosen columns; all are of blocks with one schema.

    ``at`` is the place of the first row among the ordinals that were asked for.
    """

    block: Block
    rows: pa.RecordBatch
    columns: Columns
    at: int

    @property
    def ports(self) -> list[str] | None:
        """Port of every row; None where the source has no ports."""
        return self.rows.column(PORT).to_pylist() if self.block.has_ports else None


def read_windows(selector: Selector, ordinals: IntArray, most_cells: int) -> Iterator[Window]:
    """The rows in the order of ``ordinals``, in windows of about ``most_cells`` cells and of at least a row."""
    pending: list[pa.RecordBatch] = []
    held = selector.snapshot.blocks[0] if selector.snapshot.blocks else None
    projected: pa.RecordBatch | None = None
    last: Block | None = None
    rows = at = 0
    for block, places, _ in selector.order.segments(ordinals):
        columns = selector.columns(block)
        most = max(1, most_cells // (len(columns.positions) + 1))
        most_parts = _MOST_PUT_TOGETHER // (len(columns.positions) + 2)
        assert held is not None
        if pending and (block.metrics is not held.metrics or rows + len(places) > most or len(pending) >= most_parts):
            yield Window(held, _joined(pending), selector.columns(held), at)
            at, rows, pending = at + rows, 0, []
        if block is not last:
            projected, last = block.rows.select([TIME, PORT, *columns.positions]), block
        held = block
        done = 0
        while len(places) - done > most:
            yield Window(block, slice_or_take(projected, places[done : done + most]), columns, at)
            done, at = done + most, at + most
        pending.append(slice_or_take(projected, places[done:]))
        rows += len(places) - done
    if pending and held is not None:
        yield Window(held, _joined(pending), selector.columns(held), at)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
