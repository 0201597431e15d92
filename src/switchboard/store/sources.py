"""Sources: which ones exist, and how the last scrape of each went."""

from __future__ import annotations

import contextlib

import msgspec

from switchboard.model import SourceStatus
from switchboard.store import keys
from switchboard.store.connect import UNREADABLE, Connections
from switchboard.store.leases import Lease
from switchboard.store.scripts import script

STATUS_INTERVALS = 10
"""Lifetime of a status, in intervals of its source."""

_decode_status = msgspec.json.Decoder(SourceStatus).decode
_encode_status = msgspec.json.Encoder().encode


class Sources:
    """The list of sources, and their statuses."""

    def __init__(self, connections: Connections) -> None:
        self._control = connections.control
        self._translated = connections.translated
        self._write_status = script(self._control, "write_status")

    async def register(self, source: str, place: int) -> None:
        """Add a source to the list, which is in the order of ``place``."""
        async with self._translated("register a source"):
            await self._control.zadd(keys.SOURCES, {source: place})

    async def forget(self, source: str) -> None:
        """Remove a source from the list."""
        async with self._translated("forget a source"):
            await self._control.zrem(keys.SOURCES, source)

    async def names(self) -> list[str]:
        """Names of the sources in the list, in configured order."""
        async with self._translated("read the sources"):
            names: list[bytes] = await self._control.zrange(keys.SOURCES, 0, -1)
        return [name.decode("utf-8", "replace") for name in names]

    async def is_known(self, source: str) -> bool:
        """Whether a source has a lease, a live snapshot or a status."""
        async with self._translated("look for a source"):
            return bool(await self._control.exists(keys.lease(source), keys.pointer(source), keys.status(source)))

    async def status(self, source: str) -> SourceStatus | None:
        """How the last scrape of a source went; None if the store has no status, or one that cannot be read."""
        async with self._translated("read a status"):
            text = await self._control.get(keys.status(source))
        with contextlib.suppress(*UNREADABLE):
            return None if text is None else _decode_status(text)
        return None

    async def write_status(self, status: SourceStatus, lease: Lease) -> bool:
        """Store how a scrape went, for STATUS_INTERVALS; False if another writer has the source by now."""
        names = [keys.status(status.source), keys.lease(status.source)]
        arguments = [lease.holder, lease.n, _encode_status(status), STATUS_INTERVALS * status.interval_ms]
        async with self._translated("write a status"):
            return bool(await self._write_status(names, arguments))
