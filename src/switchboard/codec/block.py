"""A snapshot as bytes: rows gathered into blocks, the index that finds them, and the way back.

A block is an Arrow record batch, serialised without its schema. Its columns, by position:

    0                 time of the row, int64, microseconds since the epoch
    1                 port, string; of type null where the source has no ports
    2 … 1 + labels    labels, string
    then              metrics: int32, int64, uint64 or double; null where the cell was empty or rejected

The switch is no column: the index says which rows of which block belong to which switch, as parts (switch, block,
first row, rows). Rows of one switch may be far apart in the body; then it has several parts, in the body's order.

A snapshot of up to SMALL_ROWS rows gets one block a switch. A larger one closes a block at the first switch boundary
after BLOCK_ROWS rows: on 100,000 one-row switches that is 50 bytes a row instead of 456, and a hundredth of the time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from zlib import crc32

import msgspec
import numpy as np
import pyarrow as pa

from switchboard.codec.duplicates import Duplicates, IntArray
from switchboard.errors import SnapshotGone
from switchboard.model import Manifest

SMALL_ROWS = 1000
BLOCK_ROWS = 512
MOST_BLOCK_ROWS = 2 * BLOCK_ROWS
"""A switch with more rows than fit is cut here, in the middle of the switch."""

TIME, PORT, LABELS = 0, 1, 2
"""Positions of the time, the port and the first label in a block."""


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows as they were parsed: ``rows`` has the columns of a block, ``switches`` and ``lines`` one entry a row."""

    switches: pa.Array
    rows: pa.RecordBatch
    labels: int
    lines: IntArray
    """Line of the body on which each row begins."""


class EncodedBlock(NamedTuple):
    """A block ready to be stored under the name of its first switch; ``number`` tells blocks of one name apart."""

    switch: str
    number: int
    payload: pa.Buffer


class SchemaEntry(msgspec.Struct, frozen=True, array_like=True):
    """A schema that blocks of a snapshot have: the Arrow schema, and how many of its columns are labels."""

    arrow: bytes
    labels: int


class BlockEntry(msgspec.Struct, frozen=True, array_like=True):
    """A block as the index knows it. ``switch`` counts in Index.switches, ``schema`` in Index.schemas."""

    switch: int
    number: int
    schema: int
    rows: int
    size_bytes: int
    crc32: int


class Index(msgspec.Struct, frozen=True):
    """Where every row of a snapshot is."""

    schemas: list[SchemaEntry]
    blocks: list[BlockEntry]
    switches: list[str]
    parts: bytes
    """int32, little-endian, four to a part: switch, block, first row, rows; in the order of the body."""

    def block_names(self) -> list[tuple[str, int]]:
        """First switch and number of every block: what its key is made of."""
        return [(self.switches[block.switch], block.number) for block in self.blocks]


_index_encoder = msgspec.msgpack.Encoder()
_index_decoder = msgspec.msgpack.Decoder(Index)


def encode_index(index: Index) -> bytes:
    """An index as it is stored: its crc32 in four bytes, little-endian, then MessagePack."""
    data = _index_encoder.encode(index)
    return crc32(data).to_bytes(4, "little") + data


def decode_index(data: bytes) -> Index:
    """Read an index. Raises SnapshotGone if the bytes are not those of one."""
    if crc32(data[4:]).to_bytes(4, "little") != data[:4]:
        raise SnapshotGone("the index is not what was written")
    try:
        return _index_decoder.decode(data[4:])
    except msgspec.MsgspecError as error:
        raise SnapshotGone(f"the index cannot be read: {error}") from error


