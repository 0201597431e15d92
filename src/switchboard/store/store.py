"""The store: the data of Switchboard in Redis.

Every Redis command is sent from one of five files: ``sources.py`` (which sources exist, and how their last scrapes
went), ``leases.py`` (who may write a source), ``snapshots.py`` (pointer, index and blocks), ``server.py`` (what the
server says of itself) and this one. ``keys.py`` names the keys, ``scripts.py`` loads the Lua scripts, ``connect.py``
makes the connections, and ``failures.py`` translates what goes wrong: StoreUnavailable (no answer), StoreRefused and
KeyUnusable (the answer is a refusal).

Redis, Valkey (6.2 or later) and single nodes of a cluster behave alike: no command touches keys of two slots, scripts
name all their keys, and no command scans the key space.
"""

from __future__ import annotations

from switchboard.config.redis import RedisAccess, redis_access
from switchboard.config.settings import Settings
from switchboard.store.connect import Connections
from switchboard.store.leases import Leases
from switchboard.store.server import Server
from switchboard.store.snapshots import Snapshots
from switchboard.store.sources import Sources


class Store:
    """One Redis server, or one node of a cluster that holds all slots. Connects when it is first used."""

    def __init__(self, redis: str | RedisAccess) -> None:
        """``redis``: how to reach the server, or its URL alone."""
        access = redis_access(Settings(redis_url=redis)) if isinstance(redis, str) else redis
        self._connections = Connections(access)
        self.shown_url = self._connections.shown_url
        """The URL without its password, for logs and errors."""
        self.server = Server(self._connections)
        self.sources = Sources(self._connections)
        self.leases = Leases(self._connections)
        self.snapshots = Snapshots(self._connections)

    async def ping(self) -> None:
        """Return if the store answers."""
        async with self._connections.translated("PING"):
            await self._connections.control.ping()

    async def reconnect(self) -> None:
        """Let the next calls make new connections: the address may lead to another server by now."""
        await self._connections.give_up()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()
