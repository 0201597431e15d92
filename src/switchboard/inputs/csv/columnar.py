"""The fast way to read a chunk: pyarrow.csv reads it whole, then checks look at how its numbers were written.

pyarrow is more generous than we are: it takes ``0x1F`` in an integer column, blanks around numbers, ``+5``, ``.5``,
``5.``, ``inf`` and ``nan`` in a column of doubles. None of that can be told from its result, but all of it shows in the
first two bytes and the last byte of a cell (``1.e5`` has a check of its own). These bytes are looked at for all cells
at once. A doubtful chunk is left to `rows.py`, which is the reference: the fast way may refuse what `rows.py` accepts,
but never accepts what `rows.py` refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from switchboard.inputs.csv.context import (
    ARROW,
    EXACT_DOUBLE,
    MOST_ID_BYTES,
    NUMERIC,
    ColumnType,
    Context,
    Keys,
    row_batch,
)
from switchboard.inputs.csv.header import BOM
from switchboard.inputs.csv.kinds import decide, tells
from switchboard.inputs.csv.latin1 import decode_cell, is_utf8
from switchboard.inputs.csv.layout import DELIMITERS
from switchboard.inputs.csv.numbers import NUMBER, Inexact, typed, without_unit
from switchboard.inputs.time_columns import Int64Array, of_integers, of_texts
from switchboard.snapshot.block import RowBatch

_DIGIT, _MINUS, _DELIMITER, _OTHER = range(4)
_CLASS = np.full(256, _OTHER, np.uint8)
_CLASS[ord("0") : ord("9") + 1] = _DIGIT
_CLASS[ord("-")] = _MINUS
_CLASS[ord("\n")] = _DELIMITER
_CLASSES = {delimiter: _CLASS.copy() for delimiter in DELIMITERS}
for _delimiter, _classes in _CLASSES.items():
    _classes[ord(_delimiter)] = _DELIMITER

LOOK_BYTES = 128 << 10
"""Bytes that are looked at in one go, at least one line; the notes about the cells take several times their memory."""

BoolArray = npt.NDArray[np.bool_]


class NeedsRows(Exception):
    """The chunk has to be read row by row."""


def parse(context: Context, chunk: bytes, line: int) -> RowBatch:
    """Parse a chunk of whole lines, the first of which is line ``line``.

    Raises NeedsRows if there is anything to reject or to decide in it.
    """
    chunk = _utf8(context, _plain(context, chunk))
    columns = context.columns
    arrays = _arrays(context, chunk)
    rows = len(arrays[columns.switch])
    _check_id(arrays[columns.switch])
    if columns.port is not None:
        _check_id(arrays[columns.port])
    numeric = np.zeros(len(columns.names), bool)
    if columns.timestamp is not None:
        numeric[columns.timestamp] = not context.times_are_text
    for at, column_type in context.types.items():
        if column_type in NUMERIC and at in context.with_units:
            arrays[at] = _without_unit(context, at, arrays[at])
            continue
        numeric[at] = column_type in NUMERIC
        if column_type is ColumnType.DOUBLE:
            _check_doubles(arrays[at])
        elif column_type is ColumnType.UNKNOWN or at in context.unsure:
            _await(context, at, arrays[at])
    nulls = sum(arrays[at].null_count for at in np.flatnonzero(numeric))
    _check_cells(context, chunk, rows, numeric, nulls)
    keys = Keys(
        arrays[columns.switch],
        None if columns.port is None else arrays[columns.port],
        _times_us(context, arrays),
        np.arange(line, line + rows, dtype=np.int32),
    )
    return row_batch(
        context,
        keys,
        {at: arrays[at] for at, column_type in context.types.items() if column_type is not ColumnType.UNKNOWN},
    )


def _plain(context: Context, chunk: bytes) -> bytes:
    """The chunk with LF line ends and a final one, if it has no quotes, no comments and no control bytes."""
    layout = context.layout
    if chunk.startswith(BOM):  # pyarrow would take it for the beginning of a file, and not for part of a name
        raise NeedsRows
    if layout.comment and layout.has_comment(chunk):
        raise NeedsRows
    if b"\r" in chunk:
        chunk = chunk.replace(b"\r\n", b"\n")
    if not chunk.endswith(b"\n"):
        chunk += b"\n"
    bytes_ = np.frombuffer(chunk, np.uint8)
    controls = np.count_nonzero(bytes_ < ord(" ")) - np.count_nonzero(bytes_ == ord("\n"))
    if layout.delimiter == "\t":
        controls -= np.count_nonzero(bytes_ == ord("\t"))
    if controls or b'"' in chunk or b"\x7f" in chunk:
        raise NeedsRows
    if layout.padded:
        if np.max(np.diff(np.flatnonzero(bytes_ == ord("\n")), prepend=-1)) > context.most_line_bytes:
            raise NeedsRows
        return layout.unpadded(chunk)
    return chunk


def _utf8(context: Context, chunk: bytes) -> bytes:
    """The chunk with labels that are ISO-8859-1 turned into UTF-8. A switch or port must be UTF-8 as it is."""
    if chunk.isascii() or is_utf8(chunk):
        return chunk
    columns, separator = context.columns, context.layout.separator
    keys = {columns.switch, columns.port, columns.timestamp}
    parts: list[bytes] = []
    end = 0  # end of the last cell that was looked at
    for at in np.flatnonzero(np.frombuffer(chunk, np.uint8) >= 0x80).tolist():
        if at < end:
            continue
        line = chunk.rfind(b"\n", 0, at) + 1
        start = max(line, chunk.rfind(separator, line, at) + 1)
        parts.append(chunk[end:start])
        end = min(found for found in (chunk.find(separator, at), chunk.find(b"\n", at)) if found >= 0)
        cell = chunk[start:end]
        if chunk.count(separator, line, start) in keys and not is_utf8(cell):
            raise NeedsRows
        parts.append(decode_cell(cell).encode())
    return b"".join((*parts, chunk[end:]))


def _arrays(context: Context, chunk: bytes) -> list[pa.Array]:
    """One array per column. Columns for which 32 bits are too few have 64 from here on."""
    try:
        table = _read(context, chunk, {})
    except pa.ArrowInvalid as error:
        units = context.with_units  # these are read as text
        narrow = [
            at for at, column_type in context.types.items() if column_type is ColumnType.INT32 and at not in units
        ]
        if not narrow:
            raise NeedsRows from error
        try:
            table = _read(context, chunk, dict.fromkeys(narrow, pa.int64()))
        except pa.ArrowInvalid as wide_error:
            raise NeedsRows from wide_error
    else:
        narrow = []
    if table.num_rows == 0:
        raise NeedsRows
    arrays = [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns]
    for at in narrow:
        try:
            arrays[at] = arrays[at].cast(pa.int32())
        except pa.ArrowInvalid:
            context.types[at] = ColumnType.INT64
    return arrays


def _read(context: Context, chunk: bytes, wider: Mapping[int, pa.DataType]) -> Any:
    """Read a chunk as CSV; types in ``wider`` override those that were learned. Raises pa.ArrowInvalid."""
    columns = context.columns
    # Columns without a name are excluded, but pyarrow needs different names for them.
    names = [name or f"\0{at}" for at, name in enumerate(columns.names)]
    types = [pa.string()] * len(names)
    for at, column_type in context.types.items():
        if at not in context.with_units:
            types[at] = wider.get(at, ARROW[column_type])
    if columns.timestamp is not None and not context.times_are_text:
        types[columns.timestamp] = pa.int64()
    return pyarrow.csv.read_csv(
        pa.py_buffer(chunk),
        read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(chunk) + 1),
        parse_options=pyarrow.csv.ParseOptions(delimiter=context.layout.delimiter, quote_char=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict(zip(names, types, strict=True)),
            null_values=list(columns.missing),
            strings_can_be_null=False,
        ),
    )


def _await(context: Context, at: int, cells: pa.Array) -> None:
    """Let a column say what it holds, as soon as it does. Raises NeedsRows if it is no label from here on."""
    if not pc.all(pc.is_in(cells, value_set=context.missing)).as_py():
        words = [text for text in cells.unique().to_pylist() if text not in context.columns.missing]
        # Words for «no value» tell nothing, however many there are: so a column of them costs no more than its words.
        decide(context, at, cells.to_pylist() if any(map(tells, words)) else words)
        if context.types[at] is not ColumnType.LABEL:
            raise NeedsRows


def _without_unit(context: Context, at: int, cells: pa.Array) -> pa.Array:
    """Numbers with a unit, which pyarrow read as text."""
    cells = without_unit(cells, context.columns.units[at])
    missing = pc.is_in(cells, value_set=context.missing)
    if not pc.all(pc.or_(missing, pc.match_substring_regex(cells, NUMBER))).as_py():
        raise NeedsRows
    # 15 characters hold no number that is infinite, or too large for a type.
    if pc.max(pc.binary_length(cells)).as_py() > 15 or pc.any(pc.match_substring_regex(cells, "[eE]")).as_py():
        raise NeedsRows
    try:
        return typed(pc.if_else(missing, pa.scalar(None, pa.string()), cells), context.types[at])
    except Inexact as error:
        raise NeedsRows from error


def _check_id(ids: pa.Array) -> None:
    lengths = pc.min_max(pc.binary_length(ids))
    if lengths["min"].as_py() == 0 or lengths["max"].as_py() > MOST_ID_BYTES:
        raise NeedsRows


def _check_doubles(doubles: pa.Array) -> None:
    """Refuse infinities, and values that may be integers too large for a double."""
    values = doubles.to_numpy(zero_copy_only=False)
    if len(values) - np.count_nonzero(np.abs(values) < EXACT_DOUBLE) != doubles.null_count:
        raise NeedsRows


def _check_cells(context: Context, chunk: bytes, rows: int, numeric: BoolArray, nulls: int) -> None:
    """Refuse numbers that are not written as `numbers.NUMBER` says."""
    bytes_ = np.frombuffer(chunk, np.uint8)
    cells = no_numbers = start = 0
    while start < len(chunk):
        end = chunk.rfind(b"\n", start, start + LOOK_BYTES) + 1 or chunk.index(b"\n", start) + 1
        of_part = _look(context, bytes_[start:end], numeric)
        cells += of_part[0]
        no_numbers += of_part[1]
        start = end
    # A cell of a numeric column that does not look like a number must be a word for «missing». pyarrow has made a null
    # of each of those words, so there must be as many nulls as such cells.
    if cells != rows * len(numeric) or no_numbers != nulls:
        raise NeedsRows


def _look(context: Context, bytes_: npt.NDArray[np.uint8], numeric: BoolArray) -> tuple[int, int]:
    """The number of cells in some lines, and of numeric ones that are empty or do not begin and end like a number."""
    delimiter = context.layout.delimiter
    classes = _CLASSES[delimiter]
    ends = np.flatnonzero((bytes_ == ord(delimiter)) | (bytes_ == ord("\n")))
    if len(ends) % len(numeric):
        raise NeedsRows
    line_ends = ends[len(numeric) - 1 :: len(numeric)]
    if np.max(np.diff(line_ends, prepend=-1)) > context.most_line_bytes:
        raise NeedsRows
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    first = classes[bytes_[starts]]
    second = bytes_[np.minimum(starts + 1, len(bytes_) - 1)]
    empty = first == _DELIMITER
    odd = (first == _OTHER) | (classes[bytes_[ends - 1]] != _DIGIT)
    odd |= (first == _MINUS) & (classes[second] != _DIGIT)
    odd |= (second == ord("x")) | (second == ord("X"))
    odd &= ~empty
    point = np.flatnonzero((bytes_[:-1] == ord(".")) & ((bytes_[1:] | 0x20) == ord("e")))
    if len(point) and numeric[np.searchsorted(ends, point) % len(numeric)].any():
        raise NeedsRows
    return len(ends), int(np.count_nonzero((odd | empty).reshape(-1, len(numeric))[:, numeric]))


def _times_us(context: Context, arrays: list[pa.Array]) -> Int64Array:
    at = context.columns.timestamp
    if at is None:
        return np.full(len(arrays[0]), context.clock.now_us, np.int64)
    if context.times_are_text:
        times_us = of_texts(context.clock, arrays[at])
    else:
        times_us = None if arrays[at].null_count else of_integers(context.clock, arrays[at].to_numpy())
    if times_us is None:
        raise NeedsRows
    return times_us
