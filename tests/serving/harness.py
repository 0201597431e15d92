"""A server under guard with a small app of its own, and clients that speak in raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from unittest.mock import patch

import uvloop

import switchboard.serving.server as server_module
from switchboard.serving import Deadlines, serve
from switchboard.serving.connection import Connection
from switchboard.serving.message import Body, ReadyReply, Reply, Request, text_reply
from switchboard.serving.refusals import Refusal

PATIENT = Deadlines()
HASTY = Deadlines(handshake=0.4, head=0.4, request=0.8, idle=1.2, unread=0.6, linger=0.3, sweep=0.05)

HANG_SECONDS = 12.0
"""Whoever waits so long waits for nothing."""
GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE_BYTES = 8 << 20
MOST_BYTES = 1 << 20
"""Largest body that is echoed."""


@dataclass
class Server:
    """A running server: ``reasons`` of its refusals, ``seen`` targets, ``done`` replies with why they were cut."""

    port: int
    loop: asyncio.AbstractEventLoop
    connections: set[Connection]
    stop: asyncio.Event
    thread: threading.Thread
    reasons: list[str] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    done: list[tuple[int, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=HANG_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def talk(self, *pieces: bytes) -> bytes:
        """Send pieces on a connection of its own, and read until the server ends it."""
        with self.connect() as sock:
            for piece in pieces:
                sock.sendall(piece)
            return read_to_end(sock)

    def open_gate(self) -> None:
        """Let /slow answer, now and from now on."""
        self.loop.call_soon_threadsafe(self.gate.set)

    def begin_stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended already
            self.loop.call_soon_threadsafe(self.stop.set)


def read_to_end(sock: socket.socket) -> bytes:
    received = bytearray()
    while data := sock.recv(1 << 16):
        received += data
    return bytes(received)


def read_answer(sock: socket.socket) -> bytes:
    """One answer that has a Content-Length, and not a byte more."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, f"the connection ended after {received!r}"
        received += byte
    length = next(int(line[16:]) for line in received.lower().split(b"\r\n") if line.startswith(b"content-length: "))
    while length:
        data = sock.recv(length)
        assert data, f"the connection ended within the body, {length} bytes early"
        received += data
        length -= len(data)
    return received


@dataclass(frozen=True)
class Seen:
    """An answer, taken apart; header names are lower case already."""

    status: int
    headers: dict[str, str]
    body: bytes


def parse(answer: bytes) -> Seen:
    head, separator, body = answer.partition(b"\r\n\r\n")
    assert separator, answer
    first, *lines = head.decode("latin-1").split("\r\n")
    return Seen(int(first.split(" ")[1]), dict(line.split(": ", 1) for line in lines), body)


def statuses(answers: bytes) -> list[int]:
    """Of all answers in a row, none of whose bodies looks like a status line."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def await_condition(condition: Callable[[], object], what: str, seconds: float = HANG_SECONDS) -> None:
    deadline = monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert monotonic() < deadline, f"{what}: not within {seconds:g} s"
        pause.wait(0.005)


@contextlib.contextmanager
def running_server(
    deadlines: Deadlines = PATIENT,
    service: type[Echo] | None = None,
    drain_seconds: float = 5.0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Server]:
    """Serve on a free port from a thread, on the event loop that workers have; it stops with the context."""
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = Server(sock.getsockname()[1], runner.get_loop(), set(), asyncio.Event(), threading.current_thread())
    echo = (service or Echo)(server)

    def new_server(*args: Any) -> server_module.Server:
        made = server_module_server(*args)
        server.connections = made.connections
        return made

    def run() -> None:
        with runner:
            runner.run(serve(echo, sock, server.stop, deadlines=deadlines, drain_seconds=drain_seconds, tls=tls))

    with patch.object(server_module, "Server", new_server):
        server.thread = threading.Thread(target=run)
        server.thread.start()
        try:
            await_condition(lambda: server.connections is not None, "it has begun")
            yield server
        finally:
            server.begin_stop()
            server.thread.join(HANG_SECONDS)
            assert not server.thread.is_alive()


server_module_server = server_module.Server


class Echo:
    """A service for tests: every path answers with its own name, but for a few that do something special."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def ready(self, head: bytes) -> ReadyReply | None:
        return None

    def body_limit(self, request: Request) -> int:
        return MOST_BYTES if request.path == "/echo" and request.method == "POST" else 0

    def answer(self, request: Request) -> Reply | Awaitable[Reply]:
        path, server = request.path, self.server
        server.seen.append(path.encode() + (b"?" + request.query if request.query else b""))
        if path == "/slow":
            return self.slow()
        body: Body = path.encode()
        if path == "/echo":
            body = request.body
        elif path == "/headers":
            body = b"\n".join(b"%s: %s" % header for header in request.headers)
        elif path == "/large":
            body = bytes(LARGE_BYTES)
        elif path == "/stream":
            body = iter([b"one ", b"", b"two ", bytes(100_000)])
        return Reply(200, b"", body)

    async def slow(self) -> Reply:
        await self.server.gate.wait()
        return Reply(200, b"", b"/slow")

    def refuse(self, refusal: Refusal, accept: bytes) -> Reply:
        headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"), *refusal.headers]
        return text_reply(refusal.status, f"{refusal.sentence}\n", headers)

    def done(self, request: Request | None, reply: Reply | ReadyReply, seconds: float, cut: str = "") -> None:
        self.server.done.append((reply.status, cut))

    def refused(self, reason: str) -> None:
        self.server.reasons.append(reason)
