"""What serving does beside refusing: order, keep-alive, the end."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Awaitable
from time import monotonic, sleep

import pytest
import structlog

import switchboard.serving.connection as connection_module
import switchboard.serving.server as server_module
from switchboard.serving.message import ReadyReply, Reply, Request
from tests.serving.harness import (
    GET,
    HANG_SECONDS,
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


def get(path: str, *headers: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", "Host: a", *headers, "", ""]).encode()


def test_pipelined_requests_are_answered_in_order() -> None:
    """Slow and fast ones, in one write and cut into odd pieces."""
    paths = ["/a", "/slow", "/b", "/slow", "/c"] * 5
    requests = b"".join(get(path) for path in paths)
    with running_server() as server:
        with server.connect() as sock:
            sock.sendall(requests)
            await_condition(lambda: b"/slow" in server.seen, "the slow one is asked for")
            server.open_gate()
            assert [parse(read_answer(sock)).body.decode() for _ in paths] == paths
        with server.connect() as sock:
            for start in range(0, len(requests), 7):
                sock.sendall(requests[start : start + 7])
            assert [parse(read_answer(sock)).body.decode() for _ in paths] == paths


def test_who_keeps_a_connection() -> None:
    """HTTP/1.1 unless it says close; HTTP/1.0 never."""
    with running_server() as server:
        with server.connect() as sock:
            for _ in range(3):
                sock.sendall(GET)
                assert "connection" not in parse(read_answer(sock)).headers
        for request in (get("/a", "Connection: close"), get("/a", version="1.0"), b"GET /a HTTP/1.0\r\n\r\n"):
            assert parse(server.talk(request + GET)).headers["connection"] == "close"


@pytest.mark.parametrize(
    ("behind", "expected"),
    [(b"", [200]), (GET * 50, [200] * 51), (GET[:-2], [200]), (b"\0", [200, 400])],
    ids=["one", "many", "a part of one", "no request"],
)
def test_a_client_that_has_asked_all_is_answered(behind: bytes, expected: list[int]) -> None:
    """Who ends its own side still reads: what it has asked is answered, and then our side ends too."""
    with running_server() as server, server.connect() as sock:
        sock.sendall(get("/slow") + behind)
        sock.shutdown(socket.SHUT_WR)
        await_condition(lambda: b"/slow" in server.seen, "the slow one is asked for")
        (connection,) = server.connections
        if not behind:  # behind more bytes nothing is read
            await_condition(lambda: connection.ended, "the end is seen")
        server.open_gate()
        assert statuses(read_to_end(sock)) == expected
        await_condition(lambda: not server.connections, "the connection is gone")


def test_who_ends_within_a_body_or_between_requests_is_gone() -> None:
    """There is nothing to answer."""
    post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
    with running_server() as server:
        for begin, expected in ((post, b""), (b"", b""), (GET[:-2], b"")):
            with server.connect() as sock:
                sock.sendall(begin)
                sock.shutdown(socket.SHUT_WR)
                assert read_to_end(sock) == expected


def test_a_client_is_told_to_go_on_if_it_waits_for_that() -> None:
    """Once, before the answer, and only if its body is wanted and HTTP/1.1 is spoken."""
    post = b"POST /echo HTTP/%b\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with running_server() as server:
        with server.connect() as sock:
            sock.sendall(post % (b"1.1", 3))
            assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(b"abc")
            assert parse(read_answer(sock)).body == b"abc"
            sock.sendall(post % (b"1.1", 0) + b"\r\n\r\n" + GET)
            assert [parse(read_answer(sock)).body for _ in range(2)] == [b"", b"/hello"]
        with server.connect() as sock:
            sock.sendall(post % (b"1.0", 3) + b"abc")
            assert statuses(read_to_end(sock)) == [200]


def test_a_body_that_may_not_come_ends_the_connection() -> None:
    """Who waits for 100 Continue and is answered without it may send the body, or another request in its place."""
    head = b"POST /hello HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
    with running_server() as server:
        for framing in (b"Content-Length: %d\r\n\r\n" % len(GET), b"Transfer-Encoding: chunked\r\n\r\n"):
            with server.connect() as sock:
                sock.sendall(head + framing)
                seen = parse(read_answer(sock))
            assert (seen.status, seen.headers.get("connection"), seen.body) == (200, "close", b"/hello")


def test_a_stop_finishes_what_was_asked() -> None:
    """Idle connections end at once; requests in flight, and those in the pipeline behind, are answered."""
    with running_server() as server, server.connect() as idle, server.connect() as busy, server.connect() as half:
        idle.sendall(GET)
        read_answer(idle)
        half.sendall(GET[:-2])
        busy.sendall(get("/slow") + GET)
        await_condition(lambda: b"/slow" in server.seen, "the slow one is asked for")
        server.begin_stop()
        assert read_to_end(idle) == read_to_end(half) == b""
        server.open_gate()
        answers = read_to_end(busy)
        assert statuses(answers) == [200, 200]
        assert answers.count(b"connection: close") == 1
        server.thread.join(HANG_SECONDS)
        assert not server.thread.is_alive()
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_a_stop_does_not_wait_for_clients_that_ask_no_more() -> None:
    """A reply that began before the stop does not say that it is the last; its connection ends with it all the same."""
    post = b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
    with running_server(drain_seconds=HANG_SECONDS) as server, server.connect() as large, server.connect() as half:
        large.sendall(get("/large"))
        half.sendall(post)
        assert parse(read_answer(half)).body == b"/hello"
        await_condition(lambda: b"/large" in server.seen, "it is asked for")
        begun = monotonic()
        server.begin_stop()
        half.sendall(b"abc")
        assert read_to_end(half) == b""
        assert len(read_to_end(large)) > LARGE_BYTES
        server.thread.join(HANG_SECONDS)
        assert monotonic() - begun < HANG_SECONDS / 2
        assert not server.connections


def test_the_last_reply_reaches_a_client_that_has_asked_for_more() -> None:
    """What was sent behind a request with Connection: close is thrown away, and so is what follows for a moment."""
    with running_server() as server, server.connect() as sock:
        sock.sendall(get("/a", "Connection: close") + GET)
        assert statuses(read_to_end(sock)) == [200]
        for _ in range(3):
            sock.sendall(GET)
            sleep(0.02)
        assert server.seen == [b"/a"]


def test_a_stop_waits_no_longer_than_it_may() -> None:
    """A client that does not read, and an app that does not answer, are left behind."""
    with running_server(drain_seconds=1) as server, server.connect() as deaf, server.connect() as stuck:
        deaf.sendall(get("/large"))
        stuck.sendall(get("/slow"))
        await_condition(lambda: len(server.seen) == 2, "both have asked")
        server.begin_stop()
        server.thread.join(HANG_SECONDS)
        assert not server.thread.is_alive()
        assert not server.connections


def test_streams_beyond_the_bound_are_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """While as many bodies are being sent piece by piece as may be, another is refused with Retry-After; its connection
    stays, bodies of bytes are sent, and when one stream has ended the next is sent.
    """
    monkeypatch.setattr(server_module, "MOST_STREAMS", 2)

    class Streaming(Echo):
        def answer(self, request: Request) -> Reply | Awaitable[Reply]:
            return Reply(200, b"", self.endless()) if request.path == "/endless" else super().answer(request)

        async def endless(self) -> AsyncIterator[bytes]:
            yield b"piece"
            await self.server.gate.wait()

    with running_server(service=Streaming) as server, contextlib.ExitStack() as stack:
        streaming = [stack.enter_context(server.connect()) for _ in range(2)]
        for sock in streaming:
            sock.sendall(get("/endless"))
            assert sock.recv(12) == b"HTTP/1.1 200"
        late = stack.enter_context(server.connect())
        late.sendall(get("/endless") + GET)
        refused = parse(read_answer(late))
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert parse(read_answer(late)).body == b"/hello"
        assert server.reasons == ["streams"]
        server.open_gate()
        for sock in streaming:
            sock.shutdown(socket.SHUT_WR)
            assert read_to_end(sock).endswith(b"5\r\npiece\r\n0\r\n\r\n")
        late.sendall(get("/endless", "Connection: close"))
        assert read_to_end(late).endswith(b"0\r\n\r\n")


def test_a_client_that_pipelines_and_goes_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """Its answers have nowhere to go: nothing is logged."""
    with structlog.testing.capture_logs() as logs, running_server() as server:
        for kind in (socket.SHUT_RDWR, None):
            with server.connect() as sock:
                sock.sendall((GET + get("/large") + get("/stream")) * 200)
                if kind is None:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    sock.shutdown(kind)
            await_condition(lambda: not server.connections, "the connection is gone")
    assert logs == []
    assert caplog.records == []


def test_each_ready_reply_of_a_pipeline_is_timed_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its seconds begin where those of the reply before it end, on a clock that goes on by one with each look."""
    took: list[float] = []

    class Ready(Echo):
        def ready(self, head: bytes) -> ReadyReply | None:
            return ReadyReply(200, b"content-length: 0\r\n\r\n", took.append) if head == GET else None

    with running_server(service=Ready) as server, server.connect() as sock:
        monkeypatch.setattr(connection_module, "TURN_SECONDS", 1e9)
        monkeypatch.setattr(connection_module, "perf_counter", itertools.count().__next__)
        sock.sendall(GET * 50)
        for _ in range(50):
            read_answer(sock)
    assert len(took) == 50
    assert set(took) <= {1, 2}


