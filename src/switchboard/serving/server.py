"""The server: serves connections on a bound socket until an event is set, then drains them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from email.utils import formatdate

import structlog

from switchboard.serving.accept import Acceptor
from switchboard.serving.budget import BodyBudget
from switchboard.serving.connection import Connection
from switchboard.serving.message import STATUS_LINES, Headers, Service
from switchboard.serving.socket_options import prepare_listener
from switchboard.serving.sweep import Deadlines, sweep

MOST_STREAMS = 512
"""Most replies of a server that are rendered piece by piece at the same time."""

log = structlog.get_logger()


class Server:
    """What the connections of one socket share."""

    def __init__(self, service: Service, deadlines: Deadlines) -> None:
        self.service = service
        self.deadlines = deadlines
        self.connections: set[Connection] = set()
        self.streams = 0
        """Replies that are being rendered piece by piece."""
        self.stopping = False
        self.empty = asyncio.Event()
        """Set when the last connection has gone, once the server stops."""
        self.known_headers: dict[bytes, Headers] = {}
        """Headers that were parsed before, by their bytes."""
        self.bodies = BodyBudget()
        self._first_lines: dict[int, bytes] = {}

    @property
    def is_busy(self) -> bool:
        """Whether no further reply may be rendered piece by piece at this moment."""
        return self.streams >= MOST_STREAMS

    def first_lines(self, status: int) -> bytes:
        """Status line and date."""
        lines = self._first_lines.get(status)
        if lines is None:
            date = formatdate(usegmt=True).encode()
            lines = self._first_lines[status] = b"%sdate: %s\r\n" % (STATUS_LINES[status], date)
        return lines

    async def keep_date(self) -> None:
        """Renew the date at the beginning of each second, until cancelled."""
        while True:
            self._first_lines.clear()
            await asyncio.sleep(1.001 - time.time() % 1)

    def joined(self, connection: Connection) -> None:
        """A connection has begun."""
        self.connections.add(connection)
        if self.stopping:
            connection.shutdown()

    def left(self, connection: Connection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if self.stopping and not self.connections:
            self.empty.set()

    async def drain(self, seconds: float) -> None:
        """Let connections finish what has been asked; those that take longer than ``seconds`` are aborted."""
        self.stopping = True
        for connection in list(self.connections):
            connection.shutdown()
        if self.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.empty.wait(), seconds)
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # in which they are told


async def serve(
    service: Service,
    sock: socket.socket,
    stop: asyncio.Event,
    *,
    deadlines: Deadlines | None = None,
    drain_seconds: float = 5.0,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve HTTP/1.1 on a listening socket until ``stop`` is set, then close it, drain for ``drain_seconds``, return.

    ``tls``: the context of HTTPS; None: plain HTTP. Signals are not touched: the caller decides what sets ``stop``.
    """
    loop = asyncio.get_running_loop()
    prepare_listener(sock)
    server = Server(service, deadlines or Deadlines())
    acceptor = Acceptor(sock, lambda: Connection(server, loop), service.refused, tls, server.deadlines)
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(sweep(server.connections, server.deadlines.sweep)),
            group.create_task(server.keep_date()),
        ]
        acceptor.start()
        try:
            await stop.wait()
        finally:
            acceptor.stop()
        await server.drain(drain_seconds)
        for task in background:
            task.cancel()
