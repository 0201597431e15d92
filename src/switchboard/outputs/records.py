"""Tables of records: answers that are rows, but not the rows of a snapshot (rankings, batches, lists of switches).

The formats are those of ``tables.py`` and ``arrow.py``, cell for cell. The records come in batches, made one by one: an
empty batch lets others have their turn. A field of the kind VALUE may hold numbers and texts; Arrow gives it one type,
so all batches are made before the first is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from switchboard.outputs.arrow import EXACT, ROUNDED
from switchboard.outputs.tables import csv_lines, safe, times_as_text


class Kind(Enum):
    """What a field holds; a cell may be None, unless it is a time."""

    TEXT = "text"
    COUNT = "whole number"
    TIME = "microseconds since the epoch"
    VALUE = "a cell of a snapshot"


class Field(NamedTuple):
    """A column of the table."""

    name: str
    kind: Kind


Batch = Sequence[Sequence[Any]]
"""Records, each with a cell per field."""


def write_records(format: str, fields: Sequence[Field], batches: Iterable[Batch]) -> Iterator[bytes]:
    """The records in a format, a piece per batch; a piece may be empty."""
    return _WRITERS[format](fields, batches)


def _ndjson(fields: Sequence[Field], batches: Iterable[Batch]) -> Iterator[bytes]:
    names = [field.name for field in fields]
    for batch in batches:
        rows = [
            {name: cell for name, cell in zip(names, record, strict=True) if cell is not None}
            for record in _with_times(fields, batch)
        ]
        yield _encode_lines(rows) if rows else b""


def _csv(fields: Sequence[Field], batches: Iterable[Batch]) -> Iterator[bytes]:
    yield csv_lines([[safe(field.name) for field in fields]])
    for batch in batches:
        yield csv_lines(
            [safe(cell) if isinstance(cell, str) else cell for cell in record] for record in _with_times(fields, batch)
        )


def _arrow(fields: Sequence[Field], batches: Iterable[Batch]) -> Iterator[bytes]:
    held: list[Batch] = []
    ranges = {place: _Range() for place, field in enumerate(fields) if field.kind is Kind.VALUE}
    made: Iterable[Batch] = batches
    if ranges:
        for batch in batches:
            held.append(batch)
            for place, known in ranges.items():
                known.add(record[place] for record in batch)
            yield b""
        made = held
    schema = pa.schema(
        [
            ranges[place].field(field.name) if place in ranges else pa.field(field.name, _TYPES[field.kind])
            for place, field in enumerate(fields)
        ]
    )
    yield schema.serialize().to_pybytes()
    for batch in made:
        if batch:
            columns = [
                pa.array(_cells(cells, type), type)
                for cells, type in zip(zip(*batch, strict=True), schema.types, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema).serialize().to_pybytes()
        else:
            yield b""
    yield b"\xff\xff\xff\xff\x00\x00\x00\x00"


class _Range:
    """What a column holds, so far as it was seen."""

    def __init__(self) -> None:
        self._text = self._double = False
        self._low = self._high = 0

    def add(self, cells: Iterable[Any]) -> None:
        """Look at more cells."""
        for cell in cells:
            if isinstance(cell, str):
                self._text = True
            elif isinstance(cell, float):
                self._double = True
            elif cell is not None:
                self._low, self._high = min(self._low, cell), max(self._high, cell)

    def field(self, name: str) -> pa.Field:
        """The column, of a type that holds all cells; integers have 64 bits, whatever the rows of the moment are."""
        if self._text:
            return pa.field(name, pa.string())
        if self._double:
            rounded = self._low < -EXACT or self._high > EXACT
            return pa.field(name, pa.float64(), metadata=ROUNDED if rounded else None)
        if self._high >= 2**63:
            return pa.field(name, pa.decimal128(20, 0) if self._low < 0 else pa.uint64())
        return pa.field(name, pa.int64())


def _cells(cells: Sequence[Any], type: pa.DataType) -> Sequence[Any]:
    """Cells as Arrow takes them: numbers beside texts are written as in JSON, integers beside doubles are doubles."""
    if pa.types.is_string(type):
        return [cell if cell is None or isinstance(cell, str) else _encode(cell).decode() for cell in cells]
    if pa.types.is_floating(type):
        return [None if cell is None else float(cell) for cell in cells]
    return cells


def _with_times(fields: Sequence[Field], batch: Batch) -> Batch:
    """The records with their times as text."""
    times = [place for place, field in enumerate(fields) if field.kind is Kind.TIME]
    if not times:
        return batch
    columns = [list(cells) for cells in zip(*batch, strict=True)]
    for place in times if columns else ():
        columns[place] = times_as_text(np.asarray(columns[place], np.int64))
    return list(zip(*columns, strict=True))


_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_TYPES = {Kind.TEXT: pa.string(), Kind.COUNT: pa.int64(), Kind.TIME: pa.timestamp("us", "UTC")}
_WRITERS: dict[str, Callable[[Sequence[Field], Iterable[Batch]], Iterator[bytes]]] = {
    "ndjson": _ndjson,
    "csv": _csv,
    "arrow": _arrow,
}
