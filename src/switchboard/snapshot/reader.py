"""Reading a snapshot: index and blocks, as the store has them, become a Snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np
import pyarrow as pa

from switchboard.errors import SnapshotGone
from switchboard.model import Manifest
from switchboard.snapshot.block import LABELS, Block
from switchboard.snapshot.index import Index
from switchboard.snapshot.snapshot import Snapshot


class SnapshotReader:
    """Makes a Snapshot from its index and its blocks, in steps that are short enough for an event loop.

    Call ``add`` for each block, run ``steps`` to its end, then call ``finish``. The constructor, ``add`` and ``finish``
    raise SnapshotGone if index, blocks and manifest do not fit each other. Blocks refer to their payloads, and copy
    nothing.
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
                    {schema.field(position).name: position for position in range(LABELS, split)},
                    {schema.field(position).name: position for position in range(split, len(schema))},
                )
            )

    def add(self, payload: bytes | None) -> None:
        """Take the next block, in the order of the index; None: the store does not have it. Raises SnapshotGone."""
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
        """Number the switches, ``size`` of them per step."""
        names = self.index.switches
        self._numbers: dict[str, int] = {}
        for start in range(0, len(names), size):
            self._numbers.update(zip(names[start : start + size], range(start, start + size), strict=False))
            yield

    def finish(self) -> Snapshot:
        """The snapshot. Raises SnapshotGone if blocks are missing or the parts have other rows than the manifest."""
        if len(self._blocks) != len(self.index.blocks):
            raise SnapshotGone(f"{self._manifest.snapshot}: not all blocks were read")
        parts = np.frombuffer(self.index.parts, "<i4").reshape(-1, 4)
        if int(parts[:, 3].sum()) != self._manifest.rows:
            raise SnapshotGone(f"the parts of {self._manifest.snapshot} have other rows than its manifest")
        order = np.argsort(parts[:, 0], kind="stable")
        offsets = np.searchsorted(parts[order, 0], np.arange(len(self.index.switches) + 1)).astype(np.int32)
        return Snapshot(
            self._manifest,
            self._blocks,
            self._numbers,
            parts[order].astype(np.int32),
            offsets,
            columns=self.index.columns,
        )
