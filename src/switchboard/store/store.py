"""The store: every Redis command of Switchboard.

Redis, Valkey (6.2 or later) and single nodes of a cluster behave alike: no command touches keys of two slots, scripts
name all their keys, and nothing here scans. How connections are made, and what becomes of their failures, is in
``connect.py``: StoreUnavailable (no answer), StoreError (an answer that says no). A bulk call has at most about
BULK_BYTES.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import msgspec

from switchboard.errors import FormatTooNew, LeaseLost, SnapshotGone, SnapshotSuperseded, StoreError, StoreUnavailable
from switchboard.model import FORMAT, Manifest, SourceStatus
from switchboard.snapshot.builder import EncodedBlock
from switchboard.snapshot.index import Index, decode_index, encode_index
from switchboard.store import keys
from switchboard.store.connect import Connections

BULK_BYTES = 1 << 20
BULK_COMMANDS = 1000
"""Most commands in one pipeline of small bulk commands."""
LEASE_MS = 5000
HINT_WAIT_SECONDS = 1.0

_KEY_IS_MISSING = -2
"""What PTTL answers then."""


class _AnyManifest(msgspec.Struct):
    """As much of a manifest as every version has."""

    format: int = 1


_decode_format = msgspec.json.Decoder(_AnyManifest).decode
_decode_manifest = msgspec.json.Decoder(Manifest).decode
_decode_status = msgspec.json.Decoder(SourceStatus).decode
_encode_json = msgspec.json.Encoder().encode
_UNREADABLE = (ValueError, RecursionError)
"""What msgspec raises on garbage; its own errors, and those of broken UTF-8, are ValueErrors."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one source. ``epoch`` fences off whoever had it before; ``n`` counts its renewals."""

    source: str
    owner: str
    epoch: int
    n: int = 0

    @property
    def holder(self) -> str:
        """What stays of the value of the lease key while it is renewed."""
        return f"{self.owner}:{self.epoch}"

    @property
    def text(self) -> str:
        """The value of the lease key."""
        return f"{self.holder}:{self.n}"


