"""Snapshots: blocks, an index, and the pointer that names the current snapshot of a source.

Blocks are written first, then the index, then the pointer; a snapshot without a pointer is seen by nobody. Blocks and
indexes are sent in bulk calls of about BULK_BYTES.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

import msgspec

from switchboard.errors import (
    FormatTooNew,
    KeyUnusable,
    LeaseLost,
    SnapshotGone,
    SnapshotSuperseded,
    StoreError,
    StoreUnavailable,
)
from switchboard.model import FORMAT, Manifest
from switchboard.snapshot.builder import EncodedBlock
from switchboard.snapshot.index import Index, decode_index, encode_index
from switchboard.store import keys
from switchboard.store.connect import UNREADABLE, Connections
from switchboard.store.failures import is_wrong_type
from switchboard.store.leases import Lease
from switchboard.store.scripts import script

BULK_BYTES = 1 << 20
BULK_COMMANDS = 1000
"""Most commands in one bulk call, however small they are."""
HINT_WAIT_SECONDS = 1.0
"""Longest wait for a hint before the connection is looked at."""

_KEY_IS_MISSING = -2
"""Answer of PTTL for a key that does not exist."""


class _AnyManifest(msgspec.Struct):
    """The part of a manifest that every version writes."""

    format: int = 1


_decode_format = msgspec.json.Decoder(_AnyManifest).decode
_decode_manifest = msgspec.json.Decoder(Manifest).decode
_encode_manifest = msgspec.json.Encoder().encode


class Snapshots:
    """The snapshots of all sources."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._control = connections.control
        self._bulk = connections.bulk
        self._translated = connections.translated
        self._move_pointer = script(self._control, "move_pointer")
        self._extend_pointer = script(self._control, "extend_pointer")

    # The pointer

    async def pointer(self, source: str) -> tuple[Manifest | None, int]:
        """The current manifest of a source and the TTL of its pointer in milliseconds; (None, 0) without a pointer.

        The TTL is read before the manifest, so that it cannot belong to a later confirmation than the manifest. -1: the
        pointer has no TTL.
        Raises SnapshotGone if the pointer holds no manifest, FormatTooNew if only a newer version can read it.
        """
        key = keys.pointer(source)
        # Without MULTI: a full server refuses MULTI, although it answers both commands.
        try:
            async with (
                self._translated("read a pointer", "PTTL or GET", key),
                self._control.pipeline(transaction=False) as pipeline,
            ):
                pipeline.pttl(key)
                pipeline.get(key)
                ttl_ms, text = await pipeline.execute()
        except KeyUnusable as error:
            raise SnapshotGone(f"the pointer {key} holds another type of value than ours (WRONGTYPE)") from error
        if text is None or ttl_ms == _KEY_IS_MISSING:
            return None, 0
        return _manifest(source, text), ttl_ms

    async def move_pointer(self, manifest: Manifest, lease: Lease) -> None:
        """Announce a snapshot. Raises LeaseLost or SnapshotSuperseded; then the pointer stays where it is."""
        source = manifest.source
        arguments = [lease.holder, lease.n, _encode_manifest(manifest), manifest.ttl_ms, keys.MOVED, source]
        async with self._translated("move a pointer", "EVALSHA of move_pointer.lua", keys.pointer(source)):
            answer = await self._move_pointer([keys.pointer(source), keys.lease(source)], arguments)
        if answer != b"moved":
            raise _refused(answer, manifest, lease)

    async def extend_pointer(self, manifest: Manifest, lease: Lease) -> None:
        """Confirm a snapshot whose blocks were extended: replace the pointer's manifest, and begin its TTL anew.

        Raises, and leaves the pointer as it is:

            SnapshotGone        the pointer does not name the snapshot
            LeaseLost           the lease is not held any more
            SnapshotSuperseded  the pointer has a later confirmation already
        """
        source = manifest.source
        arguments = [lease.holder, lease.n, _encode_manifest(manifest), manifest.ttl_ms]
        async with self._translated("extend a pointer", "EVALSHA of extend_pointer.lua", keys.pointer(source)):
            answer = await self._extend_pointer([keys.pointer(source), keys.lease(source)], arguments)
        if answer == b"gone":
            raise SnapshotGone(f"the pointer of source {source!r} does not name {manifest.snapshot} any more")
        if answer != b"extended":
            raise _refused(answer, manifest, lease)

    async def hints(self) -> AsyncGenerator[str]:
        """Names of sources whose pointer has just moved. Only a hint: a message may be lost at any time."""
        async with self._control.pubsub(ignore_subscribe_messages=True) as channel:
            given_up = self._connections.given_up
            async with self._translated("listen for moved pointers", "SUBSCRIBE", keys.MOVED):
                await channel.subscribe(keys.MOVED)
            while True:
                async with self._translated("listen for moved pointers", "SUBSCRIBE", keys.MOVED):
                    message = await channel.get_message(timeout=HINT_WAIT_SECONDS)
                if self._connections.given_up != given_up:
                    raise StoreUnavailable("cannot listen for moved pointers: all connections were given up")
                if message is not None and isinstance(message["data"], bytes):
                    yield message["data"].decode("utf-8", "replace")

    # Index and blocks

    async def write_blocks(self, source: str, snapshot: str, blocks: Sequence[EncodedBlock], ttl_ms: int) -> None:
        """Write blocks that live for ``ttl_ms``. Raises StoreError if one of them exists already."""
        for some in _bulks(blocks):
            first = keys.block(source, snapshot, some[0].switch, some[0].number)
            async with (
                self._translated("write blocks", "SET", first),
                self._bulk.pipeline(transaction=False) as pipeline,
            ):
                for block in some:
                    key = keys.block(source, snapshot, block.switch, block.number)
                    pipeline.set(key, memoryview(block.payload), px=ttl_ms, nx=True)
                written = await pipeline.execute()
            for block, done in zip(some, written, strict=True):
                if not done:
                    raise StoreError(f"block {block.switch!r} of snapshot {snapshot} was written twice")

    async def write_index(self, source: str, snapshot: str, index: Index, ttl_ms: int) -> None:
        """Write the index of a snapshot whose blocks are all written. Raises StoreError if it exists already."""
        async with self._translated("write an index", "SET", keys.index(source, snapshot)):
            done = await self._bulk.set(keys.index(source, snapshot), encode_index(index), px=ttl_ms, nx=True)
        if not done:
            raise StoreError(f"the index of snapshot {snapshot} was written twice")

    async def extend_blocks(self, manifest: Manifest, blocks: Sequence[tuple[str, int]], ttl_ms: int) -> None:
        """Let blocks and index of a snapshot live for ``ttl_ms`` from now. Raises SnapshotGone if any is missing."""
        source, snapshot = manifest.source, manifest.snapshot
        async with self._translated("extend a snapshot", "PEXPIRE", keys.index(source, snapshot)):
            for names in _batches(_key_names(source, snapshot, blocks)):
                async with self._bulk.pipeline(transaction=False) as pipeline:
                    for name in names:
                        pipeline.pexpire(name, ttl_ms)
                    if not all(await pipeline.execute()):
                        raise SnapshotGone(f"keys of snapshot {snapshot} of source {source!r} are missing")

    async def discard(self, source: str, snapshot: str, blocks: Sequence[tuple[str, int]]) -> None:
        """Remove index and blocks of a snapshot that will not be announced; missing keys are ignored."""
        async with self._translated("discard a snapshot", "UNLINK", keys.index(source, snapshot)):
            for names in _batches(_key_names(source, snapshot, blocks)):
                async with self._bulk.pipeline(transaction=False) as pipeline:
                    for name in names:
                        pipeline.unlink(name)
                    await pipeline.execute()

    async def read_index(self, manifest: Manifest) -> Index:
        """The index of a snapshot. Raises SnapshotGone if it is missing or unreadable."""
        key = keys.index(manifest.source, manifest.snapshot)
        try:
            async with self._translated("read an index", "GET", key):
                data = await self._bulk.get(key)
        except KeyUnusable as error:
            raise SnapshotGone(f"the index {key} holds another type of value than ours (WRONGTYPE)") from error
        if data is None:
            raise SnapshotGone(f"the index of {manifest.snapshot} of source {manifest.source!r} is missing")
        return decode_index(data)

    async def read_blocks(self, manifest: Manifest, index: Index) -> AsyncIterator[list[bytes | None]]:
        """All blocks of a snapshot in the order of the index, one bulk call at a time; None for a missing block."""
        names = [
            keys.block(manifest.source, manifest.snapshot, switch, number) for switch, number in index.block_names()
        ]
        sizes = [block.size_bytes for block in index.blocks]
        for first, end in _bulk_ranges(sizes):
            async with (
                self._translated("read blocks", "GET", names[first]),
                self._bulk.pipeline(transaction=False) as pipeline,
            ):
                for name in names[first:end]:
                    pipeline.get(name)
                payloads = await pipeline.execute(raise_on_error=False)
                for name, payload in zip(names[first:end], payloads, strict=True):
                    if isinstance(payload, Exception):
                        if is_wrong_type(payload):
                            raise SnapshotGone(f"the block {name} holds another type of value than ours (WRONGTYPE)")
                        raise payload
            yield payloads


