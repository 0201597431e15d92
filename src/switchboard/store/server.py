"""What the server says of itself: whether it may evict keys when its memory is full, and how many it has evicted.

A snapshot from which a key was evicted cannot be read, and an evicted lease looks like one that was lost.
"""

from __future__ import annotations

from switchboard.clocks import boottime
from switchboard.errors import StoreError, StoreUnavailable
from switchboard.store.connect import Connections
from switchboard.store.failures import passes

RIGHT_POLICY = "noeviction"
LOOK_SECONDS = 5.0
"""Least time between two looks."""
DENIED_SECONDS = 600.0
"""The same after the server has refused to tell, as a managed one may: each refusal is an entry in its log."""


class Server:
    """One server, as far as INFO tells; what it does not tell is not known, and no reason for a warning."""

    def __init__(self, connections: Connections) -> None:
        self.policy = ""
        """Its maxmemory-policy; empty: not known."""
        self.evicted_keys: int | None = None
        """How many keys it has evicted since it was started."""
        self._connections = connections
        self._look_at = float("-inf")
        self._counts: tuple[int | None, int | None] = (None, None)
        """``evicted_keys`` at the two latest looks that were due."""

    @property
    def may_evict(self) -> bool:
        """Whether it evicts keys when its memory is full."""
        return self.policy not in {"", RIGHT_POLICY}

    @property
    def warning(self) -> str:
        """What is wrong with its policy, and what helps; empty if nothing is known to be wrong."""
        if not self.may_evict:
            return ""
        return (
            f"{self._connections.shown_url} has the maxmemory-policy {self.policy!r} and may evict keys of a snapshot: "
            f"set it to {RIGHT_POLICY}"
        )

    async def look(self) -> None:
        """Ask the server again, if the last time was long enough ago. Never raises StoreError."""
        now = boottime()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        if not await self._ask():
            self._look_at = now + DENIED_SECONDS
        self._counts = (self._counts[1], self.evicted_keys)

    async def lately_evicted(self) -> int:
        """How many keys were evicted in the last LOOK_SECONDS or somewhat more; 0 if that is not known."""
        if boottime() < self._look_at <= boottime() + LOOK_SECONDS:  # so it has not refused to tell
            await self._ask()
        before = self._counts[0]
        return 0 if before is None or self.evicted_keys is None else max(0, self.evicted_keys - before)

    async def _ask(self) -> bool:
        """Ask for the policy and the count. Returns False if the server does not tell.

        What is known stays known while it cannot be asked: an eviction policy does not end because a script is busy.
        """
        control = self._connections.control
        try:
            async with self._connections.translated("ask for the eviction policy", "INFO"):
                memory, stats = await control.info("memory"), await control.info("stats")
        except StoreError as error:
            if isinstance(error, StoreUnavailable) or passes(error):
                return True
            self.policy, self.evicted_keys = "", None
            return False
        policy, evicted = memory.get("maxmemory_policy"), stats.get("evicted_keys")
        self.policy = policy if isinstance(policy, str) else ""
        self.evicted_keys = evicted if isinstance(evicted, int) else None
        return True
