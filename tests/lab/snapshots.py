"""Make a snapshot of a body, and read one back, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv.parser import CHUNK_BYTES, CsvParser
from switchboard.model import Manifest
from switchboard.snapshot.block import RowBatch
from switchboard.snapshot.builder import BlockBuilder, EncodedBlock
from switchboard.snapshot.index import Index, decode_index, encode_index
from switchboard.snapshot.reader import SnapshotReader
from switchboard.snapshot.snapshot import Snapshot
from tests.lab.parsing import Row, pieces
from tests.lab.reference import NOW_US


@dataclass(frozen=True)
class Packed:
    """A snapshot as it is stored."""

    manifest: Manifest
    blocks: list[EncodedBlock]
    index: Index

    @property
    def payloads(self) -> list[bytes]:
        return [block.payload.to_pybytes() for block in self.blocks]


def pack(
    body: bytes,
    columns: ColumnSettings | None = None,
    *,
    cuts: Iterable[int] = (),
    chunk_bytes: int = CHUNK_BYTES,
) -> Packed:
    """Parse a body and gather its rows into blocks."""
    parser = CsvParser(columns or ColumnSettings(), NOW_US, chunk_bytes=chunk_bytes)
    builder = BlockBuilder()
    blocks = [block for piece in pieces(body, cuts) for batch in parser.feed(piece) for block in builder.add(batch)]
    blocks += [block for batch in parser.finish() for block in builder.add(batch)]
    blocks += builder.finish()
    return Packed(manifest_of(builder), blocks, builder.index)


def pack_batches(batches: Iterable[RowBatch]) -> Packed:
    """Gather rows into blocks."""
    builder = BlockBuilder()
    blocks = [block for batch in batches for block in builder.add(batch)]
    blocks += builder.finish()
    return Packed(manifest_of(builder), blocks, builder.index)


def manifest_of(builder: BlockBuilder) -> Manifest:
    """A manifest that fits what was built; all else in it is made up."""
    return Manifest(
        source="lab",
        snapshot=f"{NOW_US // 1000}-0123abcd",
        epoch=1,
        scraped_ms=NOW_US // 1000,
        published_ms=NOW_US // 1000,
        last_time_updated=NOW_US // 1_000_000,
        data_min_us=NOW_US,
        data_max_us=NOW_US,
        interval_ms=10_000,
        ttl_ms=30_000,
        rows=builder.rows,
        switches=builder.switches,
        values=0,
        blocks=builder.blocks,
        size_bytes=builder.size_bytes,
        rejects={},
    )


def unpack(manifest: Manifest, index: bytes, payloads: Iterable[bytes | None]) -> Snapshot:
    """Read a snapshot back. Raises SnapshotGone."""
    reader = SnapshotReader(manifest, decode_index(index))
    for payload in payloads:
        reader.add(payload)
    for _ in reader.steps():
        pass
    return reader.finish()


def round_trip(packed: Packed) -> Snapshot:
    """What a reader makes of a packed snapshot."""
    return unpack(packed.manifest, encode_index(packed.index), packed.payloads)


def rows_of_switch(snapshot: Snapshot, switch: str) -> list[Row]:
    """All rows of a switch, in the order of the body, as `tests.lab.parsing` shows them."""
    rows: list[Row] = []
    for block, first, count in snapshot.parts(switch):
        columns = {name: block.rows.column(at).to_pylist() for name, at in (block.labels | block.metrics).items()}
        times = block.rows.column(0).to_pylist()
        rows += [
            (
                switch,
                times[at],
                block.ports[at] if block.has_ports else None,
                {name: columns[name][at] for name in block.labels},
                {name: columns[name][at] for name in block.metrics if columns[name][at] is not None},
            )
            for at in range(first, first + count)
        ]
    return rows
