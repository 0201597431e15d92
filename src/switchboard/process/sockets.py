"""Listening sockets, bound before any worker starts.

A taken port is found before anything runs, and connections that arrive while a worker restarts wait in the queue
instead of being refused.
"""

from __future__ import annotations

import errno
import os
import socket

from switchboard.config.addresses import http_url
from switchboard.errors import ConfigError, PortTaken

BACKLOG = 4096
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that stand for all of a machine, and one at which the machine itself can ask."""


def listen(host: str, port: int, *, host_option: str, port_option: str) -> socket.socket:
    """A listening TCP socket, not blocking. Port 0: any free port.

    ``host_option`` and ``port_option`` name in errors the options to change. Raises PortTaken if another program
    listens on the port, ConfigError if this machine cannot listen there.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(
            f"{host!r} is not the name or address of a host: choose another with {host_option}"
        ) from error
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # do not wait for connections of a previous run
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"port {port} on {host} is taken") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(f"{host} is not an address of this machine: choose another with {host_option}") from error
        reason = os.strerror(error.errno or 0).lower()
        raise ConfigError(f"cannot listen on port {port} of {host} ({reason}): see {port_option}") from error
    return sock


def url_of(sock: socket.socket) -> str:
    """The URL by which this machine reaches a listening socket."""
    host, port = sock.getsockname()[:2]
    return http_url(ANY_ADDRESS.get(host, host), port)
