"""Leases: the right to write a source belongs to one process at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from switchboard.store import keys
from switchboard.store.connect import Connections
from switchboard.store.failures import is_wrong_type
from switchboard.store.scripts import script

LEASE_MS = 5000
"""Lifetime of a lease that is not renewed."""

_VALUE = re.compile(r"(.*):(\d+):\d+", re.DOTALL)


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


@dataclass(frozen=True, slots=True)
class Held:
    """What the lease key of a source holds. ``value`` is None if the key holds another type than a text."""

    key: str
    value: str | None
    ttl_ms: int
    """-1: the key has no TTL."""

    @property
    def holder(self) -> str:
        """Who has the lease, for people: its owner, or whatever else stands there."""
        if self.value is None:
            return "nobody (it holds another type of value)"
        named = _VALUE.fullmatch(self.value)
        return f"{named[1]!r} (epoch {named[2]})" if named else f"nobody (it holds {self.value[:40]!r})"

    @property
    def has_odd_ttl(self) -> bool:
        """Whether no keeper can have given it this TTL."""
        return not 0 <= self.ttl_ms <= LEASE_MS

    def __str__(self) -> str:
        odd = ""
        if self.has_odd_ttl:
            odd = ", with no TTL" if self.ttl_ms < 0 else f", with a TTL of {self.ttl_ms / 1000:.0f} s"
        return f"the lease {self.key} is held by {self.holder}{odd}"


class Leases:
    """The leases of all sources."""

    def __init__(self, connections: Connections) -> None:
        self._control = connections.control
        self._translated = connections.translated
        self._take = script(self._control, "take_lease")
        self._renew = script(self._control, "renew_lease")

    async def held(self, source: str) -> Held | None:
        """What a source's lease key holds; None if nobody has the lease."""
        key = keys.lease(source)
        async with (
            self._translated("read a lease", "PTTL or GET", key),
            self._control.pipeline(transaction=False) as pipeline,
        ):
            pipeline.pttl(key)
            pipeline.get(key)
            ttl_ms, value = await pipeline.execute(raise_on_error=False)
            if is_wrong_type(value):
                return Held(key, None, ttl_ms)
            for answer in (ttl_ms, value):
                if isinstance(answer, Exception):
                    raise answer
        return None if value is None else Held(key, value.decode("utf-8", "surrogateescape"), ttl_ms)

    async def take(self, source: str, owner: str, *, silent: str | None = None, least_epoch: int = 0) -> Lease | None:
        """Take the lease of a source with a new epoch of at least ``least_epoch``; None if another owner has it.

        ``silent`` is a value of the lease key that has not changed for LEASE_MS on the caller's clock. If the key still
        has that value, the lease is taken from its owner. A key that holds another type of value is replaced: nobody
        can renew such a lease.
        """
        names = [keys.lease(source), keys.epoch(source), keys.pointer(source)]
        expected = (silent or "").encode("utf-8", "surrogateescape")
        async with self._translated("take a lease", "EVALSHA of take_lease.lua", names[0]):
            epoch = await self._take(names, [owner, LEASE_MS, expected, least_epoch])
        return None if epoch is None else Lease(source, owner, int(epoch))

    async def renew(self, lease: Lease) -> Lease | None:
        """Keep a lease for another LEASE_MS; return the renewed lease, or None if the lease is lost."""
        renewed = replace(lease, n=lease.n + 1)
        async with self._translated("renew a lease", "EVALSHA of renew_lease.lua", keys.lease(lease.source)):
            held = await self._renew([keys.lease(lease.source)], [lease.holder, renewed.n, LEASE_MS])
        return renewed if held else None

    async def release(self, lease: Lease) -> None:
        """Give a lease back, so that another writer need not wait for its end."""
        async with self._translated("release a lease", "EVALSHA of renew_lease.lua", keys.lease(lease.source)):
            # A renewal with TTL 0 deletes the key. Its script accepts a lease with the number given, or with the one
            # before. A renewal that was cancelled on its way may have set n + 1 already, so n + 1 matches both.
            await self._renew([keys.lease(lease.source)], [lease.holder, lease.n + 1, 0])
