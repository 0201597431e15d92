"""The parser run over a whole body, and its output as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.inputs.csv.parser import CHUNK_BYTES, CsvParser
from switchboard.snapshot.block import LABELS, PORT, TIME, RowBatch
from tests.lab.reference import NOW_US

Row = tuple[str, int, str | None, dict[str, str], dict[str, float]]
"""Switch, time in microseconds, port, labels, and those metrics that have a value."""


@dataclass
class Parsed:
    parser: CsvParser
    batches: list[RowBatch] = field(default_factory=list)
    error: BodyError | None = None

    @property
    def rows(self) -> list[Row]:
        return [row for batch in self.batches for row in rows_of(batch)]

    @property
    def rejects(self) -> list[tuple[int, str, str, str]]:
        """Line, column, reason and value of every reject that the parser keeps."""
        return [(each.line, each.column, each.reason, each.value) for each in self.parser.rejects.examples]

    @property
    def outcome(self) -> tuple[Any, ...]:
        """Everything that must be the same however the body is cut into pieces; types too."""
        return (
            [(str(batch.rows.schema), batch.labels) for batch in self.batches],
            [(str(odd.rows.schema), odd.positions.tolist()) for batch in self.batches for odd in batch.odd],
            self.rows,
            self.rejects,
            self.parser.rejects.counts,
            (self.parser.rows, self.parser.values, self.parser.data_min_us, self.parser.data_max_us),
            (self.error.reason, str(self.error)) if self.error else None,
        )


def parse(
    body: bytes,
    columns: ColumnSettings | None = None,
    *,
    cuts: Iterable[int] = (),
    chunk_bytes: int = CHUNK_BYTES,
    now_us: int = NOW_US,
) -> Parsed:
    """Parse a body that is cut at ``cuts``. A BodyError is kept in ``error``, beside all that came before it."""
    parsed = Parsed(CsvParser(columns or ColumnSettings(), now_us, chunk_bytes=chunk_bytes))
    try:
        for piece in pieces(body, cuts):
            parsed.batches.extend(parsed.parser.feed(piece))
        parsed.batches.extend(parsed.parser.finish())
    except BodyError as error:
        parsed.error = error
    return parsed


def pieces(body: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """The pieces of a body that is cut at ``cuts``; some may be empty."""
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    return (body[first:end] for first, end in pairwise(edges))


def rows_of(batch: RowBatch) -> Iterator[Row]:
    """The rows of a batch as plain values."""
    names: Sequence[str] = batch.rows.schema.names
    split = LABELS + batch.labels
    columns = [column.to_pylist() for column in batch.rows.columns]
    for odd in batch.odd:
        for column, cells in zip(columns, odd.rows.to_pydict().values(), strict=True):
            for row, cell in zip(odd.positions.tolist(), cells, strict=True):
                column[row] = cell
    for row, switch in enumerate(batch.switches.to_pylist()):
        yield (
            switch,
            columns[TIME][row],
            columns[PORT][row],
            {names[position]: columns[position][row] for position in range(LABELS, split)},
            {
                names[position]: columns[position][row]
                for position in range(split, len(names))
                if columns[position][row] is not None
            },
        )
