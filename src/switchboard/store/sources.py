"""Sources: which ones exist, and how the last scrape of each went."""

from __future__ import annotations

import contextlib
import re

import msgspec

from switchboard.model import SourceStatus
from switchboard.store import keys
from switchboard.store.connect import UNREADABLE, Connections
from switchboard.store.leases import Lease
from switchboard.store.scripts import script

STATUS_INTERVALS = 10
"""Lifetime of a status, in intervals of its source."""

_NAME = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""The names that settings may give to a source."""
_decode_status = msgspec.json.Decoder(SourceStatus).decode
_encode_status = msgspec.json.Encoder().encode


class Sources:
    """The list of sources, and their statuses."""

    def __init__(self, connections: Connections) -> None:
        self._control = connections.control
        self._translated = connections.translated
        self._register = script(self._control, "register")
        self._write_status = script(self._control, "write_status")

    async def register(self, source: str, place: int) -> bool:
        """Add a source to the list, which is in the order of ``place``. Only the holder of its lease may do that.

        A key that holds another type of value is replaced, and the others register their sources again; False then.
        """
        async with self._translated("register a source", "EVALSHA of register.lua", keys.SOURCES):
            return bool(await self._register([keys.SOURCES], [place, source]) == 1)

    async def forget(self, source: str | bytes) -> None:
        """Remove a source from the list."""
        async with self._translated("forget a source", "ZREM", keys.SOURCES):
            await self._control.zrem(keys.SOURCES, source)

    async def names(self) -> list[str]:
        """Names of the sources in the list, in configured order; entries that no source can have are left out."""
        return [member.decode() for member in await self._members() if _NAME.fullmatch(member)]

    async def strays(self) -> list[bytes]:
        """Entries of the list that are not the name of a source."""
        return [member for member in await self._members() if not _NAME.fullmatch(member)]

    async def _members(self) -> list[bytes]:
        async with self._translated("read the sources", "ZRANGE", keys.SOURCES):
            members: list[bytes] = await self._control.zrange(keys.SOURCES, 0, -1)
        return members

    async def is_known(self, source: str) -> bool:
        """Whether a source has a lease, a live snapshot or a status."""
        async with self._translated("look for a source", "EXISTS", keys.lease(source)):
            return bool(await self._control.exists(keys.lease(source), keys.pointer(source), keys.status(source)))

    async def status(self, source: str) -> SourceStatus | None:
        """How the last scrape of a source went; None if the store has no status, or one that cannot be read."""
        async with self._translated("read a status", "GET", keys.status(source)):
            text = await self._control.get(keys.status(source))
        with contextlib.suppress(*UNREADABLE):
            return None if text is None else _decode_status(text)
        return None

    async def write_status(self, status: SourceStatus, lease: Lease) -> bool:
        """Store how a scrape went, for STATUS_INTERVALS; False if another writer has the source by now."""
        names = [keys.status(status.source), keys.lease(status.source)]
        arguments = [lease.holder, lease.n, _encode_status(status), STATUS_INTERVALS * status.interval_ms]
        async with self._translated("write a status", "EVALSHA of write_status.lua", names[0]):
            return bool(await self._write_status(names, arguments))