class BlockBuilder:
    """Gathers row batches into blocks. Feed with ``add``, close with ``finish``, then take ``index``."""

    def __init__(self) -> None:
        self.rows = 0
        self.size_bytes = 0
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
        """How many switches there are so far."""
        return len(self._switch_names)

    @property
    def blocks(self) -> int:
        """How many blocks were returned so far."""
        return len(self._blocks)

    def add(self, batch: RowBatch) -> list[EncodedBlock]:
        """Take the next rows of the body; return the blocks that are complete."""
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
        """Return the blocks that are left."""
        if self._streaming:
            return list(self._flush())
        return [block for run in _same_schema_runs(self._buffered) for block in self._one_block_a_switch(run)]

    @property
    def index(self) -> Index:
        """The index of all blocks returned so far."""
        parts = np.concatenate(self._parts) if self._parts else np.empty((0, 4), np.int32)
        return Index(
            schemas=[SchemaEntry(arrow, labels) for arrow, labels in self._schemas],
            blocks=self._blocks,
            switches=self._switch_names,
            parts=parts.astype("<i4").tobytes(),
        )

    def duplicate_lines(self) -> list[int]:
        """Lines of the rows whose switch and port had a row before. The first one is what readers find."""
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

    def _one_block_a_switch(self, batches: list[tuple[RowBatch, IntArray]]) -> Iterator[EncodedBlock]:
        labels = batches[0][0].labels
        rows = pa.concat_batches([batch.rows for batch, _ in batches])
        switches = np.concatenate([numbers for _, numbers in batches])
        order = np.argsort(switches, kind="stable")
        if np.any(np.diff(order) != 1):
            rows, switches = rows.take(pa.array(order)), switches[order]
        for first, end in _runs(switches):
            yield self._encode(rows.slice(first, end - first), switches[first:end], labels)

    def _number(self, switches: pa.Array) -> IntArray:
        """Number the switches of a batch in the order in which the snapshot shows them."""
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


class Block:
    """A block in memory. ``metrics`` and ``labels`` map a name to the position of its column."""

    __slots__ = ("_columns", "_ports", "has_ports", "labels", "metrics", "rows")

    def __init__(self, rows: pa.RecordBatch, labels: dict[str, int], metrics: dict[str, int]) -> None:
        self.rows = rows
        self.labels = labels
        self.metrics = metrics
        self.has_ports = not pa.types.is_null(rows.schema.field(PORT).type)
        """Whether rows are ports of a switch, or whole switches."""
        self._ports: list[str] | None = None
        self._columns: dict[int, _Cells] = {}

    def column_of(self, name: str) -> int | None:
        """Position of the column of a metric or, where there is no such metric, of a label."""
        column = self.metrics.get(name)
        return self.labels.get(name) if column is None else column

    def cell(self, column: int, row: int) -> Any:
        """One cell as a Python value, None where it is missing: 0.1 µs, a fifth of what Arrow's own way takes."""
        cells = self._columns.get(column)
        if cells is None:
            cells = self._columns[column] = _cells(self.rows.column(column))
        return cells[row]

    @property
    def ports(self) -> list[str]:
        """Port of every row; made once. Ask ``has_ports`` first."""
        if self._ports is None:
            self._ports = self.rows.column(PORT).to_pylist()
        return self._ports


class _Cells(Protocol):
    """The cells of a column, by row."""

    def __getitem__(self, row: int, /) -> Any:
        """The cell of a row."""


class _Scalars:
    """A column of any type, with cells that may be missing."""

    __slots__ = ("_array",)

    def __init__(self, array: pa.Array) -> None:
        self._array = array

    def __getitem__(self, row: int, /) -> Any:
        return self._array[row].as_py()


_MEMORY_FORMATS = {pa.int32(): "i", pa.int64(): "q", pa.uint64(): "Q", pa.float64(): "d"}


def _cells(array: pa.Array) -> _Cells:
    """Numbers of which none is missing are read where they lie."""
    form = _MEMORY_FORMATS.get(array.type)
    if form is None or array.null_count or not len(array):
        return _Scalars(array)
    width = array.type.byte_width
    data = memoryview(array.buffers()[1]).cast("B")
    cells: memoryview[Any] = data[array.offset * width : (array.offset + len(array)) * width].cast(form)  # type: ignore[call-overload]
    return cells


class Part(NamedTuple):
    """A run of rows of one switch: ``rows`` rows of ``block`` from ``first`` on."""

    block: Block
    first: int
    rows: int


