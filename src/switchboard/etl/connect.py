"""How connections to sources are made: to the address that was checked, and without one source waiting for another."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection

import aiohttp
from aiohttp.connector import AddrInfoType

from switchboard.addresses import is_forbidden, is_own


class ForbiddenAddress(OSError):
    """An address to which no connection is made."""


def new_connector(own_ports: Collection[int]) -> aiohttp.TCPConnector:
    """Connections of all sources; none to link-local addresses, nor to ``own_ports`` of this machine.

    Their number has no limit: a source has one at a time, and one that hangs must not take the place of another.
    """
    return aiohttp.TCPConnector(limit=0, socket_factory=_checked(own_ports))


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
