"""The careful way: a chunk row by row, cell by cell where need be. The reference for what is accepted.

A row is dropped if it cannot be assigned (number of cells, switch, port, time, control bytes, broken quotes or UTF-8);
a cell is dropped if it is no number that we can hold exactly enough; both are rejects. Quotes follow RFC 4180; a line
end within quotes is part of the cell. A quote that never ends makes the whole body unusable, as does a line of more
than MOST_LINE_BYTES or a carriage return without a line feed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.codec.block import RowBatch
from switchboard.codec.columnar import MOST_LINE_BYTES
from switchboard.codec.kinds import (
    ARROW,
    EXACT_DOUBLE,
    KIND_OF,
    MISSING_WORDS,
    MOST_ID_BYTES,
    Context,
    Kind,
    row_batch,
)
from switchboard.codec.rejects import Rejects
from switchboard.codec.times import FUTURE_US, YEAR_2000_US, guess_unit, to_us
from switchboard.errors import BodyError

SAMPLE_ROWS = 64
"""So many rows decide what a column holds."""

# Anchored for pyarrow (RE2, where `$` is the end of the text); Python's `re` needs fullmatch.
NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
INTEGER = r"^-?[0-9]+$"
_is_number = re.compile(NUMBER, re.ASCII).fullmatch
_is_integer = re.compile(INTEGER, re.ASCII).fullmatch
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
_LINE_END = frozenset("\r\n")
_CONTROL = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")  # a line end may be part of a quoted cell
# Possessive: a quote that is open at the end of the chunk must not be closed by half of an escaped one.
_QUOTED_CELL = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
_MISSING = pa.array(MISSING_WORDS)

Line = tuple[int, bytes]
Row = tuple[int, list[str], int]
"""Line, cells, and time in microseconds."""


class _Inexact(Exception):
    """No one Arrow type holds all values of a column exactly."""


def learn_kinds(context: Context, chunk: bytes, line: int) -> None:
    """Decide from the first rows what the columns hold. What is wrong in them is reported when they are parsed."""
    rows: list[list[str]] = []
    for _, cells in islice(_cells(context, chunk, line, Rejects(), tolerant=True), SAMPLE_ROWS):
        rows.append(cells)
    for at, kind in context.kinds.items():
        if kind is Kind.UNKNOWN:
            context.kinds[at] = _decide([cells[at] for cells in rows])
    context.learned = True


def parse(context: Context, chunk: bytes, line: int, *, last: bool) -> tuple[list[RowBatch], int]:
    """Parse a chunk that begins with line ``line``; return its rows, and how many bytes were read.

    Not all bytes are read if the chunk ends within quotes; if it is the ``last`` one, that is a BodyError.
    """
    consumed = len(chunk)
    if b'"' in chunk:
        consumed = _whole_rows(chunk, line, last=last)
        chunk = chunk[:consumed]
    rows = list(_assigned(context, chunk, line))
    if not rows:
        return [], consumed
    others = {at: _clean(context, at, rows) for at in context.kinds}
    return list(_typed(context, rows, others)), consumed


def _assigned(context: Context, chunk: bytes, line: int) -> Iterator[Row]:
    """Rows that belong to a switch, a port and a time."""
    columns, rejects = context.columns, context.rejects
    for number, cells in _cells(context, chunk, line, rejects):
        reason, at = "", columns.switch
        if not cells[columns.switch]:
            reason = "no_switch"
        elif len(cells[columns.switch].encode()) > MOST_ID_BYTES:
            reason = "long_switch"
        elif not _LINE_END.isdisjoint(cells[columns.switch]):
            reason = "control"
        elif columns.port is not None and not 0 < len(cells[columns.port].encode()) <= MOST_ID_BYTES:
            reason, at = "bad_port", columns.port
        elif columns.port is not None and not _LINE_END.isdisjoint(cells[columns.port]):
            reason, at = "control", columns.port
        time_us = context.now_us
        if not reason and columns.timestamp is not None:
            at = columns.timestamp
            reason, time_us = _time_us(context, cells[at])
        if reason:
            rejects.add(reason, number, columns.names[at], cells[at])
        else:
            yield number, cells, time_us


def _time_us(context: Context, cell: str) -> tuple[str, int]:
    """Why the time cannot be used (or an empty string), and the time."""
    if not _is_integer(cell) or _out_of_range(cell):
        return "bad_timestamp", 0
    time = _integer(cell)
    unit = guess_unit(time, context.now_us) if context.unit == "auto" else context.unit
    if unit is None:
        return "bad_timestamp", 0
    time_us = to_us(time, unit)
    if time_us > context.now_us + FUTURE_US:
        return "future", 0
    if time_us < YEAR_2000_US:
        return "bad_timestamp", 0
    context.unit = unit
    return "", time_us


def _cells(
    context: Context, chunk: bytes, line: int, rejects: Rejects, *, tolerant: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Rows with the right number of cells, each with its line. A tolerant caller gets the rows before an error."""
    width = len(context.columns.names)
    quoted = b'"' in chunk
    for number, raw in _quoted_lines(chunk, line) if quoted else _lines(chunk, line):
        if len(raw) > MOST_LINE_BYTES:
            if tolerant:
                return
            raise BodyError("line_too_long", f"line {number} has more than {MOST_LINE_BYTES} bytes")
        if b"\r" in raw and b"\r" in raw.replace(b"\r\n", b""):
            if tolerant:
                return
            raise BodyError("lone_cr", f"line {number}: a carriage return without a line feed")
        if _CONTROL.search(raw):
            rejects.add("control", number, value=raw)
            continue
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            rejects.add("bad_utf8", number, value=raw)
            continue
        cells = text.split(",") if '"' not in text else _unquote(text)
        if cells is None:
            rejects.add("bad_quote", number, value=text)
        elif len(cells) != width:
            rejects.add("columns", number, value=text)
        else:
            yield number, cells


