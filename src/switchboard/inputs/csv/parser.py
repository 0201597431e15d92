"""CSV in, Arrow row batches and rejects out: a push parser that does no I/O.

The body is cut into chunks of CHUNK_BYTES at line ends. That depends on the bytes alone, never on how they arrived, so
any chunking of one body gives one result. Each chunk goes the fast way (`columnar.py`): pyarrow reads it with a type
for every column, and a few vectorised checks make sure that pyarrow understood no cell more generously than we do.
A chunk that fails there is halved and each half tried again; a part of at most SIEVE_BYTES also without the lines that
cannot be rows (`sieve.py`). Only parts of at most ROWS_BYTES are read row by row (`rows.py`), which finds the bad cells
and keeps the rest: a bad cell in every chunk costs its neighbours little.

*Kinds*. A column that is not a key is a metric or a label (`kinds.py`). A metric starts as int32 if the
numbers are short, else as int64 or double, and widens when a chunk needs it. Numbers that no single type holds exactly
stand in rows of their own (`mixed.py`).

Rejected before: type inference of pyarrow (reads hexadecimal as integers, turns odd columns into binary) and the csv
module for everything (a tenth of the speed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow.compute as pc

from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.inputs.csv import columnar, rows
from switchboard.inputs.csv.columnar import NeedsRows
from switchboard.inputs.csv.context import MOST_LINE_BYTES, NOTHING_BEFORE, Context
from switchboard.inputs.csv.dialects import NO_COLUMN, SWITCH_NAMES, fold, recognise
from switchboard.inputs.csv.header import LOOK_BYTES, advice, read_header, without_marks
from switchboard.inputs.csv.kinds import notes, watch
from switchboard.inputs.csv.layout import Layout
from switchboard.inputs.csv.sieve import SIEVE_BYTES, sieve
from switchboard.inputs.rejects import Rejects, cut
from switchboard.inputs.times import Clock
from switchboard.model import Reject
from switchboard.moments import read_zone
from switchboard.snapshot.block import TIME, RowBatch
from switchboard.snapshot.metrics import Column, Role

CHUNK_BYTES = 1 << 20
ROWS_BYTES = 16 << 10
"""Largest part of a chunk that is read row by row, and not halved, if the fast way fails."""


class CsvParser:
    """Parses one body. Feed bytes as they come, then ``finish``; both yield the rows that became ready.

    Raises BodyError where the body cannot be used as a whole. ``now_us`` is the time of the scrape: rows of a source
    without timestamps get it, and no row may be more than ten minutes later.
    """

    def __init__(
        self,
        settings: ColumnSettings,
        now_us: int,
        *,
        chunk_bytes: int = CHUNK_BYTES,
        most_line_bytes: int = MOST_LINE_BYTES,
        most_columns: int | None = None,
    ) -> None:
        self.rejects = Rejects()
        self.before: Mapping[str, Role] = NOTHING_BEFORE
        self.rows = 0
        self.values = 0
        self.data_min_us: int | None = None
        self.data_max_us: int | None = None
        self._settings = settings
        self._now_us = now_us
        self._chunk_bytes = chunk_bytes
        self._most_line_bytes = most_line_bytes
        self._most_columns = most_columns
        self._window = chunk_bytes
        self._pending = bytearray()
        self._line = 1
        self._header_line = 1
        self._hopeless = False
        """Whether the last part that was read had no row that can be used: then the next ones are cut small at once."""
        self._context: Context | None = None

    @property
    def has_times(self) -> bool:
        """Whether rows have times of their own; without such a column, they get the time of the scrape."""
        return self._context is not None and self._context.columns.timestamp is not None

    @property
    def dialect(self) -> str:
        """Name of the dialect; empty until the header was read."""
        return "" if self._context is None else self._context.columns.dialect

    @property
    def is_readable(self) -> bool:
        """Whether the header was read, and says what the columns are."""
        return self._context is not None

    @property
    def columns(self) -> list[Column]:
        """The columns in the order of the body, as far as it was read; excluded ones are left out."""
        return [] if self._context is None else self._context.described()

    def feed(self, data: bytes) -> Iterator[RowBatch]:
        """Take the next bytes of the body."""
        self._pending += data
        if self._context is None:
            self._read_header(last=False)
        while self._context is not None and len(self._pending) >= self._window:
            end = self._pending.rfind(b"\n", 0, self._window) + 1
            consumed = 0
            if end:
                batches, consumed = self._parse(end, last=False)
                yield from batches
            elif self._window > self._most_line_bytes:
                raise self._line_too_long()
            # If a line, or a row with line ends in quotes, is longer than the window, look further.
            self._window = self._chunk_bytes if consumed else 2 * self._window

    def finish(self) -> Iterator[RowBatch]:
        """Take the end of the body. Raises BodyError if there was nothing to read in it."""
        if self._context is None:
            self._read_header(last=True)
        if self._pending:
            batches, _ = self._parse(len(self._pending), last=True)
            yield from batches
        assert self._context is not None
        self.rejects.notes = list(notes(self._context))
        if self.rows == 0:
            if self.rejects.counts:
                raise BodyError("no_rows", f"no row can be used: {self.rejects}")
            raise BodyError("empty", "the body has a header, but no row")
        if self._context.columns.timestamp is None and self._settings.timestamp != NO_COLUMN:
            names = ", ".join(self._context.columns.originals)
            self.rejects.notes.append(Reject(reason="no_times", line=self._header_line, value=cut(names)))

    def _read_header(self, *, last: bool) -> None:
        """Read the header as soon as it is there; lines before it are left out."""
        while self._context is None:
            end = self._pending.find(b"\n")
            if end < 0 and not last and len(self._pending) <= self._most_line_bytes:
                return
            line = bytes(self._pending if end < 0 else self._pending[:end])
            if len(line) > self._most_line_bytes:
                raise self._line_too_long()
            if not self._pending:
                left_out = self._settings.skip_lines or self._settings.comment
                why = "no line is left as the header (columns.skip_lines, columns.comment)"
                raise BodyError("empty", why if left_out and self._line > 1 else "the body is empty")
            if self._may_be_header(line):
                try:
                    self._context = self._recognised(line)
                except BodyError as error:
                    if error.reason != "schema":
                        raise
                    if not last and len(self._pending) < LOOK_BYTES:
                        return  # what follows may tell what helps
                    raise BodyError(error.reason, f"{error}{self._advice()}") from error
            del self._pending[: len(line) + 1]
            self._line += 1

    def _may_be_header(self, line: bytes) -> bool:
        """Whether a line before the rows is neither blank nor left out by the settings."""
        text = without_marks(line).strip(b"\r")
        comment = self._settings.comment.encode()
        return bool(text) and self._line > self._settings.skip_lines and not (comment and text.startswith(comment))

    def _recognised(self, line: bytes) -> Context:
        """What the header tells. Raises BodyError if it is not one that can be used."""
        settings = self._settings
        header = read_header(line, settings.delimiter)
        names, most = header.names, self._most_columns
        if settings.trailing_delimiter and names[-1]:
            names.append("")  # the name of a column that is left out
        if most is not None and len(names) > most:
            raise BodyError("too_many_columns", f"header: {len(names)} columns, and {most} are allowed")
        self._header_line = self._line
        return Context(
            recognise(names, settings),
            Clock(self._now_us, settings.timestamp_unit, read_zone(settings.timestamp_zone)),
            self.rejects,
            Layout(settings.delimiter, settings.comment, header.padded),
            before=self.before,
            most_line_bytes=self._most_line_bytes,
        )

    def _advice(self) -> str:
        wanted = self._settings.switch
        switches = {fold(name) for name in ((wanted,) if wanted else SWITCH_NAMES)}
        return advice(bytes(self._pending[:LOOK_BYTES]), self._line, self._settings.delimiter, switches)

    def _parse(self, end: int, *, last: bool) -> tuple[list[RowBatch], int]:
        """Parse the first ``end`` pending bytes; return the rows, and how many bytes were read and dropped."""
        context = self._context
        assert context is not None
        chunk = bytes(memoryview(self._pending)[:end])
        if not context.learned:
            rows.learn_types(context, chunk, self._line)
        batches, consumed = self._read(context, chunk, last=last)
        del self._pending[:consumed]
        for batch in batches:
            watch(context, batch.rows, batch.lines)
            self._count(batch)
        return batches, consumed

    def _read(self, context: Context, chunk: bytes, *, last: bool) -> tuple[list[RowBatch], int]:
        """Read a chunk the fast way if that goes; if it fails, halve it, and read only small parts row by row."""
        small = len(chunk) <= ROWS_BYTES
        if small or not self._hopeless:
            batches = self._read_fast(context, chunk)
            if batches is not None:
                self._hopeless = False
                return batches, len(chunk)
        middle = chunk.rfind(b"\n", 0, len(chunk) // 2) + 1
        if not small and middle and b'"' not in chunk:  # within quotes, a line end does not end a row
            first, _ = self._read(context, chunk[:middle], last=False)
            second, _ = self._read(context, chunk[middle:], last=last)
            return [*first, *second], len(chunk)
        batches, consumed = rows.parse(context, chunk, self._line, last=last)
        self._hopeless = not batches
        self._line += chunk.count(b"\n", 0, consumed)
        return batches, consumed

    def _read_fast(self, context: Context, chunk: bytes) -> list[RowBatch] | None:
        """Read a chunk the fast way, if need be without the lines that cannot be rows; None if that is not enough."""
        try:
            batch = columnar.parse(context, chunk, self._line)
            self._line += batch.rows.num_rows  # on the fast way every line is a row
            return [batch]
        except NeedsRows:
            sieved = sieve(context, chunk, self._line) if len(chunk) <= SIEVE_BYTES else None
        if sieved is None:
            return None
        batches = []
        if sieved.rows:
            try:
                batch = columnar.parse(context, sieved.rows, self._line)
            except NeedsRows:
                return None
            batches.append(replace(batch, lines=sieved.lines))
        sieved.reject(context.rejects)
        self._line += chunk.count(b"\n")
        return batches

    def _count(self, batch: RowBatch) -> None:
        self.rows += batch.rows.num_rows
        self.values += batch.values
        extremes = pc.min_max(batch.rows.column(TIME))
        least, most = extremes["min"].as_py(), extremes["max"].as_py()
        self.data_min_us = least if self.data_min_us is None else min(self.data_min_us, least)
        self.data_max_us = most if self.data_max_us is None else max(self.data_max_us, most)

    def _line_too_long(self) -> BodyError:
        return BodyError(
            "line_too_long", f"line {self._line} has more than {self._most_line_bytes} bytes (max_line_kib)"
        )