class Store:
    """One Redis server, or one node of a cluster that holds all slots. Connects when it is first used."""

    def __init__(self, url: str) -> None:
        self._connections = Connections(url)
        self.shown_url = self._connections.shown_url
        self._control = self._connections.control
        self._bulk = self._connections.bulk
        self._translated = self._connections.translated
        self._take_lease = self._script("take_lease")
        self._renew_lease = self._script("renew_lease")
        self._move_pointer = self._script("move_pointer")
        self._extend_pointer = self._script("extend_pointer")
        self._write_status = self._script("write_status")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    async def reconnect(self) -> None:
        """Let the next calls make new connections: the address may lead to another server by now."""
        await self._connections.give_up()

    async def ping(self) -> None:
        """Return if the store answers."""
        async with self._translated("PING"):
            await self._control.ping()

    # Sources

    async def register(self, source: str, place: int) -> None:
        """Add a source to those that exist; sources are asked in the order of their places."""
        async with self._translated("register a source"):
            await self._control.zadd(keys.SOURCES, {source: place})

    async def is_known(self, source: str) -> bool:
        """Whether anybody has the lease of a source, a snapshot of it, or an attempt on record."""
        async with self._translated("look for a source"):
            return bool(await self._control.exists(keys.lease(source), keys.pointer(source), keys.status(source)))

    async def forget(self, source: str) -> None:
        """Take a source from those that exist."""
        async with self._translated("forget a source"):
            await self._control.zrem(keys.SOURCES, source)

    async def sources(self) -> list[str]:
        """The sources that exist, in configured order."""
        async with self._translated("read the sources"):
            names: list[bytes] = await self._control.zrange(keys.SOURCES, 0, -1)
        return [name.decode("utf-8", "replace") for name in names]

    async def pointer(self, source: str) -> tuple[Manifest | None, int]:
        """The current manifest of a source and what Redis says of its TTL in milliseconds; (None, 0) if there is none.

        The TTL is read first, so it is never that of a later confirmation; -1: the pointer has none. Raises
        SnapshotGone if the pointer is no manifest, FormatTooNew if only a newer version can read it.
        """
        key = keys.pointer(source)
        # No MULTI: a full server refuses that, although it refuses neither of the two.
        async with self._translated("read a pointer"), self._control.pipeline(transaction=False) as pipeline:
            pipeline.pttl(key)
            pipeline.get(key)
            ttl_ms, text = await pipeline.execute()
        if text is None or ttl_ms == _KEY_IS_MISSING:
            return None, 0
        try:
            newest = _decode_format(text).format
            if newest > FORMAT:
                raise FormatTooNew(
                    f"the pointer of source {source!r} has format {newest}, and this version of Switchboard reads "
                    f"formats up to {FORMAT}: upgrade this process"
                )
            manifest = _decode_manifest(text)
        except _UNREADABLE as error:
            raise SnapshotGone(f"the pointer of source {source!r} cannot be read: {error}") from error
        if manifest.source != source:
            raise SnapshotGone(f"the pointer of source {source!r} names a snapshot of {manifest.source!r}")
        return manifest, ttl_ms

    async def status(self, source: str) -> SourceStatus | None:
        """What the ETL last saw of a source; None if no attempt is known."""
        async with self._translated("read a status"):
            text = await self._control.get(keys.status(source))
        with contextlib.suppress(*_UNREADABLE):
            return None if text is None else _decode_status(text)
        return None

    async def write_status(self, status: SourceStatus, lease: Lease) -> bool:
        """Tell the API what became of an attempt, for ten intervals; False if another writer has the source by now."""
        names = [keys.status(status.source), keys.lease(status.source)]
        arguments = [lease.holder, lease.n, _encode_json(status), 10 * status.interval_ms]
        async with self._translated("write a status"):
            return bool(await self._write_status(names, arguments))

    async def hints(self) -> AsyncGenerator[str]:
        """Names of sources whose pointer has just moved. A hint: a message may be lost at any time."""
        async with self._control.pubsub(ignore_subscribe_messages=True) as channel:
            given_up = self._connections.given_up
            async with self._translated("listen for moved pointers"):
                await channel.subscribe(keys.MOVED)
            while True:
                async with self._translated("listen for moved pointers"):
                    message = await channel.get_message(timeout=HINT_WAIT_SECONDS)
                if self._connections.given_up != given_up:
                    raise StoreUnavailable("cannot listen for moved pointers: all connections were given up")
                if message is not None and isinstance(message["data"], bytes):
                    yield message["data"].decode("utf-8", "replace")

    # Leases

    async def lease_value(self, source: str) -> str | None:
        """The value of a source's lease: ``owner:epoch:n``; None if nobody has it."""
        async with self._translated("read a lease"):
            value = await self._control.get(keys.lease(source))
        return None if value is None else value.decode("utf-8", "surrogateescape")

    async def take_lease(
        self, source: str, owner: str, *, silent: str | None = None, least_epoch: int = 0
    ) -> Lease | None:
        """Take the lease of a source with a new epoch of at least ``least_epoch``; None if somebody else has it.

        ``silent`` is a value of the lease that was not renewed for LEASE_MS on the caller's clock: then it is taken
        from whoever has it, if it is still the same.
        """
        names = [keys.lease(source), keys.epoch(source), keys.pointer(source)]
        expected = (silent or "").encode("utf-8", "surrogateescape")
        async with self._translated("take a lease"):
            epoch = await self._take_lease(names, [owner, LEASE_MS, expected, least_epoch])
        return None if epoch is None else Lease(source, owner, int(epoch))

    async def renew_lease(self, lease: Lease) -> Lease | None:
        """Keep a lease for another LEASE_MS; the lease as it is then, or None if it is lost."""
        renewed = replace(lease, n=lease.n + 1)
        async with self._translated("renew a lease"):
            held = await self._renew_lease([keys.lease(lease.source)], [lease.holder, renewed.n, LEASE_MS])
        return renewed if held else None

    async def release_lease(self, lease: Lease) -> None:
        """Give a lease back, so that another writer need not wait for its end."""
        async with self._translated("release a lease"):
            # Held with this number, or with the next one if a renewal was cancelled on its way.
            await self._renew_lease([keys.lease(lease.source)], [lease.holder, lease.n + 1, 0])

    # Snapshots, written: blocks, then the index, then the pointer

    async def write_blocks(self, source: str, snapshot: str, blocks: Sequence[EncodedBlock], ttl_ms: int) -> None:
        """Write blocks that live for ``ttl_ms``. Raises StoreError if one of them is there already."""
        for some in _bulks(blocks):
            async with self._translated("write blocks"), self._bulk.pipeline(transaction=False) as pipeline:
                for block in some:
                    key = keys.block(source, snapshot, block.switch, block.number)
                    pipeline.set(key, memoryview(block.payload), px=ttl_ms, nx=True)
                written = await pipeline.execute()
            for block, done in zip(some, written, strict=True):
                if not done:
                    raise StoreError(f"block {block.switch!r} of snapshot {snapshot} was written twice")

    async def write_index(self, source: str, snapshot: str, index: Index, ttl_ms: int) -> None:
        """Write the index of a snapshot whose blocks are all written."""
        async with self._translated("write an index"):
            done = await self._bulk.set(keys.index(source, snapshot), encode_index(index), px=ttl_ms, nx=True)
        if not done:
            raise StoreError(f"the index of snapshot {snapshot} was written twice")

    async def move_pointer(self, manifest: Manifest, lease: Lease) -> None:
        """Announce a snapshot. Raises LeaseLost or SnapshotSuperseded; then the pointer stays where it is."""
        source = manifest.source
        arguments = [lease.holder, lease.n, _encode_json(manifest), manifest.ttl_ms, keys.MOVED, source]
        async with self._translated("move a pointer"):
            answer = await self._move_pointer([keys.pointer(source), keys.lease(source)], arguments)
        if answer != b"moved":
            raise _refused(answer, manifest, lease)

    async def extend_blocks(self, manifest: Manifest, blocks: Sequence[tuple[str, int]], ttl_ms: int) -> None:
        """Let blocks and index of a snapshot live for ``ttl_ms`` again. Raises SnapshotGone if any is missing."""
        source, snapshot = manifest.source, manifest.snapshot
        names = [keys.index(source, snapshot), *(keys.block(source, snapshot, *block) for block in blocks)]
        async with self._translated("extend a snapshot"):
            for start in range(0, len(names), BULK_COMMANDS):
                async with self._bulk.pipeline(transaction=False) as pipeline:
                    for name in names[start : start + BULK_COMMANDS]:
                        pipeline.pexpire(name, ttl_ms)
                    if not all(await pipeline.execute()):
                        raise SnapshotGone(f"keys of snapshot {snapshot} of source {source!r} are missing")

    async def extend_pointer(self, manifest: Manifest, lease: Lease) -> None:
        """Confirm a snapshot whose blocks live on: the pointer gets this manifest and lives for its TTL again.

        Raises SnapshotGone if the pointer does not name the snapshot, LeaseLost, SnapshotSuperseded if a later
        confirmation is there.
        """
        source = manifest.source
        arguments = [lease.holder, lease.n, _encode_json(manifest), manifest.ttl_ms]
        async with self._translated("extend a pointer"):
            answer = await self._extend_pointer([keys.pointer(source), keys.lease(source)], arguments)
        if answer == b"gone":
            raise SnapshotGone(f"the pointer of source {source!r} does not name {manifest.snapshot} any more")
        if answer != b"extended":
            raise _refused(answer, manifest, lease)

    async def discard(self, source: str, snapshot: str, blocks: Sequence[tuple[str, int]]) -> None:
        """Remove what was written of a snapshot that will not be announced."""
        names = [keys.index(source, snapshot), *(keys.block(source, snapshot, *block) for block in blocks)]
        async with self._translated("discard a snapshot"):
            for start in range(0, len(names), BULK_COMMANDS):
                async with self._bulk.pipeline(transaction=False) as pipeline:
                    for name in names[start : start + BULK_COMMANDS]:
                        pipeline.unlink(name)
                    await pipeline.execute()

    # Snapshots, read

    async def read_index(self, manifest: Manifest) -> Index:
        """The index of a snapshot. Raises SnapshotGone if it is missing or unreadable."""
        async with self._translated("read an index"):
            data = await self._bulk.get(keys.index(manifest.source, manifest.snapshot))
        if data is None:
            raise SnapshotGone(f"the index of {manifest.snapshot} of source {manifest.source!r} is missing")
        return decode_index(data)

    async def read_blocks(self, manifest: Manifest, index: Index) -> AsyncIterator[list[bytes | None]]:
        """All blocks of a snapshot in the order of the index, some at a time; None for one that is missing."""
        names = [
            keys.block(manifest.source, manifest.snapshot, switch, number) for switch, number in index.block_names()
        ]
        sizes = [block.size_bytes for block in index.blocks]
        for first, end in _bulk_ranges(sizes):
            async with self._translated("read blocks"), self._bulk.pipeline(transaction=False) as pipeline:
                for name in names[first:end]:
                    pipeline.get(name)
                payloads = await pipeline.execute()
            yield payloads

    def _script(self, name: str) -> Any:
        folder = files("switchboard.store")
        text = "".join(folder.joinpath(f"{each}.lua").read_text(encoding="utf-8") for each in ("fence", name))
        return self._control.register_script(text)


def _refused(answer: bytes, manifest: Manifest, lease: Lease) -> LeaseLost | SnapshotSuperseded:
    if answer == b"lease":
        return LeaseLost(f"source {manifest.source!r} has another writer: {lease.text} does not hold its lease")
    return SnapshotSuperseded(f"source {manifest.source!r} has a newer snapshot than {manifest.snapshot}")


def _bulks(blocks: Sequence[EncodedBlock]) -> Iterator[Sequence[EncodedBlock]]:
    for first, end in _bulk_ranges([block.payload.size for block in blocks]):
        yield blocks[first:end]


def _bulk_ranges(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut a run of values into ranges of about BULK_BYTES, at least one value each."""
    first, total = 0, 0
    for at, size in enumerate(sizes):
        if at > first and (total + size > BULK_BYTES or at - first >= BULK_COMMANDS):
            yield first, at
            first, total = at, 0
        total += size
    if first < len(sizes):
        yield first, len(sizes)
