"""The careful way to read a chunk: row by row, and cell by cell where needed. The reference for what is accepted.

A row is dropped if it cannot be assigned (number of cells, switch, port, time, control bytes, broken quotes or UTF-8);
a cell is dropped if it is not a number that we can hold exactly enough; both are rejects. Quotes follow RFC 4180; a
line end within quotes is part of the cell. A quote that never ends makes the whole body unusable, as does a line that
is too long, or a carriage return without a line feed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.errors import BodyError
from switchboard.inputs.csv.context import MOST_ID_BYTES, ColumnType, Context, Keys, row_batch
from switchboard.inputs.csv.kinds import decide
from switchboard.inputs.csv.latin1 import decode_cell, is_utf8
from switchboard.inputs.csv.layout import Layout
from switchboard.inputs.csv.mixed import type_columns
from switchboard.inputs.csv.numbers import (
    NUMBER,
    is_integer,
    is_not_finite,
    out_of_range,
    without_unit,
)
from switchboard.inputs.csv.sieve import SIEVE_BYTES, sieve, wrong_number
from switchboard.inputs.rejects import Rejects
from switchboard.inputs.times import Clock
from switchboard.snapshot.block import OddRows, RowBatch

SAMPLE_ROWS = 64
"""Number of rows that decide what a column holds."""

# Possessive: a quote that is open at the end of the chunk must not be closed by half of an escaped one.
_QUOTED_CELL = re.compile(rb' *+"[^"]*+(?:""[^"]*+)*+"')
_PADDED_QUOTE = re.compile(rb' *+"')

Line = tuple[int, bytes]
Row = tuple[int, list[str], int]
"""Line, cells, and time in microseconds."""


def learn_types(context: Context, chunk: bytes, line: int) -> None:
    """Decide from the first rows what the columns hold. Their rejects are reported later, when they are parsed."""
    rows = list(islice(_sample(context, chunk, line), SAMPLE_ROWS))
    if context.columns.timestamp is not None:
        for cells in rows:
            _time_us(context, cells[context.columns.timestamp])
    for at, column_type in context.types.items():
        if column_type is ColumnType.UNKNOWN:
            decide(context, at, [cells[at] for cells in rows])
    context.learned = True


def _sample(context: Context, chunk: bytes, line: int) -> Iterator[list[str]]:
    """Rows of a chunk up to an error. Sieved first, because half a million bad lines may stand before the first row."""
    at = 0
    while at < len(chunk):
        end = chunk.rfind(b"\n", at, at + SIEVE_BYTES) + 1
        sieved = sieve(context, chunk[at:end], line) if end else None
        rows = chunk[at:] if sieved is None else sieved.rows
        for _, cells in _cells(context, rows, line, Rejects(), tolerant=True):
            yield cells
        at = len(chunk) if sieved is None else end


def parse(context: Context, chunk: bytes, line: int, *, last: bool) -> tuple[list[RowBatch], int]:
    """Parse a chunk that begins with line ``line``; return its rows, and how many bytes were read.

    Not all bytes are read if the chunk ends within quotes; if it is the ``last`` one, that is a BodyError.
    """
    consumed = len(chunk)
    if b'"' in chunk:
        consumed = _whole_rows(context, chunk, line, last=last)
        chunk = chunk[:consumed]
    rows = list(_assigned(context, chunk, line))
    if not rows:
        return [], consumed
    others = {at: _clean(context, at, rows) for at in context.types}
    return [_batch(context, rows, others)], consumed


def _assigned(context: Context, chunk: bytes, line: int) -> Iterator[Row]:
    """The rows whose switch, port and time are valid; the others become rejects."""
    columns, rejects = context.columns, context.rejects
    switch_at, port_at, time_at = columns.switch, columns.port, columns.timestamp
    for number, cells in _cells(context, chunk, line, rejects):
        at, time_us = switch_at, context.clock.now_us
        reason = _wrong_id(cells[at], "no_switch", "long_switch")
        if not reason and port_at is not None:
            at = port_at
            reason = _wrong_id(cells[at], "bad_port", "bad_port")
        if not reason and time_at is not None:
            at = time_at
            reason, time_us = _time_us(context, cells[at])
        if reason:
            rejects.add(reason, number, columns.names[at], cells[at], context.switch_name(cells[switch_at]))
        else:
            yield number, cells, time_us


def _wrong_id(cell: str, empty: str, long: str) -> str:
    """The reject reason of a switch or port, or an empty string. ``empty`` and ``long`` are reasons of the caller."""
    if not cell:
        return empty
    if len(cell.encode()) > MOST_ID_BYTES:
        return long
    return "control" if "\n" in cell or "\r" in cell or "\t" in cell else ""


def _time_us(context: Context, cell: str) -> tuple[str, int]:
    """The reject reason of a time (or an empty string), and the time in microseconds."""
    reason, time_us = _read_time(context.clock, cell)
    if not reason and not context.times_are_text:
        context.times_are_text = not is_integer(cell)
    return reason, time_us


@lru_cache(16)
def _read_time(clock: Clock, cell: str) -> tuple[str, int]:
    # The last results are remembered, because rows of one time stand together: 300,000 rows in the future take 1.4 s if
    # they have one time, and 3.2 s if each has its own.
    return clock.read(cell)


def _cells(
    context: Context, chunk: bytes, line: int, rejects: Rejects, *, tolerant: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Rows with the right number of cells, each with its line. A tolerant caller gets the rows before an error."""
    columns, layout, delimiter = context.columns, context.layout, context.layout.delimiter
    width = len(columns.names)
    keys = [at for at in (columns.switch, columns.port, columns.timestamp) if at is not None]
    quoted = b'"' in chunk
    # What the whole chunk does not have is not looked for in each line.
    controls, returns, ascii_ = layout.control.search(chunk), b"\r" in chunk, chunk.isascii()
    comments = layout.has_comment(chunk)
    for number, raw in _quoted_lines(layout, chunk, line) if quoted else _lines(chunk, line):
        if len(raw) > context.most_line_bytes:
            if tolerant:
                return
            most = context.most_line_bytes
            raise BodyError("line_too_long", f"line {number} has more than {most} bytes (max_line_kib)")
        if returns and b"\r" in raw.replace(b"\r\n", b""):
            if tolerant:
                return
            raise BodyError("lone_cr", f"line {number}: a carriage return without a line feed")
        if comments and layout.is_comment(raw):
            continue
        if controls and layout.control.search(raw):
            rejects.add("control", number, value=raw, switch=context.switch_of(raw))
            continue
        # In ISO-8859-1 every byte is a character, so a row can be cut before the encoding of its cells is known.
        text = raw.decode("latin-1")
        cells = _unquote(layout, text) if quoted and '"' in text else text.split(delimiter)
        if layout.padded and cells is not None and '"' not in text:
            cells = [cell.strip(" ") for cell in cells]
        if cells is None:
            rejects.add("bad_quote", number, value=raw, switch=context.switch_of(raw))
        elif len(cells) != width:
            reason = wrong_number(columns.names, len(cells), ends_empty=not cells[-1])
            rejects.add(reason, number, value=raw, switch=context.switch_of(raw))
        elif ascii_ or raw.isascii():
            yield number, cells
        elif all(is_utf8(cells[at].encode("latin-1")) for at in keys):
            yield number, [decode_cell(cell.encode("latin-1")) for cell in cells]
        else:
            rejects.add("bad_utf8", number, value=raw, switch=context.switch_of(raw))


