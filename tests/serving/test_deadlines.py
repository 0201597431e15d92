"""How long a client may take."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from unittest.mock import Mock

import pytest

from switchboard.serving import Deadlines, Reply, Request
from switchboard.serving.connection import Connection
from switchboard.serving.server import Server as RealServer
from switchboard.serving.sweep import Watched, overdue_connections
from tests.lab.certificates import make_certificates
from tests.serving.harness import (
    GET,
    HANG_SECONDS,
    HASTY,
    LARGE_BYTES,
    Echo,
    Server,
    await_condition,
    parse,
    read_answer,
    read_to_end,
    running_server,
    statuses,
)

PIECE_BYTES = 32 << 10


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server(HASTY) as running:
        yield running


def repr_of(value: bytes) -> str:
    return repr(value[:8])


def drip(sock: socket.socket, byte: bytes) -> bytes:
    """Send a byte again and again until the server says something."""
    sock.settimeout(0.02)
    deadline = monotonic() + HANG_SECONDS
    while monotonic() < deadline:
        with contextlib.suppress(ConnectionError):  # cut off by now: what was said before that can still be read
            sock.sendall(byte)
        try:
            return sock.recv(1000)
        except TimeoutError:
            continue
    raise AssertionError("never cut off")


@pytest.mark.parametrize(
    ("begin", "byte"), [(b"\r\nGET ", b"/"), (b"GET /", b"a"), (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a")]
)
def test_trickled_headers_are_408(server: Server, begin: bytes, byte: bytes) -> None:
    """However lively the client is, the first byte starts the clock."""
    with server.connect() as sock:
        sock.sendall(begin)
        seen = parse(drip(sock, byte))
    assert (seen.status, seen.headers["connection"]) == (408, "close")
    assert server.reasons == ["slow_head"]


def test_the_clock_of_headers_starts_anew_with_each_request(server: Server) -> None:
    """Also behind a request that arrived in the same read."""
    with server.connect() as sock:
        sock.sendall(GET + GET[:9])
        assert read_answer(sock).startswith(b"HTTP/1.1 200")
        assert statuses(read_to_end(sock)) == [408]


@pytest.mark.parametrize("blank", [b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\r\n" * 50_000], ids=repr_of)
def test_empty_lines_begin_no_request(server: Server, blank: bytes) -> None:
    """RFC 9112, 2.2: they are ignored. So they start no clock of a head, behind an answer or in the same read."""
    with server.connect() as sock:
        for pieces in ([blank, GET], [blank + GET], [GET[:9], GET[9:] + blank]):
            for piece in pieces:
                sock.sendall(piece)
            assert parse(read_answer(sock)).body == b"/hello"
        sock.sendall(blank)
        assert read_to_end(sock) == b""
    assert server.reasons == []


@pytest.mark.parametrize("first", [b"", GET], ids=["mute", "kept alive"])
def test_empty_lines_are_no_sign_of_life(server: Server, first: bytes) -> None:
    """However many a client sends, its connection is idle."""
    with server.connect() as sock:
        sock.sendall(first)
        if first:
            read_answer(sock)
        assert drip(sock, b"\r\n") == b""
    assert server.reasons == []


def test_a_trickled_body_is_408(server: Server) -> None:
    """The app waits for it, and hears that the client is gone."""
    with server.connect() as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        assert statuses(drip(sock, b"x")) == [408]
    assert server.reasons == ["slow_body"]
    await_condition(lambda: not server.connections, "the connection is gone")


def test_a_trickled_body_that_nobody_reads_ends_the_connection(server: Server) -> None:
    """It has had its answer."""
    with server.connect() as sock:
        sock.sendall(b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        assert parse(read_answer(sock)).status == 200
        assert drip(sock, b"x") == b""


@pytest.mark.parametrize("first", [b"", GET], ids=["mute", "kept alive"])
def test_an_idle_connection_is_closed_without_a_word(server: Server, first: bytes) -> None:
    """Whether it has been used before or not."""
    with server.connect() as sock:
        sock.sendall(first)
        assert statuses(read_to_end(sock)) == [200] * bool(first)
    assert server.reasons == []


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01\x02\x00\x01\x00", GET], ids=["mute", "begun", "no TLS"])
def test_a_handshake_has_a_deadline(tmp_path: Path, first: bytes) -> None:
    """Who does not come to speak TLS is cut off and counted; who does is served meanwhile."""
    made = make_certificates(tmp_path)
    trusting = ssl.create_default_context(cafile=made.ca)
    with running_server(HASTY, tls=made.server_context()) as server, server.connect() as sock:
        sock.sendall(first)
        with server.connect() as plain, trusting.wrap_socket(plain, server_hostname="127.0.0.1") as good:
            good.sendall(GET)
            assert parse(read_answer(good)).body == b"/hello"
            with contextlib.suppress(ConnectionError):
                while sock.recv(1000):  # an alert, at most
                    pass
            await_condition(lambda: server.reasons == ["handshake"], "it is counted")


def test_a_connection_in_use_stays(server: Server) -> None:
    """One that asks now and then lives longer than the time for an idle one."""
    while not stays(server):
        pass  # we were too slow ourselves, which says nothing


def stays(server: Server) -> bool:
    """Ask now and then, for two idle times. False if that ended, and it was idle indeed."""
    with server.connect() as sock:
        begun = asked_at = monotonic()
        while asked_at - begun < 2 * HASTY.idle:
            before, asked_at = asked_at, monotonic()
            try:
                sock.sendall(GET)
                assert sock.recv(1, socket.MSG_PEEK), "closed"
            except (AssertionError, ConnectionError):
                assert monotonic() - before >= HASTY.idle
                return False
            assert read_answer(sock).startswith(b"HTTP/1.1 200")
            sleep(HASTY.idle / 3)
    return True


def test_a_slow_answer_is_no_idle_connection(server: Server) -> None:
    """Nothing here limits how long an app takes; a request behind it waits."""
    with server.connect() as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        sock.settimeout(2 * HASTY.idle)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(HANG_SECONDS)
        server.open_gate()
        assert [parse(read_answer(sock)).body for _ in range(2)] == [b"/slow", b"/hello"]


def test_a_client_that_never_reads_is_given_up(server: Server) -> None:
    """Its connection was closed, and yet holds a large answer: it is aborted."""
    with server.connect() as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await_condition(lambda: server.seen, "it asks")
        await_condition(lambda: not server.connections, "it is aborted")
        assert server.reasons == ["unread"]


def test_a_client_that_reads_no_more_is_given_up_between_requests(server: Server) -> None:
    """Idle is idle, even if the server still has something to say."""
    with server.connect() as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await_condition(lambda: server.seen, "it asks")
        await_condition(lambda: not server.connections, "it is aborted")
        assert server.reasons == ["unread"]


def test_a_client_that_reads_in_time_gets_all() -> None:
    """The same answer, taken."""
    with running_server() as server:
        answer = server.talk(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert len(parse(answer).body) == LARGE_BYTES


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="the kernel has no such limit")
def test_no_more_is_made_than_a_client_takes() -> None:
    """Of a body that a client does not take, no more is rendered than the buffers have room for."""
    made: list[int] = []

    class Counting(Echo):
        def answer(self, request: Request) -> Reply:
            return Reply(200, b"", self.pieces())

        def pieces(self) -> Iterator[bytes]:
            for number in range(LARGE_BYTES // PIECE_BYTES):
                made.append(number)
                yield bytes(PIECE_BYTES)

    with running_server(Deadlines(idle=HANG_SECONDS, unread=HANG_SECONDS), Counting) as server:
        with server.connect() as first:  # who connects before the server has begun has a socket without the limit
            first.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert len(read_to_end(first)) > LARGE_BYTES
        made.clear()
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            sock.settimeout(HANG_SECONDS)
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(GET)
            sock.recv(1)
            (connection,) = server.connections
            await_condition(lambda: connection.write_paused, "the server waits for the client")
            assert len(made) * PIECE_BYTES < 1 << 20


def test_a_refused_client_that_keeps_sending_is_cut_off(server: Server) -> None:
    """It has a moment to read its refusal, no longer."""
    with server.connect() as sock:
        sock.sendall(b"rubbish\r\n\r\n")
        assert statuses(read_to_end(sock)) == [400]
        await_condition(lambda: not server.connections, "the connection is gone")


def test_2000_trickling_connections_are_cut_off_and_others_served() -> None:
    """All of them by 408, while a good client gets its answers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socks: list[socket.socket] = []
    try:
        with (
            running_server(Deadlines(head=1.5, idle=HANG_SECONDS, linger=0.5, sweep=0.1)) as server,
            server.connect() as good,
        ):
            for _ in range(2000):
                sock = server.connect()
                sock.sendall(b"GET /")
                socks.append(sock)
            trickling = deque(socks)
            answers = []
            deadline = monotonic() + HANG_SECONDS
            while trickling:
                assert monotonic() < deadline, f"{len(trickling)} are still there"
                good.sendall(GET)
                assert read_answer(good).startswith(b"HTTP/1.1 200")
                for _ in range(min(100, len(trickling))):
                    sock = trickling.popleft()
                    sock.setblocking(False)
                    try:
                        answers.append(sock.recv(1000))
                    except BlockingIOError:
                        with contextlib.suppress(ConnectionError):  # cut off by now: it can still be read
                            sock.send(b"a")
                        trickling.append(sock)
            assert statuses(b"".join(answers)) == [408] * 2000
            assert server.reasons == ["slow_head"] * 2000
            await_condition(lambda: len(server.connections) == 1, "they are gone")
    finally:
        for sock in socks:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_connection_that_is_closing_is_not_closed_again() -> None:
    """A second call would make the transport of asyncio's TLS useless; the sweep looks again and again."""
    loop = asyncio.get_running_loop()
    server = RealServer(Echo(Server(0, loop, set(), asyncio.Event(), threading.current_thread())), HASTY)
    connection = Connection(server, loop)
    transport = Mock(spec=asyncio.Transport, get_write_buffer_size=lambda: 0)
    transport.is_closing = lambda: transport.close.called
    connection.connection_made(transport)
    for seconds in range(3):
        connection.overdue(loop.time() + HASTY.idle + seconds)
    assert transport.close.call_count == 1


def test_a_sweep_finds_the_overdue_only() -> None:
    """Those whose deadline is now or was before, by their word."""

    @dataclass(eq=False)
    class Connection:
        deadline: float
        transport: asyncio.Transport = field(default_factory=asyncio.Transport)

        def overdue(self, now: float) -> None:
            raise AssertionError("asked only for those that are overdue")

    connections: set[Watched] = {Connection(float(second)) for second in range(10)}
    overdue = overdue_connections(connections, 4.0)
    assert sorted(connection.deadline for connection in overdue) == [0, 1, 2, 3, 4]
