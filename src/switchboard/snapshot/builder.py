"""The rows of a body gathered into the blocks of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
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


class BlockBuilder:
    """Gathers row batches into blocks. Call ``add`` for each batch, ``finish`` at the end, and then take ``index``."""

    def __init__(self) -> None:
        self.rows = 0
        self.size_bytes = 0
        self.columns: list[Column] = []
        """What the columns of the body are: whoever reads the body knows it at its end."""
        self._streaming = False
        self._pending: list[tuple[pa.RecordBatch, IntArray]] = []
        self._pending_labels = 0
        self._buffered: list[tuple[RowBatch, IntArray]] = []
        self._duplicates = Duplicates()
        self._switch_numbers: dict[str, int] = {}
        self._switch_names: list[str] = []
        self._block_numbers: dict[int, int] = {}
        self._schemas: dict[tuple[bytes, int], int] = {}
        self._blocks: list[BlockEntry] = []
        self._parts: list[IntArray] = []

    @property
    def switches(self) -> int:
        """Number of switches so far."""
        return len(self._switch_names)

    @property
    def blocks(self) -> int:
        """Number of blocks returned so far."""
        return len(self._blocks)

    def add(self, batch: RowBatch) -> list[EncodedBlock]:
        """Take the next rows of the body, and return the blocks that are complete now."""
        self.rows += batch.rows.num_rows
        switches = self._number(batch.switches)
        self._duplicates.add(switches, batch.rows.column(PORT), batch.lines)
        if self._streaming:
            return list(self._stream(batch, switches))
        self._buffered.append((batch, switches))
        if self.rows <= SMALL_ROWS:
            return []
        self._streaming = True
        buffered, self._buffered = self._buffered, []
        return [block for early in buffered for block in self._stream(*early)]

    def finish(self) -> list[EncodedBlock]:
        """The blocks of the rows that are left."""
        if self._streaming:
            return list(self._flush())
        return [block for run in _same_schema_runs(self._buffered) for block in self._block_per_switch(run)]

    @property
    def index(self) -> Index:
        """The index of all blocks returned so far."""
        parts = np.concatenate(self._parts) if self._parts else np.empty((0, 4), np.int32)
        return Index(
            schemas=[SchemaEntry(arrow, labels) for arrow, labels in self._schemas],
            blocks=self._blocks,
            switches=self._switch_names,
            parts=parts.astype("<i4").tobytes(),
            columns=self.columns,
        )

    def duplicate_lines(self) -> list[int]:
        """Lines of the rows that repeat the switch and port of an earlier row. Readers find the first row only."""
        return self._duplicates.lines()

    def _stream(self, batch: RowBatch, numbers: IntArray) -> Iterator[EncodedBlock]:
        if self._pending and not _same_schema(self._pending[0][0], self._pending_labels, batch):
            yield from self._flush()
        self._pending.append((batch.rows, numbers))
        self._pending_labels = batch.labels
        rows, switches = self._join_pending()
        boundaries = np.flatnonzero(np.diff(switches)) + 1
        start = 0
        while len(switches) - start > BLOCK_ROWS:
            following = np.searchsorted(boundaries, start + BLOCK_ROWS)
            end = int(boundaries[following]) if following < len(boundaries) else len(switches) + 1
            end = min(end, start + MOST_BLOCK_ROWS)
            if end > len(switches):
                break
            yield self._encode(rows.slice(start, end - start), switches[start:end], batch.labels)
            start = end
        self._pending = [(rows.slice(start), switches[start:])] if start < len(switches) else []

    def _flush(self) -> Iterator[EncodedBlock]:
        if self._pending:
            rows, switches = self._join_pending()
            self._pending = []
            yield self._encode(rows, switches, self._pending_labels)

    def _join_pending(self) -> tuple[pa.RecordBatch, IntArray]:
        if len(self._pending) == 1:
            return self._pending[0]
        rows, switches = zip(*self._pending, strict=True)
        return pa.concat_batches(list(rows)), np.concatenate(switches)

    def _block_per_switch(self, batches: list[tuple[RowBatch, IntArray]]) -> Iterator[EncodedBlock]:
        labels = batches[0][0].labels
        rows = pa.concat_batches([batch.rows for batch, _ in batches])
        switches = np.concatenate([numbers for _, numbers in batches])
        order = np.argsort(switches, kind="stable")
        if np.any(np.diff(order) != 1):
            rows, switches = rows.take(pa.array(order)), switches[order]
        for first, end in _runs(switches):
            yield self._encode(rows.slice(first, end - first), switches[first:end], labels)

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

    def _encode(self, rows: pa.RecordBatch, switches: IntArray, labels: int) -> EncodedBlock:
        payload = rows.serialize()
        first_switch = int(switches[0])
        number = self._block_numbers.get(first_switch, 0) + 1
        self._block_numbers[first_switch] = number
        schema = self._schemas.setdefault((rows.schema.serialize().to_pybytes(), labels), len(self._schemas))
        runs = _runs(switches)
        parts = np.empty((len(runs), 4), np.int32)
        parts[:, 0] = switches[runs[:, 0]]
        parts[:, 1] = len(self._blocks)
        parts[:, 2] = runs[:, 0]
        parts[:, 3] = runs[:, 1] - runs[:, 0]
        self._parts.append(parts)
        self._blocks.append(BlockEntry(first_switch, number, schema, rows.num_rows, payload.size, crc32(payload)))
        self.size_bytes += payload.size
        return EncodedBlock(self._switch_names[first_switch], number, payload)


def _runs(switches: IntArray) -> IntArray:
    """A line per run of rows of one switch: the first row, and the row after the last."""
    cuts = np.flatnonzero(np.diff(switches)) + 1
    return np.stack([np.concatenate([[0], cuts]), np.concatenate([cuts, [len(switches)]])], axis=1).astype(np.int32)


def _same_schema(rows: pa.RecordBatch, labels: int, batch: RowBatch) -> bool:
    return labels == batch.labels and bool(rows.schema.equals(batch.rows.schema))


def _same_schema_runs(batches: list[tuple[RowBatch, IntArray]]) -> Iterator[list[tuple[RowBatch, IntArray]]]:
    run: list[tuple[RowBatch, IntArray]] = []
    for batch, numbers in batches:
        if run and not _same_schema(run[0][0].rows, run[0][0].labels, batch):
            yield run
            run = []
        run.append((batch, numbers))
    if run:
        yield run
