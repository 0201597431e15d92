"""How connections to sources are made: to the address that was checked, and without one source waiting for another."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from switchboard.config.addresses import is_forbidden, is_own

Addresses = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]]]
Lookup = Callable[[str, int, socket.AddressFamily], Addresses]


class ForbiddenAddress(OSError):
    """An address to which no connection is made."""


def new_connector(own_ports: Collection[int]) -> aiohttp.TCPConnector:
    """Connections of all sources; none to link-local addresses, nor to ``own_ports`` of this machine.

    Their number has no limit: a source has one at a time, and one that hangs must not take the place of another.

    Each is for one request. What a server sends unasked on an idle connection, or what another source's shard on the
    same host was late to say, would be taken for the answer to the next request (RFC 9112, 9.2), and that it is quiet
    is certain only of a new one. No ``Connection: close`` is sent: Apache would leave out the framing of its answer.
    """
    return aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=_checked(own_ports), resolver=Resolver())


def look_up(host: str, port: int, family: socket.AddressFamily) -> Addresses:
    """What the system says about a name. May take many seconds. Raises OSError."""
    return socket.getaddrinfo(  # type: ignore[return-value] # it knows of families without names
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )


class Resolver(AbstractResolver):
    """Looks up each name in a thread of its own.

    The usual pools (libuv's two threads for this, those of asyncio, which parse our bodies) would be filled by a few
    names whose server does not answer, and then every other source would wait. Threads are daemons, because nothing can
    end a lookup; there is at most one for each host and port, as aiohttp waits for one that is under way.
    """

    def __init__(self, lookup: Lookup = look_up) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError."""
        found: Future[Addresses] = Future()

        def work() -> None:
            with contextlib.suppress(RuntimeError):  # the event loop that wanted to know has ended
                try:
                    addresses = self._lookup(host, port, family)
                except Exception as error:  # noqa: BLE001 - raised where it is awaited
                    found.set_exception(error)
                else:
                    found.set_result(addresses)

        found.set_running_or_notify_cancel()
        threading.Thread(target=work, name=f"look up {host}", daemon=True).start()
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=found_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found_family, _, protocol, _, address in await asyncio.wrap_future(found)
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _checked(own_ports: Collection[int]) -> Callable[[AddrInfoType], socket.socket]:
    """Open sockets for allowed addresses only.

    Names are checked here, after they were resolved: what is checked is what is connected to, whatever the name leads
    to the next time.
    """

    def open_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, port, *_) = info
        if is_forbidden(str(host)) or (is_own(str(host)) and port in own_ports):
            raise ForbiddenAddress(errno.EACCES, f"{host} port {port} is an address that no source may have")
        return socket.socket(family, kind, protocol)

    return open_socket
