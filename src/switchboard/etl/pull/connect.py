"""Connections to sources: made to checked addresses only, and without one source waiting for another."""

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
    """A source has an address to which no connection may be made."""


def new_connector(own_ports: Collection[int]) -> aiohttp.TCPConnector:
    """The connector for all sources. It makes no connections to link-local addresses, nor to ``own_ports`` of this
    machine.

    The number of connections has no limit: a source has one at a time, and a source that hangs must not take the place
    of another.

    A connection is used for one request. On a reused connection, bytes that a server sent unasked, or a late answer to
    another source on the same host, would be taken for the answer to the next request (RFC 9112, 9.2); only a new
    connection is certain to hold no such bytes. ``Connection: close`` is not sent: Apache would leave out the framing
    of its answer.
    """
    return aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=_checked(own_ports), resolver=Resolver())


def look_up(host: str, port: int, family: socket.AddressFamily) -> Addresses:
    """The addresses of a name, by the system's resolver. May take many seconds. Raises OSError."""
    return socket.getaddrinfo(  # type: ignore[return-value] # typeshed includes families without host names
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )


class Resolver(AbstractResolver):
    """Looks up each name in a thread of its own.

    In a pool of threads (libuv has two for lookups, asyncio some for everything) a few names whose server does not
    answer would make every other source wait. The threads are daemons, because nothing can end a lookup. There is at
    most one thread per host and port, because aiohttp does not start a lookup that is under way.
    """

    def __init__(self, lookup: Lookup = look_up) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError."""
        found: Future[Addresses] = Future()

        def work() -> None:
            with contextlib.suppress(RuntimeError):  # the event loop that asked has ended
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
        """Do nothing: there is nothing to close."""


def _checked(own_ports: Collection[int]) -> Callable[[AddrInfoType], socket.socket]:
    """A socket factory that opens sockets for allowed addresses only.

    It checks the resolved address, so that the checked address is the one that is connected to: the same name may lead
    to another address the next time.
    """

    def open_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, port, *_) = info
        if is_forbidden(str(host)) or (is_own(str(host)) and port in own_ports):
            raise ForbiddenAddress(errno.EACCES, f"{host} port {port} is an address that no source may have")
        return socket.socket(family, kind, protocol)

    return open_socket
