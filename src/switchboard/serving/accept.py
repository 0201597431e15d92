"""Accepting: takes several new connections from the listening socket in each turn of the event loop.

uvloop by itself takes one per turn. A turn answers everybody who is in, so of two thousand clients that connect at
once the last would wait for two thousand rounds of all the others.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

import structlog

from switchboard.serving.sweep import Deadlines

ACCEPTS_A_TURN = 256
"""Most connections that are taken in one turn. Workers share the socket: one that took all would serve all.

With 64, some of 5,000 clients waited for 2.7 s, because the queue of the socket overflowed. With 256 none waits for
0.7 s, and of four workers that share 2,000 clients the busiest serves 1.2 times as much as the idlest.
"""
AGAIN_SECONDS = 0.1
"""Pause after the system could give no more; clients wait in the queue of the socket meanwhile."""
QUIET_SECONDS = 60.0
"""Time between two lines of the log that say so: connections that end make room for a moment, again and again."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = structlog.get_logger()


class Acceptor:
    """Takes connections from a listening socket, and gives each a protocol.

    ``refused`` is called with a reason: ``descriptors`` each time that there are no file descriptors left, and
    ``handshake`` for each client that does not come to speak TLS within its deadline.
    """

    def __init__(
        self,
        sock: socket.socket,
        new_protocol: Callable[[], asyncio.Protocol],
        refused: Callable[[str], None],
        tls: ssl.SSLContext | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._sock = sock
        self._new_protocol = new_protocol
        self._refused = refused
        deadlines = deadlines or Deadlines()
        self._tls: dict[str, Any] = {}
        if tls is not None:
            self._tls = {
                "ssl": tls,
                "ssl_handshake_timeout": deadlines.handshake,
                "ssl_shutdown_timeout": deadlines.linger,
            }
        self._loop = asyncio.get_running_loop()
        self._joining: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._said_at = float("-inf")

    def start(self) -> None:
        """Begin, or go on."""
        self._again = None
        self._loop.add_reader(self._sock, self._accept)

    def stop(self) -> None:
        """Accept no more, and close the socket."""
        if self._again is None:
            self._loop.remove_reader(self._sock)
        else:
            self._again.cancel()
        self._sock.close()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue  # the client has gone
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(error)
                return
            sock.setblocking(False)
            task = self._loop.create_task(self._join(sock))
            self._joining.add(task)
            task.add_done_callback(self._joining.discard)

    async def _join(self, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._new_protocol, sock, **self._tls)
        except OSError:  # the client has gone, or does not speak TLS
            if self._tls:
                self._refused("handshake")
            sock.close()

    def _pause(self, error: OSError) -> None:
        """Leave new clients in the queue for a moment; say so now and then."""
        self._refused("descriptors")
        now = self._loop.time()
        if now - self._said_at >= QUIET_SECONDS:
            self._said_at = now
            log.error(
                "no new connections: out of file descriptors or memory", error=str(error), help="raise `ulimit -n`"
            )
        self._loop.remove_reader(self._sock)
        self._again = self._loop.call_later(AGAIN_SECONDS, self.start)
