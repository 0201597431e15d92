"""The format ``arrow``: the table of ``tables.py`` as an Arrow IPC stream: a schema, batches, the end-of-stream mark.

A column has one type in the whole answer, the narrowest that holds the values of all blocks:

    text in any block                string; numbers are written as in JSON
    a double in any block            double; the field's metadata has "rounded" if an integer beyond 2**53 had to be one
    uint64 beside int64 or int32     uint64; decimal128(20, 0) if a value is negative
    int64 beside int32               int64

``source``, ``switch_id`` and ``port`` are strings, ``timestamp`` is timestamp[us, tz=UTC]. A missing cell is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.outputs.tables import FIXED, Rows, table_columns, table_pieces
from switchboard.selection import cost
from switchboard.selection.choose import Listed
from switchboard.selection.cost import Piece, join_pieces
from switchboard.selection.pages import WHOLE, Page
from switchboard.selection.windows import FIRST_CELL
from switchboard.snapshot.block import PORT, TIME, Block
from switchboard.snapshot.snapshot import Snapshot

EXACT = 2**53
"""Integers up to this, and down to its negative, are exact as doubles."""
ROUNDED = {"rounded": "integers beyond 2**53"}
"""The metadata of a column of doubles that has others among them."""
_TIMESTAMP = pa.timestamp("us", "UTC")
_DECIMAL = pa.decimal128(20, 0)
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"

_encode = msgspec.json.Encoder().encode


def render_arrow(sources: Sequence[Listed], page: Page = WHOLE) -> Iterator[bytes]:
    """The rows of a page as a stream, one or more batches per piece; a piece may be empty."""
    shown = table_columns(sources)
    fields = [pa.field(name, pa.string()) for name in FIXED[:-1]] + [pa.field(FIXED[-1], _TIMESTAMP)]
    for name, other in shown.items():
        types = _types(sources, name)
        low = high = 0
        if len(types) > 1 and pa.string() not in types:
            for snapshot in (source.selector.snapshot for source in sources):
                for _ in _find_extremes(snapshot, name):
                    yield b""
                low, high = min(low, snapshot.extremes[name][0]), max(high, snapshot.extremes[name][1])
        fields.append(_field(other, types, low, high))
    yield from join_pieces(_stream(sources, page, list(shown), pa.schema(fields)), cost.ARROW_PIECE_COPIES)


def _stream(sources: Sequence[Listed], page: Page, names: list[str], schema: pa.Schema) -> Iterator[Piece]:
    yield Piece(schema.serialize().to_pybytes(), 0)
    first_rows = max(1, cost.BATCH_COPIES // cost.FIRST_BATCHES // len(schema))
    yield from table_pieces(
        sources,
        page,
        cost.BATCH_COPIES,
        partial(_write, names, schema),
        units_per_cell=cost.COPIES_PER_CELL,
        first_rows=repeat(first_rows, cost.FIRST_BATCHES),
    )
    yield Piece(_END, 0)


def _write(names: list[str], schema: pa.Schema, rows: Rows) -> Piece:
    # The cells of a row are copied. What depends on the number of blocks costs here what it costs elsewhere.
    work = rows.window.work + rows.window.column_work * cost.COPIES_PER_CELL
    return Piece(_batch(rows, names, schema).serialize().to_pybytes(), work)


def _types(sources: Sequence[Listed], name: str) -> set[pa.DataType]:
    """The types that a column has in the blocks in which it is listed."""
    return {
        block.rows.schema.field(position).type
        for source in sources
        for block in source.selector.snapshot.schemas
        if (position := _position(source, block, name)) is not None
    }


def _position(source: Listed, block: Block, name: str) -> int | None:
    """The position of a column in a block; None if the block does not have it or it is not listed."""
    columns = source.selector.columns(block)
    return columns.positions[columns.names.index(name)] if name in columns.names else None


def _field(name: str, types: set[pa.DataType], low: int, high: int) -> pa.Field:
    if len(types) == 1:
        return pa.field(name, *types)
    if pa.string() in types:
        return pa.field(name, pa.string())
    if pa.float64() in types:
        rounded = low < -EXACT or high > EXACT
        return pa.field(name, pa.float64(), metadata=ROUNDED if rounded else None)
    if pa.uint64() in types:
        return pa.field(name, _DECIMAL if low < 0 else pa.uint64())
    return pa.field(name, pa.int64())


def _find_extremes(snapshot: Snapshot, name: str) -> Iterator[None]:
    """Put the lowest and the highest integer of a metric into ``snapshot.extremes``; yields after every STEP_BLOCKS."""
    if name in snapshot.extremes:
        return
    found = [0]
    for blocks, block in enumerate(snapshot.blocks, 1):
        position = block.metrics.get(name)
        if position is not None and pa.types.is_integer(block.rows.schema.field(position).type):
            extremes = pc.min_max(block.rows.column(position)).as_py()
            found += [value for value in extremes.values() if value is not None]
        if blocks % cost.STEP_BLOCKS == 0:
            found = [min(found), max(found)]
            yield
    snapshot.extremes[name] = min(found), max(found)


def _batch(rows: Rows, names: list[str], schema: pa.Schema) -> pa.RecordBatch:
    window, count = rows.window, rows.window.rows.num_rows
    places = {name: place for place, name in enumerate(window.columns.names)}
    port = window.rows.column(PORT)
    arrays: list[Any] = [
        pa.repeat(rows.source.name, count),
        pa.array(rows.switches, pa.string()),
        port if window.block.has_ports else pa.nulls(count, pa.string()),
        window.rows.column(TIME).view(_TIMESTAMP),
    ]
    for name, field in zip(names, list(schema)[len(FIXED) :], strict=True):
        place = places.get(name)
        if place is None:
            arrays.append(pa.nulls(count, field.type))
        else:
            arrays.append(_as(field.type, window.rows.column(FIRST_CELL + place)))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _as(wanted: pa.DataType, column: pa.Array) -> pa.Array:
    """A column as values of another type; a label without text becomes null."""
    if pa.types.is_string(column.type):
        empty = pc.equal(column, "")
        return pc.if_else(empty, pa.scalar(None, pa.string()), column) if pc.any(empty).as_py() else column
    if column.type == wanted:
        return column
    if pa.types.is_string(wanted):
        texts = [None if value is None else _encode(value).decode() for value in column.to_pylist()]
        return pa.array(texts, pa.string())
    return column.cast(wanted, safe=not pa.types.is_floating(wanted))