def _lines(chunk: bytes, line: int) -> Iterator[Line]:
    for number, raw in enumerate(chunk.split(b"\n"), line):
        text = raw.removesuffix(b"\r")
        if text:
            yield number, text


def _quoted_lines(chunk: bytes, line: int) -> Iterator[Line]:
    """Lines of a chunk in which a line end may be part of a quoted cell."""
    at = 0
    while at < len(chunk):
        end = _row_end(chunk, at)
        end = len(chunk) if end < 0 else end
        raw = chunk[at:end].removesuffix(b"\n").removesuffix(b"\r")
        if raw:
            yield line, raw
        line += chunk.count(b"\n", at, end)
        at = end


def _whole_rows(chunk: bytes, line: int, *, last: bool) -> int:
    """Length of the rows that end within the chunk. Raises BodyError for a quote that has no end."""
    at = 0
    while at < len(chunk):
        end = _row_end(chunk, at)
        if end < 0:
            if last or len(chunk) - at > MOST_LINE_BYTES:
                start = line + chunk.count(b"\n", 0, at)
                within = "" if last else f" within {MOST_LINE_BYTES} bytes"
                raise BodyError("unterminated_quote", f"line {start}: a quote is opened and not closed{within}")
            return at
        at = end
    return at


def _row_end(chunk: bytes, at: int) -> int:
    """Where the row that begins at ``at`` ends, its line end included; -1 if a quote is open at the end."""
    end = at  # of the line that ``at`` is in, as long as no quote goes past it
    while True:
        if chunk.startswith(b'"', at):
            cell = _QUOTED_CELL.match(chunk, at)
            if cell is None:
                return -1
            at = cell.end()
        if at >= end:
            end = chunk.find(b"\n", at) + 1 or len(chunk)
        comma = chunk.find(b",", at, end)
        if comma < 0:
            return end
        at = comma + 1


def _unquote(text: str) -> list[str] | None:
    """Cells of a line with quotes; None if a quote stands where none may."""
    cells = []
    at = 0
    while True:
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
            if at < len(text) and text[at] != ",":
                return None
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            if '"' in text[at:end]:
                return None
            cells.append(text[at:end])
            at = end
        if at >= len(text):
            return cells
        at += 1


def _decide(cells: list[str]) -> Kind:
    """What a column holds whose cells are these."""
    texts = [cell for cell in cells if cell not in MISSING_WORDS and not _is_not_finite(cell)]
    numbers = [text for text in texts if _is_number(text)]
    if not texts:
        return Kind.UNKNOWN
    if 2 * len(numbers) < len(texts):
        return Kind.LABEL
    return Kind.INT64 if all(_is_integer(number) for number in numbers) else Kind.DOUBLE