class Snapshot:
    """A whole snapshot in memory, immutable: any number of readers, no lock."""

    def __init__(
        self, manifest: Manifest, blocks: list[Block], numbers: dict[str, int], parts: IntArray, offsets: IntArray
    ) -> None:
        self.manifest = manifest
        self.blocks = blocks
        self.part_table = np.ascontiguousarray(parts)
        """Switch, block, first row and rows of every part, switch by switch."""
        self.schemas = list({id(block.metrics): block for block in blocks}.values())
        """One block of every schema, in the order of the body."""
        self.memo: dict[Hashable, Any] = {}
        """What readers have worked out of it and share with each other."""
        self._numbers = numbers
        # Plain ints from a memoryview: indexing a numpy array costs five times as much a cell.
        self._parts = self.part_table.reshape(-1).data
        self._offsets = offsets.data

    @property
    def switches(self) -> dict[str, int]:
        """The switches in the order of the body, each with its number. Not to be changed."""
        return self._numbers

    def parts(self, switch: str) -> Iterator[Part]:
        """All rows of a switch, in the order of the body; none if there is no such switch."""
        number = self._numbers.get(switch)
        if number is None:
            return
        parts = self._parts
        for at in range(self._offsets[number] * 4, self._offsets[number + 1] * 4, 4):
            yield Part(self.blocks[parts[at + 1]], parts[at + 2], parts[at + 3])


class SnapshotReader:
    """Puts a snapshot together from its index and its blocks, in steps that are short enough for an event loop.

    Every check raises SnapshotGone. Payloads are kept alive by the blocks: they are read without a copy.
    """

    def __init__(self, manifest: Manifest, index: Index) -> None:
        self._manifest = manifest
        self.index = index
        self._blocks: list[Block] = []
        self._schemas: list[tuple[pa.Schema, dict[str, int], dict[str, int]]] = []
        if len(index.blocks) != manifest.blocks or sum(block.rows for block in index.blocks) != manifest.rows:
            raise SnapshotGone(f"the index of {manifest.snapshot} has other rows or blocks than its manifest")
        if len(index.switches) != manifest.switches:
            raise SnapshotGone(f"the index of {manifest.snapshot} has other switches than its manifest")
        for entry in index.schemas:
            schema = pa.ipc.read_schema(pa.py_buffer(entry.arrow))
            split = LABELS + entry.labels
            self._schemas.append(
                (
                    schema,
                    {schema.field(at).name: at for at in range(LABELS, split)},
                    {schema.field(at).name: at for at in range(split, len(schema))},
                )
            )

    def add(self, payload: bytes | None) -> None:
        """Take the next block, in the order of the index; None where the store had none."""
        entry = self.index.blocks[len(self._blocks)]
        if payload is None:
            raise SnapshotGone(f"block {len(self._blocks)} of {self._manifest.snapshot} is missing")
        if len(payload) != entry.size_bytes or crc32(payload) != entry.crc32:
            raise SnapshotGone(f"block {len(self._blocks)} of {self._manifest.snapshot} is not what was written")
        schema, labels, metrics = self._schemas[entry.schema]
        rows = pa.ipc.read_record_batch(pa.py_buffer(payload), schema)
        if rows.num_rows != entry.rows:
            raise SnapshotGone(f"block {len(self._blocks)} of {self._manifest.snapshot} has a wrong number of rows")
        self._blocks.append(Block(rows, labels, metrics))

    def steps(self, size: int = 20_000) -> Iterator[None]:
        """Number the switches, ``size`` at a time; run to the end before ``finish``."""
        names = self.index.switches
        self._numbers: dict[str, int] = {}
        for start in range(0, len(names), size):
            self._numbers.update(zip(names[start : start + size], range(start, start + size), strict=False))
            yield

    def finish(self) -> Snapshot:
        """The snapshot. Raises SnapshotGone if a block is missing or the index contradicts itself."""
        if len(self._blocks) != len(self.index.blocks):
            raise SnapshotGone(f"{self._manifest.snapshot}: not all blocks were read")
        parts = np.frombuffer(self.index.parts, "<i4").reshape(-1, 4)
        if int(parts[:, 3].sum()) != self._manifest.rows:
            raise SnapshotGone(f"the parts of {self._manifest.snapshot} have other rows than its manifest")
        order = np.argsort(parts[:, 0], kind="stable")
        offsets = np.searchsorted(parts[order, 0], np.arange(len(self.index.switches) + 1)).astype(np.int32)
        return Snapshot(self._manifest, self._blocks, self._numbers, parts[order].astype(np.int32), offsets)


def _runs(switches: IntArray) -> IntArray:
    """First row and end of every run of one switch, one run a line."""
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