def test_done_is_told_of_replies_and_refused_of_refusals() -> None:
    """A request that is refused while it is read is no reply of the service; one that fails is."""

    class Failing(Echo):
        def answer(self, request: Request) -> Reply | Awaitable[Reply]:
            if request.path == "/fails":
                raise ValueError
            return super().answer(request)

    with running_server(service=Failing) as server:
        for target, status in (("/hello", 200), ("/fails", 500)):
            assert statuses(server.talk(get(target, "Connection: close"))) == [status]
        assert statuses(server.talk(b"GET / HTTP/3.0\r\n\r\n")) == [400]
        assert statuses(server.talk(b"GET / HTTP/2.0\r\n\r\n")) == [505]
        assert server.done == [(200, ""), (500, "")]
        assert server.reasons == ["failure", "malformed", "version"]


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        (b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n\r\n\r\n1234", [200, 200]),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n\r\n\r\n1234", [200, 200]),
        (b"\r\n\r\n", [200]),
    ],
    ids=["in a body that nobody reads", "in a body", "empty lines"],
)
def test_an_end_that_is_no_head_ends_nothing(behind: bytes, expected: list[int]) -> None:
    """Whether more requests wait is told from the end of a head. Where it is none, all is answered all the same."""
    with running_server(drain_seconds=HANG_SECONDS) as server, server.connect() as sock:
        sock.sendall(get("/slow") + behind)
        await_condition(lambda: b"/slow" in server.seen, "the slow one is asked for")
        server.begin_stop()
        await_condition(lambda: refuses(server), "it stops")
        server.open_gate()
        assert statuses(read_to_end(sock)) == expected


def refuses(server: Server) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False
