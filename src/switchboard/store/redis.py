"""The store: every Redis command of Switchboard.

Redis, Valkey (6.2 or later) and single nodes of a cluster behave alike: no command touches keys of two slots, scripts
name all their keys, and nothing here scans. Two connection pools, because two kinds of calls need two deadlines:
*control* (small keys, CONTROL_SECONDS, one retry, all calls may be repeated) and *bulk* (blocks and indexes, at most
about BULK_BYTES a call, BULK_SECONDS, never repeated).

Library errors are translated here: StoreUnavailable (no answer), StoreError (an answer that says no).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import msgspec
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from switchboard.codec.block import EncodedBlock, Index, decode_index, encode_index
from switchboard.config import mask_url
from switchboard.errors import LeaseLost, SnapshotGone, SnapshotSuperseded, StoreError, StoreUnavailable
from switchboard.model import Manifest, SourceStatus
from switchboard.store import keys

CONTROL_SECONDS = 0.5
BULK_SECONDS = 3.0
BULK_BYTES = 1 << 20
BULK_COMMANDS = 1000
"""Most commands in one pipeline of small bulk commands."""
LEASE_MS = 5000
HINT_WAIT_SECONDS = 1.0

_decode_manifest = msgspec.json.Decoder(Manifest).decode
_decode_status = msgspec.json.Decoder(SourceStatus).decode
_encode_json = msgspec.json.Encoder().encode
_UNREADABLE = (ValueError, RecursionError)
"""What msgspec raises on garbage; its own errors, and those of broken UTF-8, are ValueErrors."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one source. ``epoch`` fences off whoever had it before."""

    source: str
    owner: str
    epoch: int

    @property
    def text(self) -> str:
        """The value of the lease key."""
        return f"{self.owner}:{self.epoch}"


