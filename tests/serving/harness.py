"""A server under guard with a small app of its own, and clients that speak in raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast

import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from switchboard.serving import Deadlines, GuardedProtocol, serve

PATIENT = Deadlines()
HASTY = Deadlines(head=0.4, request=0.8, idle=1.2, unread=0.6, linger=0.3, sweep=0.05)

HANG_SECONDS = 120.0
"""Whoever waits so long waits for nothing."""
GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE_BYTES = 8 << 20


@dataclass
class Server:
    """A running server. ``reasons`` are those of its refusals; ``seen`` are the targets that the app was asked for."""

    port: int
    loop: asyncio.AbstractEventLoop
    connections: set[GuardedProtocol]
    stop: asyncio.Event
    thread: threading.Thread
    reasons: list[str] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
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
    protocol: type[GuardedProtocol] = GuardedProtocol,
    drain_seconds: float = 5.0,
) -> Iterator[Server]:
    """Serve on a free port from a thread, on the event loop that workers have; it stops with the context."""
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = Server(sock.getsockname()[1], runner.get_loop(), set(), asyncio.Event(), threading.current_thread())

    def begin(self: GuardedProtocol, *args: Any, **options: Any) -> None:
        protocol.__init__(self, *args, **options)
        server.connections = cast("set[GuardedProtocol]", self.connections)

    kind = type(protocol.__name__, (protocol,), {"__init__": begin, "refused": staticmethod(server.reasons.append)})

    def run() -> None:
        with runner:
            runner.run(
                serve(
                    _app(server),
                    sock,
                    server.stop,
                    protocol=kind,
                    deadlines=deadlines,
                    drain_seconds=drain_seconds,
                )
            )

    server.thread = threading.Thread(target=run)
    server.thread.start()
    try:
        yield server
    finally:
        server.begin_stop()
        server.thread.join(HANG_SECONDS)
        assert not server.thread.is_alive()


def _app(server: Server) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        path = scope["path"]
        server.seen.append(scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b""))
        body = path.encode()
        if path == "/slow":
            await server.gate.wait()
        elif path == "/echo":
            body = b""
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body += message["body"]
                more = message["more_body"]
        elif path == "/headers":
            body = b"\n".join(b"%s: %s" % header for header in scope["headers"])
        elif path == "/large":
            body = bytes(LARGE_BYTES)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