def _lines(chunk: bytes, line: int) -> Iterator[Line]:
    # One line after the other: a caller that wants only a few does not pay for one object per line of the chunk.
    for number, raw in enumerate(io.BytesIO(chunk), line):
        text = raw.removesuffix(b"\n").removesuffix(b"\r")
        if text:
            yield number, text


def _quoted_lines(layout: Layout, chunk: bytes, line: int) -> Iterator[Line]:
    """Lines of a chunk in which a line end may be part of a quoted cell."""
    at = 0
    while at < len(chunk):
        end = _row_end(layout, chunk, at)
        end = len(chunk) if end < 0 else end
        raw = chunk[at:end].removesuffix(b"\n").removesuffix(b"\r")
        if raw:
            yield line, raw
        line += chunk.count(b"\n", at, end)
        at = end


def _whole_rows(context: Context, chunk: bytes, line: int, *, last: bool) -> int:
    """Length of the rows that end within the chunk. Raises BodyError for a quote that has no end."""
    at, most_line_bytes = 0, context.most_line_bytes
    while at < len(chunk):
        end = _row_end(context.layout, chunk, at)
        if end < 0:
            if last or len(chunk) - at > most_line_bytes:
                start = line + chunk.count(b"\n", 0, at)
                within = "" if last else f" within {most_line_bytes} bytes"
                raise BodyError("unterminated_quote", f"line {start}: a quote is opened and not closed{within}")
            return at
        at = end
    return at