class Store:
    """One Redis server, or one node of a cluster that holds all slots. Connects when it is first used."""

    def __init__(self, url: str) -> None:
        self.shown_url = mask_url(url)
        self._control = _client(url, CONTROL_SECONDS, retries=1)
        self._bulk = _client(url, BULK_SECONDS, retries=0)
        self._take_lease = self._script("take_lease")
        self._renew_lease = self._script("renew_lease")
        self._move_pointer = self._script("move_pointer")
        self._extend_pointer = self._script("extend_pointer")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._control.aclose()
        await self._bulk.aclose()

    async def ping(self) -> None:
        """Return if the store answers."""
        with self._translated("PING"):
            await self._control.ping()

    # Sources

    async def register(self, source: str, place: int) -> None:
        """Add a source to those that exist; sources are asked in the order of their places."""
        with self._translated("register a source"):
            await self._control.zadd(keys.SOURCES, {source: place})

    async def is_known(self, source: str) -> bool:
        """Whether anybody has the lease of a source, a snapshot of it, or an attempt on record."""
        with self._translated("look for a source"):
            return bool(await self._control.exists(keys.lease(source), keys.pointer(source), keys.status(source)))

    async def forget(self, source: str) -> None:
        """Take a source from those that exist."""
        with self._translated("forget a source"):
            await self._control.zrem(keys.SOURCES, source)

    async def sources(self) -> list[str]:
        """The sources that exist, in configured order."""
        with self._translated("read the sources"):
            names: list[bytes] = await self._control.zrange(keys.SOURCES, 0, -1)
        return [name.decode("utf-8", "replace") for name in names]

    async def pointer(self, source: str) -> tuple[Manifest | None, int]:
        """The current manifest of a source and the milliseconds it has to live; (None, 0) if there is none.

        Both are read in one transaction. Raises SnapshotGone if the pointer is no manifest.
        """
        with self._translated("read a pointer"):
            async with self._control.pipeline(transaction=True) as pipeline:
                pipeline.get(keys.pointer(source))
                pipeline.pttl(keys.pointer(source))
                text, ttl_ms = await pipeline.execute()
        if text is None:
            return None, 0
        try:
            return _decode_manifest(text), max(ttl_ms, 0)
        except _UNREADABLE as error:
            raise SnapshotGone(f"the pointer of source {source!r} cannot be read: {error}") from error

    async def status(self, source: str) -> SourceStatus | None:
        """What the ETL last saw of a source; None if no attempt is known."""
        with self._translated("read a status"):
            text = await self._control.get(keys.status(source))
        with contextlib.suppress(*_UNREADABLE):
            return None if text is None else _decode_status(text)
        return None

    async def write_status(self, status: SourceStatus) -> None:
        """Tell the API what became of an attempt; kept for ten intervals."""
        with self._translated("write a status"):
            await self._control.set(keys.status(status.source), _encode_json(status), px=10 * status.interval_ms)

    async def hints(self) -> AsyncGenerator[str]:
        """Names of sources whose pointer has just moved. A hint: a message may be lost at any time."""
        async with self._control.pubsub(ignore_subscribe_messages=True) as channel:
            with self._translated("listen for moved pointers"):
                await channel.subscribe(keys.MOVED)
            while True:
                with self._translated("listen for moved pointers"):
                    message = await channel.get_message(timeout=HINT_WAIT_SECONDS)
                if message is not None and isinstance(message["data"], bytes):
                    yield message["data"].decode("utf-8", "replace")

    # Leases

    async def take_lease(self, source: str, owner: str) -> Lease | None:
        """Take the lease of a source with a new epoch; None if somebody else has it."""
        with self._translated("take a lease"):
            epoch = await self._take_lease([keys.lease(source), keys.epoch(source)], [owner, LEASE_MS])
        return None if epoch is None else Lease(source, owner, int(epoch))

    async def renew_lease(self, lease: Lease) -> bool:
        """Keep a lease for another LEASE_MS; False if it is lost."""
        with self._translated("renew a lease"):
            return bool(await self._renew_lease([keys.lease(lease.source)], [lease.text, LEASE_MS]))

    async def release_lease(self, lease: Lease) -> None:
        """Give a lease back, so that another writer need not wait for its end."""
        with self._translated("release a lease"):
            await self._renew_lease([keys.lease(lease.source)], [lease.text, 0])

    # Snapshots, written: blocks, then the index, then the pointer

    async def write_blocks(self, source: str, snapshot: str, blocks: Sequence[EncodedBlock], ttl_ms: int) -> None:
        """Write blocks that live for ``ttl_ms``. Raises StoreError if one of them is there already."""
        for some in _bulks(blocks):
            with self._translated("write blocks"):
                async with self._bulk.pipeline(transaction=False) as pipeline:
                    for block in some:
                        key = keys.block(source, snapshot, block.switch, block.number)
                        pipeline.set(key, memoryview(block.payload), px=ttl_ms, nx=True)
                    written = await pipeline.execute()
            for block, done in zip(some, written, strict=True):
                if not done:
                    raise StoreError(f"block {block.switch!r} of snapshot {snapshot} was written twice")

    async def write_index(self, source: str, snapshot: str, index: Index, ttl_ms: int) -> None:
        """Write the index of a snapshot whose blocks are all written."""
        with self._translated("write an index"):
            done = await self._bulk.set(keys.index(source, snapshot), encode_index(index), px=ttl_ms, nx=True)
        if not done:
            raise StoreError(f"the index of snapshot {snapshot} was written twice")

    async def move_pointer(self, manifest: Manifest, lease: Lease) -> None:
        """Announce a snapshot. Raises LeaseLost or SnapshotSuperseded; then the pointer stays where it is."""
        source = manifest.source
        arguments = [lease.text, _encode_json(manifest), manifest.ttl_ms, keys.MOVED, source]
        with self._translated("move a pointer"):
            answer = await self._move_pointer([keys.pointer(source), keys.lease(source)], arguments)
        if answer == b"lease":
            raise LeaseLost(f"source {source!r} has another writer: {lease.text} does not hold its lease")
        if answer != b"moved":
            raise SnapshotSuperseded(f"source {source!r} has a newer snapshot than {manifest.snapshot}")

    async def extend(self, manifest: Manifest, blocks: Sequence[tuple[str, int]], lease: Lease, ttl_ms: int) -> None:
        """Confirm a snapshot: blocks and index live for ``ttl_ms`` again, then the pointer for its TTL.

        Raises SnapshotGone if any key is missing (then the pointer keeps its old end), LeaseLost.
        """
        source, snapshot = manifest.source, manifest.snapshot
        names = [keys.index(source, snapshot), *(keys.block(source, snapshot, *block) for block in blocks)]
        with self._translated("extend a snapshot"):
            for start in range(0, len(names), BULK_COMMANDS):
                async with self._bulk.pipeline(transaction=False) as pipeline:
                    for name in names[start : start + BULK_COMMANDS]:
                        pipeline.pexpire(name, ttl_ms)
                    if not all(await pipeline.execute()):
                        raise SnapshotGone(f"keys of snapshot {snapshot} of source {source!r} are missing")
            pointer_keys = [keys.pointer(source), keys.lease(source)]
            answer = await self._extend_pointer(pointer_keys, [lease.text, snapshot, manifest.ttl_ms])
        if answer == b"lease":
            raise LeaseLost(f"source {source!r} has another writer: {lease.text} does not hold its lease")
        if answer != b"extended":
            raise SnapshotGone(f"the pointer of source {source!r} does not name {snapshot} any more")

    async def discard(self, source: str, snapshot: str, blocks: Sequence[tuple[str, int]]) -> None:
        """Remove what was written of a snapshot that will not be announced."""
        names = [keys.index(source, snapshot), *(keys.block(source, snapshot, *block) for block in blocks)]
        with self._translated("discard a snapshot"):
            for start in range(0, len(names), BULK_COMMANDS):
                async with self._bulk.pipeline(transaction=False) as pipeline:
                    for name in names[start : start + BULK_COMMANDS]:
                        pipeline.unlink(name)
                    await pipeline.execute()

    # Snapshots, read

    async def read_index(self, manifest: Manifest) -> Index:
        """The index of a snapshot. Raises SnapshotGone if it is missing or unreadable."""
        with self._translated("read an index"):
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
            with self._translated("read blocks"):
                async with self._bulk.pipeline(transaction=False) as pipeline:
                    for name in names[first:end]:
                        pipeline.get(name)
                    payloads = await pipeline.execute()
            yield payloads

    def _script(self, name: str) -> Any:
        text = files("switchboard.store").joinpath(f"{name}.lua").read_text(encoding="utf-8")
        return self._control.register_script(text)

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            with _heard_when_cancelled():
                yield
        except exceptions.AuthenticationError as error:  # a ConnectionError to redis-py
            raise StoreError(f"cannot {what}: {self.shown_url} refuses the user or password") from error
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"cannot {what}: {self.shown_url} does not answer ({_brief(error)})") from error
        except exceptions.RedisError as error:
            raise StoreError(f"cannot {what}: {self.shown_url} refuses ({_brief(error)})") from error


@contextlib.contextmanager
def _heard_when_cancelled() -> Iterator[None]:
    """Raise CancelledError if this task was cancelled within, and nobody heard of it.

    redis-py sends with asyncio.wait_for. In Python 3.11 that forgets a cancellation that comes together with its
    result (python/cpython#86296, mended in 3.12): a scrape could neither be stopped then, nor end at its timeout.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        yield
    except Exception as error:
        if task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise
    if task.cancelling() > before:
        raise asyncio.CancelledError


def _client(url: str, timeout_seconds: float, *, retries: int) -> Any:
    return Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=CONTROL_SECONDS,
        retry=Retry(NoBackoff(), retries),
        protocol=2,
    )


def _brief(error: Exception) -> str:
    return str(error) or type(error).__name__


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
