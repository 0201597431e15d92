"""Leases: the right to write a source belongs to one process at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from switchboard.store import keys
from switchboard.store.connect import Connections
from switchboard.store.scripts import script

LEASE_MS = 5000
"""Lifetime of a lease that is not renewed."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one source.

    ``epoch`` is a fencing token: it grows with each new lease of the source, so that the store can refuse the writes of
    an earlier holder. ``n`` is the number of renewals.
    """

    source: str
    owner: str
    epoch: int
    n: int = 0

    @property
    def holder(self) -> str:
        """The part of the lease key's value that renewals do not change."""
        return f"{self.owner}:{self.epoch}"

    @property
    def text(self) -> str:
        """The value of the lease key."""
        return f"{self.holder}:{self.n}"


class Leases:
    """The leases of all sources."""

    def __init__(self, connections: Connections) -> None:
        self._control = connections.control
        self._translated = connections.translated
        self._take = script(self._control, "take_lease")
        self._renew = script(self._control, "renew_lease")

    async def value(self, source: str) -> str | None:
        """The value of a source's lease key: ``owner:epoch:n``; None if nobody has the lease."""
        async with self._translated("read a lease"):
            value = await self._control.get(keys.lease(source))
        return None if value is None else value.decode("utf-8", "surrogateescape")

    async def take(self, source: str, owner: str, *, silent: str | None = None, least_epoch: int = 0) -> Lease | None:
        """Take the lease of a source with a new epoch of at least ``least_epoch``; None if another owner has it.

        ``silent`` is a value of the lease key that has not changed for LEASE_MS on the caller's clock. If the key still
        has that value, the lease is taken from its owner.
        """
        names = [keys.lease(source), keys.epoch(source), keys.pointer(source)]
        expected = (silent or "").encode("utf-8", "surrogateescape")
        async with self._translated("take a lease"):
            epoch = await self._take(names, [owner, LEASE_MS, expected, least_epoch])
        return None if epoch is None else Lease(source, owner, int(epoch))

    async def renew(self, lease: Lease) -> Lease | None:
        """Keep a lease for another LEASE_MS; return the renewed lease, or None if the lease is lost."""
        renewed = replace(lease, n=lease.n + 1)
        async with self._translated("renew a lease"):
            held = await self._renew([keys.lease(lease.source)], [lease.holder, renewed.n, LEASE_MS])
        return renewed if held else None

    async def release(self, lease: Lease) -> None:
        """Give a lease back, so that another writer need not wait for its end."""
        async with self._translated("release a lease"):
            # A renewal with TTL 0 deletes the key. Its script accepts a lease with the number given, or with the one
            # before. A renewal that was cancelled on its way may have set n + 1 already, so n + 1 matches both.
            await self._renew([keys.lease(lease.source)], [lease.holder, lease.n + 1, 0])
