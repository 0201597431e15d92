"""A forwarder of TCP: its address stays, and a test can break its connections or lead them to another server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Self

_PIECE_BYTES = 65536
_WAIT_SECONDS = 10.0
_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: a close is a reset."""


class Mode(Enum):
    """What becomes of a connection to the forwarder."""

    FORWARD = "it leads to the target"
    RESET = "it is accepted, and reset at once"
    RESET_LATER = "it is accepted, and reset when its first bytes have come"
    REFUSE = "nobody listens"


class Forwarder:
    """Leads a TCP port of 127.0.0.1 to another, in a thread of its own. Use as a context manager."""

    def __init__(self, target: int) -> None:
        self.accepted = 0
        self.resets = 0
        """Connections that were reset so far."""
        self._target = target
        self._mode = Mode.FORWARD
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def lead_to(self, target: int) -> None:
        """Connect to another port from now on; connections that are open stay where they are."""
        self._target = target

    def set_mode(self, mode: Mode) -> None:
        """Treat every new connection in this way from now on; open ones are reset, unless connections are forwarded."""

        async def change() -> None:
            self._mode = mode
            if mode is Mode.REFUSE:
                await self._close()
            else:
                await self._listen()
            if mode is not Mode.FORWARD:
                for writer in self._connections.values():
                    self._reset(writer)

        self._do(change)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = 0
        self._do(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async def end() -> None:
            await self._close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

        self._do(end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WAIT_SECONDS)
        self._loop.close()

    def _do(self, work: Callable[[], object]) -> None:
        async def run() -> None:
            result = work()
            if asyncio.iscoroutine(result):
                await result

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(_WAIT_SECONDS)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        if not writer.transport.is_closing():
            self.resets += 1
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.accepted += 1
        self._connections[task] = writer
        try:
            if self._mode is Mode.FORWARD:
                await self._forward(reader, writer)
            elif self._mode is Mode.RESET_LATER:
                await reader.read(1)
        except (OSError, asyncio.CancelledError):
            pass  # either end has gone, or the test has ended
        finally:
            if self._mode is Mode.FORWARD:
                writer.close()
            else:
                self._reset(writer)
            del self._connections[task]

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        with contextlib.closing(there_writer):
            ways = [_copy(reader, there_writer), _copy(there_reader, writer)]
            tasks = [asyncio.create_task(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE_BYTES):
        writer.write(data)
        await writer.drain()
