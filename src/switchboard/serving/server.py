"""The server: runs an ASGI app on a bound socket until an event is set."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import structlog
import uvicorn
from starlette.types import ASGIApp

from switchboard.serving.fits import uvicorn_fits
from switchboard.serving.guard import GuardedProtocol
from switchboard.serving.sweep import Deadlines, GuardedState, sweep

UNSENT_BYTES = 256 << 10
"""Most bytes of unsent answers in the kernel, per connection."""

log = structlog.get_logger()


async def serve(
    app: ASGIApp,
    sock: socket.socket,
    stop: asyncio.Event,
    *,
    protocol: type[asyncio.Protocol] | None = None,
    deadlines: Deadlines | None = None,
    drain_seconds: float = 5.0,
) -> None:
    """Serve HTTP/1.1 until ``stop`` is set, then stop accepting, drain for ``drain_seconds`` and return.

    ``protocol`` is the class of a connection; None: GuardedProtocol. If the installed uvicorn lacks names that they
    use, uvicorn's own protocol takes their place, with a warning.

    Signals are not touched: the caller decides what sets ``stop``. A lifespan that fails at start ends in SystemExit.
    """
    if sock.family != socket.AF_UNIX:
        # uvicorn writes head and body apart: without this the body of a kept-alive answer waits 40 ms for an ACK.
        # Linux hands on to accepted connections what is set here.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # By itself the kernel takes up to 4 MiB, and says that there is room again once a third of that is gone: a slow
        # client looks like one that takes nothing.
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    missing = uvicorn_fits()
    if missing:
        log.warning("uvicorn has changed: served without limits and deadlines for requests", missing=missing)
    chosen = protocol or GuardedProtocol
    config = uvicorn.Config(
        app,
        http="httptools" if missing else chosen,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=round(drain_seconds),
    )
    server = _Server(config)
    state = GuardedState(deadlines or Deadlines())
    server.server_state = state
    async with asyncio.TaskGroup() as group:
        background = [group.create_task(_exit_when(stop, server))]
        if not missing and issubclass(chosen, GuardedProtocol):
            background.append(group.create_task(sweep(state)))
        await server.serve(sockets=[sock])
        for task in background:
            task.cancel()
    for connection in list(state.connections):
        connection.transport.abort()  # what was not drained in time


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: a worker has one handler for all it runs."""
        yield


async def _exit_when(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True
