"""New connections: how many are taken at a time, and when there are no file descriptors left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket

import pytest
import structlog

from switchboard.serving import accept
from switchboard.serving.accept import Acceptor


class Scarce(socket.socket):
    """A listening socket that has a file descriptor to give every other time."""

    asked = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        if self.asked % 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


async def test_the_log_says_once_that_descriptors_are_scarce() -> None:
    """Clients that go make room for others, one at a time: each shortage is counted, but is no news."""
    reasons: list[str] = []
    with structlog.testing.capture_logs() as logs, contextlib.ExitStack() as stack:
        sock = stack.enter_context(Scarce())
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        sock.setblocking(False)
        joined = asyncio.Semaphore(0)

        class Client(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                joined.release()
                transport.close()

        acceptor = Acceptor(sock, Client, reasons.append)
        acceptor.start()
        clients = [stack.enter_context(socket.create_connection(sock.getsockname())) for _ in range(3)]
        async with asyncio.timeout(10):
            for _ in clients:
                await joined.acquire()
        acceptor.stop()
    assert [line["log_level"] for line in logs] == ["error"]
    assert len(reasons) >= len(clients)


async def test_many_connections_are_taken_in_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a turn may take, and no more: whoever shares the socket gets the others."""
    monkeypatch.setattr(accept, "ACCEPTS_A_TURN", 16)
    taken: list[asyncio.BaseTransport] = []

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken.append(transport)

    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(Counting())
        sock.bind(("127.0.0.1", 0))
        sock.listen(4096)
        sock.setblocking(False)
        clients = [stack.enter_context(socket.socket()) for _ in range(48)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
        acceptor = Acceptor(sock, Client, print)
        acceptor.start()
        turns = []
        async with asyncio.timeout(30):
            while len(taken) < len(clients):
                before = sock.accepted
                await asyncio.sleep(0)
                turns.append(sock.accepted - before)
        acceptor.stop()
        for transport in taken:
            transport.close()
        await asyncio.sleep(0)
    assert max(turns) == 16


class Counting(socket.socket):
    """A listening socket that counts the connections it has given."""

    accepted = 0

    def accept(self) -> tuple[socket.socket, object]:
        given = super().accept()
        self.accepted += 1
        return given