def _clean(context: Context, at: int, rows: list[Row]) -> pa.Array:
    """One column as strings, with nulls for all that is no number; labels as they are."""
    texts = [cells[at] for _, cells, _ in rows]
    if context.kinds[at] is Kind.UNKNOWN:
        context.kinds[at] = _decide(texts)
    cells = pa.array(texts, pa.string())
    if context.kinds[at] is Kind.LABEL:
        return cells
    missing = pc.is_in(cells, value_set=_MISSING)
    number = pc.match_substring_regex(cells, NUMBER)
    bad = pc.invert(pc.or_(missing, number)).to_numpy(zero_copy_only=False)
    name = context.columns.names[at]
    for row in np.flatnonzero(bad).tolist():
        reason = "not_finite" if _is_not_finite(texts[row]) else "bad_number"
        context.rejects.add(reason, rows[row][0], name, texts[row])
    long = pc.greater(pc.binary_length(cells), 18).to_numpy(zero_copy_only=False)
    exponent = pc.match_substring_regex(cells, "[eE]").to_numpy(zero_copy_only=False)
    for row in np.flatnonzero((long | exponent) & ~bad).tolist():
        reason = _out_of_range(texts[row])
        if reason:
            bad[row] = True
            context.rejects.add(reason, rows[row][0], name, texts[row])
    return pc.if_else(pc.or_(missing, pa.array(bad)), pa.scalar(None, pa.string()), cells)


def _out_of_range(number: str) -> str:
    """Why a well-written number cannot be held, or an empty string."""
    if _is_integer(number):
        # Python refuses to read integers of thousands of digits.
        fits = len(number.lstrip("-0")) <= 20 and -(2**63) <= _integer(number) < 2**64
        return "" if fits else "out_of_range"
    return "" if math.isfinite(float(number)) else "not_finite"


def _integer(text: str) -> int:
    """An integer that may have any number of leading zeros."""
    return int(text.lstrip("-0") or "0") * (-1 if text.startswith("-") else 1)


def _is_not_finite(text: str) -> bool:
    return text.lower().lstrip("+-") in _NOT_FINITE


def _typed(context: Context, rows: list[Row], others: dict[int, pa.Array]) -> Iterator[RowBatch]:
    """Give every column a type. Where no type holds a whole column exactly, the rows are halved until one does."""
    kinds = dict(context.kinds)
    try:
        typed = {}
        for at, cells in others.items():
            if context.kinds[at] is not Kind.UNKNOWN:
                typed[at] = cells if context.kinds[at] is Kind.LABEL else _numbers(cells, context.kinds[at])
                if context.kinds[at] is not Kind.LABEL:
                    context.kinds[at] = KIND_OF[typed[at].type]
    except _Inexact:
        context.kinds.update(kinds)
        half = len(rows) // 2
        yield from _typed(context, rows[:half], {at: cells.slice(0, half) for at, cells in others.items()})
        yield from _typed(context, rows[half:], {at: cells.slice(half) for at, cells in others.items()})
        return
    columns = context.columns
    ports = None if columns.port is None else pa.array([cells[columns.port] for _, cells, _ in rows], pa.string())
    switches = pa.array([cells[columns.switch] for _, cells, _ in rows], pa.string())
    times_us = np.fromiter((time_us for _, _, time_us in rows), np.int64, len(rows))
    yield row_batch(context, switches, times_us, ports, typed)


def _numbers(cells: pa.Array, preferred: Kind) -> pa.Array:
    """Numbers in the preferred type if it is exact, else in another that is. Raises _Inexact if there is none."""
    integer = pc.match_substring_regex(cells, INTEGER)
    if not pc.all(integer, min_count=0).as_py():
        whole = cells.filter(integer).cast(pa.float64())
        if pc.any(pc.greater_equal(pc.abs(whole), EXACT_DOUBLE), min_count=0).as_py():
            raise _Inexact
        return cells.cast(pa.float64())
    for kind in sorted((Kind.INT64, Kind.UINT64, Kind.DOUBLE), key=lambda kind: kind is not preferred):
        try:
            numbers = cells.cast(ARROW[kind])
        except pa.ArrowInvalid:
            continue
        if kind is not Kind.DOUBLE or not pc.any(pc.greater_equal(pc.abs(numbers), EXACT_DOUBLE), min_count=0).as_py():
            return numbers
    raise _Inexact
