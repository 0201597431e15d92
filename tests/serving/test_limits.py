"""How much a request may be."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from unittest.mock import Mock

import httptools
import pytest

from switchboard.serving.connection import Connection
from switchboard.serving.message import Reply, Request
from switchboard.serving.reader import RequestReader, is_authority
from switchboard.serving.refusals import HEADERS, MOST_HEADERS, refusal_of
from switchboard.serving.server import Server as RealServer
from switchboard.serving.sweep import Deadlines
from tests.serving.harness import (
    GET,
    HASTY,
    Echo,
    Server,
    await_condition,
    parse,
    read_answer,
    running_server,
    statuses,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


def get(target: bytes = b"/hello", *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET %s HTTP/1.1" % target, b"Host: a", *headers, b"", b""])


def test_a_target_of_8_kib_is_served_and_a_longer_one_is_414(server: Server) -> None:
    """The limit is exact, and a refusal is a sentence that may not be stored, dated, and the last word."""
    longest = b"/" + b"a" * 8191
    assert statuses(server.talk(get(longest, b"Connection: close"))) == [200]
    server.talk(get(), get(b"/hello", b"Connection: close"))  # the headers are known from now on
    seen = parse(server.talk(get(longest + b"a")))
    assert (seen.status, seen.body) == (414, b"The request target is longer than 8192 bytes\n")
    assert seen.headers.pop("date").endswith(" GMT")
    assert seen.headers == {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(seen.body)),
        "connection": "close",
    }
    assert server.reasons[-1] == "target"


def test_16_kib_of_headers_are_served_and_more_are_431(server: Server) -> None:
    """Names, values, and four bytes for each count, whether they arrive at once or in two parts."""
    rest = len(b"host") + len(b"a") + 4 + len(b"connection") + len(b"close") + 4 + len(b"x") + 4
    fits = get(b"/hello", b"Connection: close", b"X: " + b"x" * (16384 - rest))
    assert statuses(server.talk(fits)) == [200]
    assert statuses(server.talk(fits[:9000], fits[9000:])) == [200]
    too_large = fits.replace(b"X: ", b"X: x")
    assert statuses(server.talk(too_large)) == [431]
    assert statuses(server.talk(too_large[:9000], too_large[9000:])) == [431]
    assert server.reasons[-2:] == ["headers", "headers"]


def test_100_headers_are_served_and_more_are_431(server: Server) -> None:
    """Host and Connection are two of them."""
    headers = [b"X: %d" % number for number in range(98)]
    assert statuses(server.talk(get(b"/hello", b"Connection: close", *headers))) == [200]
    assert statuses(server.talk(get(b"/hello", b"Connection: close", b"X: y", *headers))) == [431]


@pytest.mark.parametrize(
    "headers",
    [b"a:\r\n" * 60_000, b"Host: " + b"a" * 200_000 + b"\r\n", b"Accept: " + b"a;," * 60_000 + b"\r\n"],
    ids=["many", "host", "accept"],
)
def test_no_header_beyond_the_limits_is_looked_at(headers: bytes) -> None:
    """A read may bring 256 KiB of headers: those beyond the limits are neither kept nor understood."""
    reader = RequestReader(lambda _: 0, {})
    before = is_authority.cache_info().misses
    with pytest.raises(httptools.HttpParserCallbackError) as error:
        reader.feed(b"GET /hello HTTP/1.1\r\n" + headers + b"\r\n")
    assert refusal_of(error.value, b"") is HEADERS
    assert (len(reader.accept), is_authority.cache_info().misses) == (0, before)
    assert len(reader._headers) <= MOST_HEADERS


def test_a_request_that_was_answered_is_not_kept() -> None:
    """An idle connection does not hold the bytes of its last request."""
    reader = RequestReader(lambda _: 0, {})
    part = get(b"/hello", b"X: " + b"x" * 16_000)
    before = sys.getrefcount(part)
    reader.feed(part)
    assert reader.request is not None
    assert reader.request.raw == part
    reader.request = None
    assert sys.getrefcount(part) == before


def test_a_long_pipeline_is_no_large_head(server: Server) -> None:
    """Many small requests in one write are not taken for one head, nor is the part of one that ends it."""
    requests = GET * 2000 + GET[:-2]
    with server.connect() as sock:
        sock.sendall(requests)
        for _ in range(2000):
            assert read_answer(sock).startswith(b"HTTP/1.1 200")
        sock.sendall(b"\r\n")
        assert read_answer(sock).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("head", "drip", "status"),
    [
        (b"GET /", b"a" * 500, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a" * 500, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX", b"a" * 500, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n", 431),
    ],
    ids=["target", "value", "name", "many"],
)
def test_a_head_without_end_is_refused_early(server: Server, head: bytes, drip: bytes, status: int) -> None:
    """What arrives in drips is counted before it is complete: no more than the limits are taken in."""
    with server.connect() as sock:
        sock.sendall(head)
        sent = len(head)
        sock.settimeout(0.002)
        answer = b""
        while sent < 60_000 and not answer:
            sock.sendall(drip)
            sent += len(drip)
            with contextlib.suppress(TimeoutError):
                answer = sock.recv(1000)
    assert statuses(answer) == [status]
    assert sent < 40_000


def test_a_body_of_get_is_ignored(server: Server) -> None:
    """A moderate one is skipped, and the connection stays."""
    body = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
    framed = b"GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    with server.connect() as sock:
        for _ in range(3):
            sock.sendall(framed + body)
            assert parse(read_answer(sock)).body == b""
        sock.sendall(GET)
        assert parse(read_answer(sock)).body == b"/hello"
    assert b"/smuggled" not in server.seen


def test_a_large_body_of_get_ends_the_connection_and_loses_no_answer(server: Server) -> None:
    """The answer says so, and is read even by a client that sends all of its body first."""
    body = bytes(1 << 20)
    framed = b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    seen = parse(server.talk(framed, body, GET))
    assert (seen.status, seen.headers["connection"], seen.body) == (200, "close", b"/hello")


def test_chunks_of_get_are_ignored_within_limits(server: Server) -> None:
    """As much as 64 KiB; with more the connection ends after the answer."""
    head = b"GET /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    with server.connect() as sock:
        sock.sendall(head + chunk * 3 + b"0\r\n\r\n" + GET)
        assert [parse(read_answer(sock)).body for _ in range(2)] == [b"/hello", b"/hello"]
    assert statuses(server.talk(head, *[chunk] * 50)) == [200]


def test_an_unread_body_of_post_ends_the_connection(server: Server) -> None:
    """The app has answered without it: 64 KiB are skipped, more are not."""
    head = b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    with server.connect() as sock:
        sock.sendall(head)
        assert parse(read_answer(sock)).body == b"/hello"
        sock.sendall(bytes(100_000))
        assert sock.recv(1) == b""


def test_a_body_that_is_read_may_be_large(server: Server) -> None:
    """An app gets all of a body, with a length or in chunks of one byte."""
    body = b"x" * 1_000_000
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    assert parse(server.talk(head + b"Content-Length: %d\r\n\r\n" % len(body), body)).body == body
    chunks = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    assert parse(server.talk(head + b"Transfer-Encoding: chunked\r\n\r\n", chunks)).body == b"x" * 100_000


@pytest.mark.parametrize(
    ("begin", "drip"),
    [(b"1;", b"a" * 5000), (b"1\r\nx\r\n0\r\nX: ", b"a" * 5000), (b"1\r\nx\r\n0\r\n", b"X: y\r\n" * 800)],
    ids=["extension", "trailer", "trailers"],
)
def test_chunk_heads_and_trailers_without_end_are_refused(server: Server, begin: bytes, drip: bytes) -> None:
    """They are no body, and nobody needs as many."""
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert statuses(server.talk(head, begin, *[drip] * 150)) == [400]
    assert server.reasons[-1] == "chunks"


async def test_a_body_in_many_parts_does_not_hold_the_server() -> None:
    """Each empty line in a chunk ends a part: of 60,000 in one read, a turn looks at those that it has time for."""

    class Counting(Echo):
        def answer(self, request: Request) -> Reply:
            return Reply(200, b"", b"%d" % len(request.body))

    loop = asyncio.get_running_loop()
    server = RealServer(Counting(Server(0, loop, set(), asyncio.Event(), threading.current_thread())), Deadlines())
    connection = Connection(server, loop)
    transport = Mock(spec=asyncio.Transport, is_closing=lambda: False)
    connection.connection_made(transport)
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"\r\n\r\n" * 60_000
    connection.data_received(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    turns = 1
    while connection.unread:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    assert parse(transport.write.call_args.args[0]).body == b"%d" % len(body)
    connection.connection_lost(None)


def test_trailers_are_no_headers(server: Server) -> None:
    """What follows a body does not pass for a header of the request, nor of the next one."""
    trailed = (
        b"POST /headers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: b\r\n\r\n"
        b"GET /headers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    answers = server.talk(trailed)
    assert statuses(answers) == [200, 200]
    assert b"uthorization" not in answers


def test_a_client_that_floods_is_answered_in_turn() -> None:
    """Behind a slow request no more is read than one read: the requests of a flood do not pile up."""
    with running_server(HASTY) as server, server.connect() as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.settimeout(0.2)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                sent += sock.send(GET * 1000)
        (connection,) = server.connections
        most = len(connection.unread) // len(GET)
        assert sent < 64 << 20
        assert 0 < most < (512 << 10) / len(GET)
        server.open_gate()
        sock.settimeout(10)
        sock.shutdown(socket.SHUT_WR)
        await_condition(lambda: len(server.seen) > most, "the pipeline is answered")


def test_a_flood_of_bodies_is_answered_in_turn() -> None:
    """An app that receives its body lets in no more of the requests that wait behind it."""
    post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    requests, most = 15_000, (512 << 10) // len(post)
    with running_server() as server, server.connect() as sock:
        sock.sendall(post)
        answer = read_answer(sock)
        (connection,) = server.connections
        flood = threading.Thread(target=sock.sendall, args=(post * requests,))
        flood.start()
        waiting = []
        left = requests * len(answer)
        while left:
            left -= len(sock.recv(min(left, 1 << 16)))
            waiting.append(len(connection.unread) // len(post))
        flood.join()
    assert max(waiting) < most
