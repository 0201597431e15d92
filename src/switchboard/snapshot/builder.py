"""The rows of a body gathered into the blocks of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, KeysView
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa

from switchboard.snapshot.arrays import IntArray
from switchboard.snapshot.block import PORT, RowBatch
from switchboard.snapshot.duplicates import Duplicates
from switchboard.snapshot.index import BlockEntry, Index, SchemaEntry
from switchboard.snapshot.metrics import Column

SMALL_ROWS = 1000
"""Up to so many rows a snapshot has one block per switch."""
BLOCK_ROWS = 512
"""Rows after which a block of a larger snapshot ends, at the next switch boundary."""
MOST_BLOCK_ROWS = 2 * BLOCK_ROWS
"""Rows after which a block ends without a switch boundary: a switch with many rows is cut."""


class EncodedBlock(NamedTuple):
    """A block ready to be stored."""

    switch: str
    """Its first switch, which is part of its key in the store."""
    number: int
    """Tells blocks with one first switch apart: 1, 2 and so on."""
    payload: pa.Buffer


class _Rows(NamedTuple):
    """Rows of one schema that go into blocks."""

    rows: pa.RecordBatch
    switches: IntArray
    """Number of the switch of every row."""
    places: IntArray
    """Place of every row in the body, counted from 0."""

    def slice(self, first: int, end: int) -> _Rows:
        return _Rows(self.rows.slice(first, end - first), self.switches[first:end], self.places[first:end])

    def take(self, positions: IntArray) -> _Rows:
        return _Rows(self.rows.take(pa.array(positions)), self.switches[positions], self.places[positions])


class _Waiting:
    """Rows of one schema, in their order, that wait until there are enough of them for a block."""

    def __init__(self, first: _Rows, labels: int) -> None:
        self.labels = labels
        self.schema = first.rows.schema
        self._some = [first]

    def takes(self, rows: pa.RecordBatch, labels: int) -> bool:
        """Whether rows have the schema of these."""
        return labels == self.labels and bool(self.schema.equals(rows.schema))

    def add(self, more: _Rows) -> None:
        self._some.append(more)

    def join(self) -> _Rows:
        """All of them, as one."""
        if len(self._some) > 1:
            rows, switches, places = zip(*self._some, strict=True)
            self._some = [_Rows(pa.concat_batches(list(rows)), np.concatenate(switches), np.concatenate(places))]
        return self._some[0]

    def drop(self, count: int) -> None:
        """Forget the first rows, which have become blocks."""
        rows = self.join()
        self._some = [rows.slice(count, len(rows.switches))]


class BlockBuilder:
    """Gathers row batches into blocks. Call ``add`` for each batch, ``finish`` at the end, and then take ``index``."""

    def __init__(self) -> None:
        self.rows = 0
        self.size_bytes = 0
        self.columns: list[Column] = []
        """What the columns of the body are: whoever reads the body knows it at its end."""
        self._streaming = False
        self._waiting: _Waiting | None = None
        self._odd: list[_Waiting] = []
        """Odd rows, by their types: these stand between rows of other types, and gather beside them."""
        self._scattered = False
        """Whether there were odd rows: then rows that are neighbours in a block may not be neighbours in the body."""
        self._buffered: list[tuple[RowBatch, _Rows]] = []
        self._duplicates = Duplicates()
        self._switch_numbers: dict[str, int] = {}
        self._switch_names: list[str] = []
        self._block_numbers: dict[int, int] = {}
        self._schemas: dict[tuple[bytes, int], int] = {}
        self._blocks: list[BlockEntry] = []
        self._parts: list[IntArray] = []
        """As Index.parts has them, and the place of the first row of each."""

    @property
    def switches(self) -> int:
        """Number of switches so far."""
        return len(self._switch_names)

    @property
    def switch_names(self) -> KeysView[str]:
        """The switches so far."""
        return self._switch_numbers.keys()

    @property
    def blocks(self) -> int:
        """Number of blocks returned so far."""
        return len(self._blocks)

    def add(self, batch: RowBatch) -> list[EncodedBlock]:
        """Take the next rows of the body, and return the blocks that are complete now."""
        places = np.arange(self.rows, self.rows + batch.rows.num_rows, dtype=np.int32)
        self.rows += batch.rows.num_rows
        rows = _Rows(batch.rows, self._number(batch.switches), places)
        self._duplicates.add(rows.switches, batch.rows.column(PORT), batch.lines)
        if self._streaming:
            return list(self._stream(batch, rows))
        self._buffered.append((batch, rows))
        if self.rows <= SMALL_ROWS:
            return []
        self._streaming = True
        buffered, self._buffered = self._buffered, []
        return [block for early in buffered for block in self._stream(*early)]

    def finish(self) -> list[EncodedBlock]:
        """The blocks of the rows that are left."""
        if self._streaming:
            left = [*([] if self._waiting is None else [self._waiting]), *self._odd]
            return [block for waiting in left for block in self._flush(waiting)]
        blocks: list[EncodedBlock] = []
        waiting: list[_Waiting] = []
        for batch, rows in self._buffered:
            usual = self._set_odd_apart(batch, rows)
            if waiting and waiting[-1].takes(usual.rows, batch.labels):
                waiting[-1].add(usual)
            else:
                waiting.append(_Waiting(usual, batch.labels))
        for each in (*waiting, *self._odd):
            blocks += self._block_per_switch(each.join(), each.labels)
        return blocks

    @property
    def index(self) -> Index:
        """The index of all blocks returned so far."""
        parts = self._parts_in_order()
        return Index(
            schemas=[SchemaEntry(arrow, labels) for arrow, labels in self._schemas],
            blocks=self._blocks,
            switches=self._switch_names,
            parts=parts[:, :4].astype("<i4").tobytes(),
            columns=self.columns,
        )

    def _parts_in_order(self) -> IntArray:
        """All parts in the order of the body; in that of switches if the snapshot is small and has no odd rows."""
        parts = np.concatenate(self._parts) if self._parts else np.empty((0, 5), np.int32)
        return parts[np.argsort(parts[:, 4])] if self._scattered else parts

    def duplicates(self) -> list[tuple[int, str]]:
        """Line and switch of the rows that repeat the switch and port of an earlier row.

        Known at the end of the body. Readers find the first row only.
        """
        rows = self._duplicates.rows()
        if not len(rows):
            return []
        if self._streaming:
            parts = self._parts_in_order()
            numbers = parts[np.searchsorted(parts[:, 4], rows, side="right") - 1, 0]
        else:
            numbers = np.concatenate([buffered.switches for _, buffered in self._buffered])[rows]
        names = [self._switch_names[number] for number in numbers.tolist()]
        return list(zip(self._duplicates.lines(rows), names, strict=True))

    def _stream(self, batch: RowBatch, rows: _Rows) -> Iterator[EncodedBlock]:
        usual = self._set_odd_apart(batch, rows)
        if self._waiting is None:
            self._waiting = _Waiting(usual, batch.labels)
        elif self._waiting.takes(usual.rows, batch.labels):
            self._waiting.add(usual)
        else:
            yield from self._flush(self._waiting)
            self._waiting = _Waiting(usual, batch.labels)
        yield from self._cut(self._waiting)
        if batch.odd:
            for waiting in self._odd:
                yield from self._cut(waiting)

    def _set_odd_apart(self, batch: RowBatch, rows: _Rows) -> _Rows:
        """Put the odd rows of a batch to those of the same types; return the others."""
        if not batch.odd:
            return rows
        self._scattered = True
        usual = np.ones(len(rows.switches), bool)
        for positions, columns in batch.odd:
            usual[positions] = False
            odd = _Rows(columns, rows.switches[positions], rows.places[positions])
            waiting = next((each for each in self._odd if each.takes(columns, batch.labels)), None)
            if waiting is None:
                self._odd.append(_Waiting(odd, batch.labels))
            else:
                waiting.add(odd)
        return rows.take(np.flatnonzero(usual).astype(np.int32))

    def _cut(self, waiting: _Waiting) -> Iterator[EncodedBlock]:
        """The blocks that are complete."""
        rows = waiting.join()
        count = len(rows.switches)
        boundaries = np.flatnonzero(np.diff(rows.switches)) + 1
        start = 0
        while count - start > BLOCK_ROWS:
            following = np.searchsorted(boundaries, start + BLOCK_ROWS)
            end = int(boundaries[following]) if following < len(boundaries) else count + 1
            end = min(end, start + MOST_BLOCK_ROWS)
            if end > count:
                break
            yield self._encode(rows.slice(start, end), waiting.labels)
            start = end
        waiting.drop(start)

    def _flush(self, waiting: _Waiting) -> Iterator[EncodedBlock]:
        rows = waiting.join()
        if len(rows.switches):
            yield self._encode(rows, waiting.labels)

    def _block_per_switch(self, rows: _Rows, labels: int) -> Iterator[EncodedBlock]:
        order = np.argsort(rows.switches, kind="stable").astype(np.int32)
        if np.any(np.diff(order) != 1):
            rows = rows.take(order)
        for first, end in _runs(rows.switches) if len(order) else ():
            yield self._encode(rows.slice(first, end), labels)

    def _number(self, switches: pa.Array) -> IntArray:
        """The number of the switch of every row. Switches are numbered in the order in which the body names them."""
        encoded = switches.dictionary_encode()
        known = []
        for name in encoded.dictionary.to_pylist():
            number = self._switch_numbers.setdefault(name, len(self._switch_names))
            if number == len(self._switch_names):
                self._switch_names.append(name)
            known.append(number)
        codes: IntArray = encoded.indices.to_numpy()
        numbers: IntArray = np.asarray(known, np.int32)[codes]
        return numbers

    def _encode(self, some: _Rows, labels: int) -> EncodedBlock:
        rows, switches, places = some
        payload = rows.serialize()
        first_switch = int(switches[0])
        number = self._block_numbers.get(first_switch, 0) + 1
        self._block_numbers[first_switch] = number
        schema = self._schemas.setdefault((rows.schema.serialize().to_pybytes(), labels), len(self._schemas))
        runs = _runs(switches, places if self._scattered else None)
        parts = np.empty((len(runs), 5), np.int32)
        parts[:, 0] = switches[runs[:, 0]]
        parts[:, 1] = len(self._blocks)
        parts[:, 2] = runs[:, 0]
        parts[:, 3] = runs[:, 1] - runs[:, 0]
        parts[:, 4] = places[runs[:, 0]]
        self._parts.append(parts)
        self._blocks.append(BlockEntry(first_switch, number, schema, rows.num_rows, payload.size, crc32(payload)))
        self.size_bytes += payload.size
        return EncodedBlock(self._switch_names[first_switch], number, payload)


def _runs(switches: IntArray, places: IntArray | None = None) -> IntArray:
    """A line per run of rows of one switch, by ``places`` also of neighbours: first row, and the row after the last."""
    ends = np.diff(switches) != 0
    if places is not None:
        ends |= np.diff(places) != 1
    cuts = np.flatnonzero(ends) + 1
    return np.stack([np.concatenate([[0], cuts]), np.concatenate([cuts, [len(switches)]])], axis=1).astype(np.int32)
