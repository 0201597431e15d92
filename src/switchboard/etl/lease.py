"""Lease keepers: each takes the lease of a source when it is free, renews it in a task, and gives it back at the end.

A process that dies leaves its leases in Redis, where they expire by Redis' clock. If that clock is set back, they would
stay for too long. Therefore a waiting keeper counts by its own clock as well: each renewal changes the value of the
lease, so a value that has not changed for LEASE_MS belongs to a dead owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import structlog

from switchboard.clocks import boottime
from switchboard.errors import LeaseLost, StoreError
from switchboard.etl import metrics
from switchboard.etl.trouble import store_answered, store_failed
from switchboard.log import ChangeLog
from switchboard.store import keys
from switchboard.store.leases import LEASE_MS, Held, Lease
from switchboard.store.store import Store

RENEW_SECONDS = 1.5
RETRY_SECONDS = 0.5
RELEASE_SECONDS = 1.0
TOLD_SECONDS = 60.0
"""A lease that is lost again for the same reason within this time is no line of its own: a Redis that evicts keys may
take it at each renewal.
"""

_log = structlog.get_logger()
_NUMBER = re.compile(r"\d+")


class Claim(NamedTuple):
    """The right to one publication or confirmation: the lease as it is now, and a number within its epoch."""

    lease: Lease
    seq: int


class LeaseKeeper:
    """Keeps the lease of one source for ``owner`` while ``run`` runs. ``lease`` is None while the keeper does not have
    it.

    A keeper with the lease also registers the source, at ``place`` in the list, and registers it again if the store was
    emptied.
    ``clock`` counts seconds, also while the machine sleeps.
    """

    def __init__(
        self,
        store: Store,
        source: str,
        owner: str,
        changes: ChangeLog,
        *,
        place: int = 0,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self.lease: Lease | None = None
        self.trouble: StoreError | None = None
        """Why the last call of the store failed; None if it succeeded."""
        self._has_lease = asyncio.Event()
        self._store = store
        self._source = source
        self._owner = owner
        self._place = place
        self._changes = changes
        self._clock = clock
        self._seqs = count(1)
        self._last_epoch = 0
        self._other: Held | None = None
        """What the lease key holds while it is not ours; ``_other_since``: when that value was first seen."""
        self._other_since = 0.0
        self._told_of: str | None = None
        """The holder in the last log line about another writer."""
        self._told_lost: tuple[str, float] = ("", float("-inf"))
        """Why the lease was lost, without numbers, and when, in the last log line that said so."""
        self._lost_untold = 0
        """How often it was lost again since then."""

    @property
    def other(self) -> str:
        """Who has the lease, as a sentence; empty if this keeper has it, or if nobody has."""
        return "" if self.lease is not None or self._other is None else str(self._other)

    def begin_epoch(self) -> None:
        """Take the lease again with a new epoch, above the pointer's.

        For a pointer that is ahead of our epoch although the lease is ours, as one that was written by hand.
        """
        self._lose("outrun")

    async def wait(self) -> None:
        """Return as soon as this keeper has the lease."""
        await self._has_lease.wait()

    def claim(self, epoch: int) -> Claim:
        """Claim one write: the lease, with the next number of ``epoch``. Raises LeaseLost if the epoch has ended."""
        if self.lease is None or self.lease.epoch != epoch:
            raise LeaseLost(f"source {self._source!r}: the lease with epoch {epoch} is not ours any more")
        return Claim(self.lease, next(self._seqs))

    async def run(self) -> None:
        """Take and renew the lease until cancelled; then give it back."""
        try:
            while True:
                self._tell(await self._step())
                await asyncio.sleep(RENEW_SECONDS if self.lease else RETRY_SECONDS)
        finally:
            await self._release()

    async def _step(self) -> StoreError | None:
        """Renew the lease, or try to take it; return the error of the store, if any."""
        try:
            if self.lease is not None:
                await self._renew(self.lease)
            if self.lease is None:
                await self._take()
        except StoreError as error:
            # The lease may have expired by now. The scripts check it, so a late write is safe; claiming more is not.
            self._lose("unreachable")
            return error
        if self.lease is not None:
            try:
                if not await self._store.sources.register(self._source, self._place):
                    _log.warning("list of sources replaced: its key held another type of value", key=keys.SOURCES)
            except StoreError as error:  # only the list failed; the lease is kept
                return error
        return None

    async def _renew(self, lease: Lease) -> None:
        renewed = await self._store.leases.renew(lease)
        if renewed is None:
            self._lose("lost")
            self._tell_lost(lease, await self._why_lost())
        else:
            self.lease = renewed

    def _tell_lost(self, lease: Lease, why: str) -> None:
        """Log the loss of a lease; if it is lost again and again for one reason, once per TOLD_SECONDS."""
        kind, now = _NUMBER.sub("", why), self._clock()
        told_kind, told_at = self._told_lost
        if kind == told_kind and now - told_at < TOLD_SECONDS:
            self._lost_untold += 1
            _log.debug("lease lost", source=self._source, epoch=lease.epoch, why=why)
            return
        repeated = {"repeated": self._lost_untold} if self._lost_untold else {}
        _log.warning("lease lost", source=self._source, epoch=lease.epoch, why=why, **repeated)
        self._told_lost, self._lost_untold = (kind, now), 0

    async def _why_lost(self) -> str:
        """What became of the lease, as far as it is known."""
        held = await self._store.leases.held(self._source)
        if held is not None:
            return str(held)
        gone = f"{keys.lease(self._source)} is gone"
        evicted = await self._store.server.lately_evicted()
        if evicted:
            return f"{gone}, and Redis has evicted {evicted} keys: {self._store.server.warning or 'its memory is full'}"
        return f"{gone}: it was removed, Redis was emptied, or this process stood still for longer than {LEASE_MS} ms"

    async def _take(self) -> None:
        asked_at = self._clock()
        held = await self._store.leases.held(self._source)
        if held is None or self._other is None or held.value != self._other.value:
            self._other_since = self._clock()
        self._other = held
        is_silent = held is not None and asked_at - self._other_since >= LEASE_MS / 1000
        self.lease = await self._store.leases.take(
            self._source,
            self._owner,
            silent=held.value if held is not None and is_silent else None,
            least_epoch=self._last_epoch + 1,
        )
        if self.lease is None:
            self._tell_of_other(held)
            return
        if held is not None and held.value is None:
            _log.warning("lease replaced: its key held another type of value", source=self._source, key=held.key)
        self._seqs, self._last_epoch, self._other, self._told_of = count(1), self.lease.epoch, None, None
        self._has_lease.set()
        metrics.LEASE_CHANGES.labels(self._source, "taken").inc()
        metrics.OWNED.labels(self._source).set(1)
        say = _log.debug if self._lost_untold else _log.info
        say("lease taken", source=self._source, epoch=self.lease.epoch, from_silent_owner=is_silent)

    def _tell_of_other(self, held: Held | None) -> None:
        """Log once who has the lease; at warning if no keeper can have put it there like that."""
        if held is None or self._told_of == held.holder:
            return
        self._told_of = held.holder
        say = _log.warning if held.has_odd_ttl else _log.info
        ttl = None if held.ttl_ms < 0 else held.ttl_ms / 1000
        say("another writer has the source", source=self._source, key=held.key, holder=held.holder, ttl_seconds=ttl)

    def _tell(self, error: StoreError | None) -> None:
        self.trouble = error
        if error is None:
            store_answered(self._changes, self._source, "lease")
            if self.lease is None:  # nothing is written that could fail
                store_answered(self._changes, self._source, "scrape")
        else:
            store_failed(self._changes, self._source, "lease", error)

    def _lose(self, change: str) -> None:
        if self.lease is not None:
            metrics.LEASE_CHANGES.labels(self._source, change).inc()
            metrics.OWNED.labels(self._source).set(0)
        self.lease = None
        self._has_lease.clear()

    async def _release(self) -> None:
        if self.lease is None:
            return
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._store.leases.release(self.lease)
