"""What the ETL does to the store, one step at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from switchboard.model import FORMAT, SourceStatus
from switchboard.store.leases import Lease
from switchboard.store.store import Store
from tests.lab.fabric import Row, Written, write
from tests.lab.servers import PATIENCE_SECONDS


class Publisher:
    """Writes snapshots of some sources; each publish is newer than the one before."""

    def __init__(self, store: Store, *sources: str) -> None:
        self.store = store
        self.sources = sources or ("fabric",)
        self._leases: dict[str, Lease] = {}
        self._count = 0

    async def start(self) -> None:
        """Register the sources and take their leases."""
        for place, source in enumerate(self.sources):
            await self.store.sources.register(source, place)
            lease = await self.store.leases.take(source, "test")
            assert lease is not None
            self._leases[source] = lease

    def write(self, rows: Sequence[Row], source: str = "fabric", **manifest: Any) -> Written:
        """Build the next snapshot without storing it."""
        self._count += 1
        fields: dict[str, Any] = {
            "source": source,
            "snapshot": f"{self._count}-test",
            "format": FORMAT,
            "epoch": self._leases[source].epoch,
            "seq": self._count,
            "scraped_ms": self._count,
        }
        return write(rows, **fields | manifest)

    async def store_blocks(self, written: Written) -> None:
        """Write blocks and index."""
        manifest = written.manifest
        await self.store.snapshots.write_blocks(manifest.source, manifest.snapshot, written.blocks, 60_000)
        await self.store.snapshots.write_index(manifest.source, manifest.snapshot, written.index, 60_000)

    async def announce(self, written: Written) -> None:
        """Move the pointer; the lease is renewed, however slow the test is."""
        source = written.manifest.source
        await self.store.snapshots.move_pointer(written.manifest, await self._renewed(source))

    async def confirm(self, written: Written, **manifest: Any) -> None:
        """Confirm the current snapshot with the next number; ``manifest`` replaces fields of its manifest."""
        lease = await self._renewed(written.manifest.source)
        self._count += 1
        fields: dict[str, Any] = {"epoch": lease.epoch, "seq": self._count}
        await self.store.snapshots.extend_pointer(msgspec.structs.replace(written.manifest, **fields | manifest), lease)

    async def _renewed(self, source: str) -> Lease:
        lease = await self.store.leases.renew(self._leases[source]) or await self.store.leases.take(source, "test")
        assert lease is not None
        self._leases[source] = lease
        return lease

    async def publish(self, rows: Sequence[Row], source: str = "fabric", **manifest: Any) -> Written:
        """Write a snapshot whole and move the pointer to it."""
        written = self.write(rows, source, **manifest)
        await self.store_blocks(written)
        await self.announce(written)
        return written

    async def report(self, status: SourceStatus) -> None:
        """Say what became of a scrape."""
        assert await self.store.sources.write_status(status, await self._renewed(status.source))


async def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the condition is true."""

    async def holds() -> bool:
        return bool(condition())

    await until_true(holds, what, seconds)


async def until_true(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the condition, which has to be awaited, is true."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        await asyncio.sleep(0.005)
