"""A generator on a real socket, with a clock that the test sets."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.faults.transport import Sleep
from switchboard.generator.service import create_service
from switchboard.serving import serve
from tests.lab.servers import PATIENCE_SECONDS


class Clock:
    """Unix time in seconds, standing still until it is set."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def __getitem__(self, header: str) -> str | None:
        return self.headers[header]


@dataclass(frozen=True)
class Generator:
    port: int
    clock: Clock

    def ask(self, path: str = "/counters", method: str = "GET", **headers: str) -> Answer:
        """One request; ``If_None_Match="*"`` is sent as ``If-None-Match: *``."""
        return ask(self.port, path, method, [(name.replace("_", "-"), value) for name, value in headers.items()])


class Start(Protocol):
    def __call__(self, seconds: float = ..., **settings: Any) -> Generator: ...


def ask(port: int, path: str, method: str = "GET", headers: list[tuple[str, str]] | None = None) -> Answer:
    """One request on a connection of its own, with the given headers and no other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers or []:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


@contextlib.contextmanager
def running_generator(seconds: float, sleep: Sleep = asyncio.sleep, **settings: Any) -> Iterator[Generator]:
    """Serve on a free port from a thread; it stops with the context."""
    clock = Clock(seconds)
    service = create_service(GeneratorSettings(**settings), clock, sleep)
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    stop = asyncio.Event()
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()

    def run() -> None:
        with runner:
            runner.run(serve(service, sock, stop))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Generator(port, clock)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()
