"""The right to write a source: taken when it is free, renewed by a task of its own, given back at the end."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from switchboard.errors import StoreError
from switchboard.etl import metrics
from switchboard.log import ChangeLog
from switchboard.store.redis import Lease, Store

RENEW_SECONDS = 1.5
RETRY_SECONDS = 0.5
RELEASE_SECONDS = 1.0

_log = structlog.get_logger()


class LeaseKeeper:
    """Holds the lease of one source for ``owner`` as long as ``run`` runs. ``lease`` is None while another has it.

    Who has the lease keeps the source registered, at ``place`` among the others, also in a store that was emptied.
    """

    def __init__(self, store: Store, source: str, owner: str, changes: ChangeLog, *, place: int = 0) -> None:
        self.lease: Lease | None = None
        self._held = asyncio.Event()
        self._store = store
        self._source = source
        self._owner = owner
        self._place = place
        self._changes = changes

    async def wait(self) -> None:
        """Return as soon as the lease is held."""
        await self._held.wait()

    async def run(self) -> None:
        """Take and renew the lease until cancelled; then give it back."""
        try:
            while True:
                try:
                    await self._step()
                    self._changes.recovered("store reached", "store")
                except StoreError as error:
                    # The lease may have run out by now. Scripts check it, so writing on is safe; claiming it is not.
                    self._lose("unreachable")
                    self._changes.failed("store failed", "store", type(error).__name__, error=str(error))
                await asyncio.sleep(RENEW_SECONDS if self.lease else RETRY_SECONDS)
        finally:
            await self._release()

    async def _step(self) -> None:
        if self.lease is not None:
            if await self._store.renew_lease(self.lease):
                await self._store.register(self._source, self._place)
                return
            _log.warning("lease lost", source=self._source, epoch=self.lease.epoch)
            self._lose("lost")
        self.lease = await self._store.take_lease(self._source, self._owner)
        if self.lease is not None:
            await self._store.register(self._source, self._place)
            self._held.set()
            metrics.LEASE_CHANGES.labels(self._source, "taken").inc()
            metrics.OWNED.labels(self._source).set(1)
            _log.info("lease taken", source=self._source, epoch=self.lease.epoch)

    def _lose(self, change: str) -> None:
        if self.lease is not None:
            metrics.LEASE_CHANGES.labels(self._source, change).inc()
            metrics.OWNED.labels(self._source).set(0)
        self.lease = None
        self._held.clear()

    async def _release(self) -> None:
        if self.lease is None:
            return
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._store.release_lease(self.lease)