def _manifest(source: str, text: bytes) -> Manifest:
    """The manifest that the pointer of ``source`` holds. Raises SnapshotGone, FormatTooNew."""
    try:
        newest = _decode_format(text).format
        if newest > FORMAT:
            raise FormatTooNew(
                f"the pointer of source {source!r} has format {newest}, and this version of Switchboard reads "
                f"formats up to {FORMAT}: upgrade this process"
            )
        manifest = _decode_manifest(text)
    except UNREADABLE as error:
        raise SnapshotGone(f"the pointer of source {source!r} cannot be read: {error}") from error
    if manifest.source != source:
        raise SnapshotGone(f"the pointer of source {source!r} names a snapshot of {manifest.source!r}")
    return manifest


def _refused(answer: bytes, manifest: Manifest, lease: Lease) -> LeaseLost | SnapshotSuperseded:
    if answer == b"lease":
        return LeaseLost(f"source {manifest.source!r} has another writer: {lease.text} does not hold its lease")
    return SnapshotSuperseded(
        f"the pointer {keys.pointer(manifest.source)} is ahead of {manifest.snapshot} although its lease is ours: "
        "somebody has written it, or a fail-over has lost an epoch"
    )


def _key_names(source: str, snapshot: str, blocks: Sequence[tuple[str, int]]) -> list[str]:
    """Keys of the index and of the blocks, which are given by switch and number."""
    return [keys.index(source, snapshot), *(keys.block(source, snapshot, *block) for block in blocks)]


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), BULK_COMMANDS):
        yield names[start : start + BULK_COMMANDS]


def _bulks(blocks: Sequence[EncodedBlock]) -> Iterator[Sequence[EncodedBlock]]:
    for first, end in _bulk_ranges([block.payload.size for block in blocks]):
        yield blocks[first:end]


def _bulk_ranges(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut a run of values into ranges of about BULK_BYTES, with at least one value per range."""
    first, total = 0, 0
    for at, size in enumerate(sizes):
        if at > first and (total + size > BULK_BYTES or at - first >= BULK_COMMANDS):
            yield first, at
            first, total = at, 0
        total += size
    if first < len(sizes):
        yield first, len(sizes)