def _row_end(layout: Layout, chunk: bytes, at: int) -> int:
    """Where the row that begins at ``at`` ends, its line end included; -1 if a quote is open at the end."""
    if layout.comment and chunk.startswith(layout.comment.encode(), at):
        return chunk.find(b"\n", at) + 1 or len(chunk)
    separator = layout.separator
    end = at  # end of the line that ``at`` is in, as long as no quote goes past it
    while True:
        if chunk.startswith(b'"', at) or (layout.padded and _PADDED_QUOTE.match(chunk, at)):
            cell = _QUOTED_CELL.match(chunk, at)
            if cell is None:
                return -1
            at = cell.end()
        if at >= end:
            end = chunk.find(b"\n", at) + 1 or len(chunk)
        next_cell = chunk.find(separator, at, end) + 1
        if not next_cell:
            return end
        at = next_cell


def _unquote(layout: Layout, text: str) -> list[str] | None:
    """Cells of a line with quotes; None if a quote stands where none may."""
    cells, delimiter, padding = [], layout.delimiter, " " if layout.padded else ""
    at = 0
    while True:
        while padding and text.startswith(padding, at):
            at += 1
        if text.startswith('"', at):
            end = at + 1
            while True:
                end = text.find('"', end)
                if end < 0:
                    return None
                if not text.startswith('""', end):
                    break
                end += 2
            cells.append(text[at + 1 : end].replace('""', '"'))
            at = end + 1
            while padding and text.startswith(padding, at):
                at += 1
            if at < len(text) and text[at] != delimiter:
                return None
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            if '"' in text[at:end]:
                return None
            cells.append(text[at:end].rstrip(padding) if padding else text[at:end])
            at = end
        if at >= len(text):
            return cells
        at += 1


def _clean(context: Context, at: int, rows: list[Row]) -> pa.Array:
    """One column as strings: null where a cell is missing or rejected. A label stays as it is."""
    texts = [cells[at] for _, cells, _ in rows]
    if context.types[at] is ColumnType.UNKNOWN or at in context.unsure:
        decide(context, at, texts)
    cells = pa.array(texts, pa.string())
    if context.types[at] is ColumnType.LABEL:
        return cells
    if at in context.columns.units:
        cells = without_unit(cells, context.columns.units[at])
        if texts != (bare := cells.to_pylist()):
            context.with_units.add(at)
        texts = bare
    missing = pc.is_in(cells, value_set=context.missing)
    number = pc.match_substring_regex(cells, NUMBER)
    bad = pc.invert(pc.or_(missing, number)).to_numpy(zero_copy_only=False)
    name = context.columns.names[at]
    for row in np.flatnonzero(bad).tolist():
        reason = "not_finite" if is_not_finite(texts[row]) else "bad_number"
        context.rejects.add(reason, rows[row][0], name, texts[row])
        context.first_misfits.setdefault(at, (rows[row][0], texts[row]))
    long = pc.greater(pc.binary_length(cells), 18).to_numpy(zero_copy_only=False)
    exponent = pc.match_substring_regex(cells, "[eE]").to_numpy(zero_copy_only=False)
    for row in np.flatnonzero((long | exponent) & ~bad).tolist():
        reason = out_of_range(texts[row])
        if reason:
            bad[row] = True
            context.rejects.add(reason, rows[row][0], name, texts[row])
    return pc.if_else(pc.or_(missing, pa.array(bad)), pa.scalar(None, pa.string()), cells)


def _batch(context: Context, rows: list[Row], others: dict[int, pa.Array]) -> RowBatch:
    """The rows with a type for every column; ``others`` are their labels, and metrics as text or null."""
    columns = context.columns
    keys = Keys(
        pa.array([cells[columns.switch] for _, cells, _ in rows], pa.string()),
        None if columns.port is None else pa.array([cells[columns.port] for _, cells, _ in rows], pa.string()),
        np.fromiter((time_us for _, _, time_us in rows), np.int64, len(rows)),
        np.fromiter((line for line, _, _ in rows), np.int32, len(rows)),
    )
    typed = type_columns(context, others, keys.lines)
    batch = row_batch(context, keys, typed.columns)
    odd = (OddRows(rows, row_batch(context, keys.take(rows), arrays).rows) for rows, arrays in typed.odd)
    return replace(batch, odd=tuple(odd)) if typed.odd else batch
