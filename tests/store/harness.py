"""Snapshots to write, and the steps in which they are written, for the tests of the store."""

from __future__ import annotations

import dataclasses
from itertools import count

from msgspec.structs import replace

from switchboard.model import FORMAT, Manifest, Outcome, SourceStatus
from switchboard.snapshot.reader import SnapshotReader
from switchboard.snapshot.snapshot import Snapshot
from switchboard.store import keys
from switchboard.store.leases import Lease
from switchboard.store.store import Store
from tests.lab.snapshots import Packed, pack

BODY = b"switch_id,port,note,a,b\n" + b"".join(
    f"{switch},{port},up,{port},{port}.5\n".encode() for switch in ("sw1", "sw2", "sw3") for port in (1, 2)
)
STATUS = SourceStatus(source="lab", url="", interval_ms=10_000, attempted_ms=5, outcome=Outcome.FAILED, duration_ms=1)
GARBAGE = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"5",
    b'"x"',
    b"{}",
    b'{"snapshot": 5}',
    b'{"source": "\xff"}',
    b"[" * 100_000,
]
BLOCK_MS = 43_000
seqs = count(1)


def packed_as(lease: Lease, body: bytes = BODY, **manifest: str | int) -> Packed:
    """A snapshot that the holder of the lease may publish."""
    packed = pack(body)
    fields = {"source": lease.source, "format": FORMAT, "epoch": lease.epoch, "seq": next(seqs), **manifest}
    return dataclasses.replace(packed, manifest=replace(packed.manifest, **fields))


async def taken(store: Store, owner: str = "me") -> Lease:
    lease = await store.leases.take("lab", owner)
    assert lease is not None
    return lease


async def renew(store: Store, lease: Lease) -> Lease:
    renewed = await store.leases.renew(lease)
    assert renewed is not None
    return renewed


async def write(store: Store, packed: Packed) -> None:
    """Blocks and index, without the pointer."""
    manifest = packed.manifest
    await store.snapshots.write_blocks(manifest.source, manifest.snapshot, packed.blocks, BLOCK_MS)
    await store.snapshots.write_index(manifest.source, manifest.snapshot, packed.index, BLOCK_MS)


async def publish(store: Store, packed: Packed, lease: Lease) -> None:
    await write(store, packed)
    await store.snapshots.move_pointer(packed.manifest, lease)


async def confirm(store: Store, packed: Packed, lease: Lease) -> Manifest:
    """Let a snapshot live on; its manifest as it is then."""
    await store.snapshots.extend_blocks(packed.manifest, packed.index.block_names(), BLOCK_MS)
    confirmed = replace(packed.manifest, epoch=lease.epoch, seq=next(seqs))
    await store.snapshots.extend_pointer(confirmed, lease)
    return confirmed


async def read(store: Store, manifest: Manifest) -> Snapshot:
    """Read a snapshot back as the API does."""
    index = await store.snapshots.read_index(manifest)
    reader = SnapshotReader(manifest, index)
    async for payloads in store.snapshots.read_blocks(manifest, index):
        for payload in payloads:
            reader.add(payload)
    for _ in reader.steps():
        pass
    return reader.finish()


def key_names(packed: Packed) -> list[str]:
    """Keys of the blocks and of the index."""
    source, snapshot = packed.manifest.source, packed.manifest.snapshot
    return [keys.index(source, snapshot), *(keys.block(source, snapshot, *name) for name in packed.index.block_names())]
