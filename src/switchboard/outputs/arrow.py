"""Lists as an Arrow IPC stream: the tables of ``tables``, a schema, batches of about a block each, and the end.

A column has one type in the whole answer, the narrowest that holds what the blocks have:

    text anywhere                    string; numbers are written as in JSON
    a double anywhere                double; "rounded" is in the field's metadata if there is an integer beyond 2**53
    uint64 next to int64 or int32    uint64; decimal128(20, 0) if a value is negative
    int64 next to int32              int64

``source``, ``switch_id`` and ``port`` are strings, ``timestamp`` is timestamp[us, tz=UTC]. A missing cell is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.outputs.tables import FIXED, Rows, joined, table_columns, table_rows
from switchboard.selection.choose import Listed
from switchboard.selection.pages import WHOLE, Page
from switchboard.selection.windows import CELLS
from switchboard.snapshot.block import PORT, TIME, Block
from switchboard.snapshot.snapshot import Snapshot

BATCH_WORK = 1 << 17
"""Cells of a batch: 1 MiB, which takes 0.4 ms."""
_PIECE_WORK = BATCH_WORK // 2
"""Small batches are put together up to this, larger ones are a piece each: they are not copied once more."""
_CELLS_A_CELL = 32
"""Cells that are copied in the time that one takes elsewhere, as text."""
_BLOCKS_A_STEP = 64
_EXACT = 2**53
_TIMESTAMP = pa.timestamp("us", "UTC")
_DECIMAL = pa.decimal128(20, 0)
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"

_encode = msgspec.json.Encoder().encode


def render_arrow(sources: Sequence[Listed], page: Page = WHOLE) -> Iterator[bytes]:
    """The stream, a batch a piece. A piece may be empty."""
    shown = table_columns(sources)
    fields = [pa.field(name, pa.string()) for name in FIXED[:-1]] + [pa.field(FIXED[-1], _TIMESTAMP)]
    for name, other in shown.items():
        types = {
            block.rows.schema.field(position).type
            for source in sources
            for block in source.selector.snapshot.schemas
            if (position := _position(source, block, name)) is not None
        }
        extremes = [0]
        if len(types) > 1 and pa.string() not in types:
            for source in sources:
                for _ in _look(source.selector.snapshot, name):
                    yield b""
                extremes += source.selector.snapshot.memo["extremes", name]
        fields.append(_field(other, types, min(extremes), max(extremes)))
    yield from joined(_stream(sources, page, list(shown), pa.schema(fields)), _PIECE_WORK)


def _stream(sources: Sequence[Listed], page: Page, names: list[str], schema: pa.Schema) -> Iterator[tuple[bytes, int]]:
    yield schema.serialize().to_pybytes(), 0
    for rows in table_rows(sources, page, BATCH_WORK):
        if isinstance(rows, int):
            yield b"", rows * _CELLS_A_CELL
        else:
            work = rows.window.work + rows.window.gathering * _CELLS_A_CELL
            yield _batch(rows, names, schema).serialize().to_pybytes(), work
    yield _END, 0


def _position(source: Listed, block: Block, name: str) -> int | None:
    """Where a block has a column, if it is listed."""
    columns = source.selector.columns(block)
    return columns.positions[columns.names.index(name)] if name in columns.names else None


def _field(name: str, types: set[pa.DataType], low: int, high: int) -> pa.Field:
    if len(types) == 1:
        return pa.field(name, *types)
    if pa.string() in types:
        return pa.field(name, pa.string())
    if pa.float64() in types:
        rounded = low < -_EXACT or high > _EXACT
        return pa.field(name, pa.float64(), metadata={"rounded": "integers beyond 2**53"} if rounded else None)
    if pa.uint64() in types:
        return pa.field(name, _DECIMAL if low < 0 else pa.uint64())
    return pa.field(name, pa.int64())


def _look(snapshot: Snapshot, name: str) -> Iterator[None]:
    """Put the lowest and the highest integer of a column into the memo of a snapshot, in steps."""
    if ("extremes", name) in snapshot.memo:
        return
    found = [0]
    for number, block in enumerate(snapshot.blocks, 1):
        position = block.metrics.get(name)
        if position is not None and pa.types.is_integer(block.rows.schema.field(position).type):
            extremes = pc.min_max(block.rows.column(position)).as_py()
            found += [value for value in extremes.values() if value is not None]
        if number % _BLOCKS_A_STEP == 0:
            found = [min(found), max(found)]
            yield
    snapshot.memo["extremes", name] = min(found), max(found)


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
            arrays.append(_as(field.type, window.rows.column(CELLS + place)))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _as(wanted: pa.DataType, column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type):
        empty = pc.equal(column, "")
        return pc.if_else(empty, pa.scalar(None, pa.string()), column) if pc.any(empty).as_py() else column
    if column.type == wanted:
        return column
    if pa.types.is_string(wanted):
        texts = [None if value is None else _encode(value).decode() for value in column.to_pylist()]
        return pa.array(texts, pa.string())
    return column.cast(wanted, safe=not pa.types.is_floating(wanted))
