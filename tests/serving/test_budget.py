"""Bodies that arrive: what all connections together may hold of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest

from switchboard.serving import server as server_module
from switchboard.serving.budget import BodyBudget
from tests.serving.harness import GET, Server, await_condition, parse, read_answer, read_to_end, running_server

MOST = 150_000
PART = b"x" * 60_000
LENGTH = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKS = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n"


@pytest.fixture
def budget() -> BodyBudget:
    return BodyBudget(MOST)


@pytest.fixture
def server(budget: BodyBudget) -> Iterator[Server]:
    with patch.object(server_module, "BodyBudget", lambda: budget), running_server() as running:
        yield running


@pytest.mark.parametrize("head", [LENGTH % (2 * len(PART)), CHUNKS % (2 * len(PART))], ids=["length", "chunks"])
def test_bodies_beyond_the_budget_are_503(server: Server, budget: BodyBudget, head: bytes) -> None:
    """However they are framed. Whoever has no body is served, and so are short ones that find room."""
    with server.connect() as first:
        first.sendall(head + PART)
        await_condition(lambda: budget.left == MOST - len(PART), "a half has arrived")
        seen = parse(server.talk(head + PART + PART[:40_000]))
        assert (seen.status, seen.headers["retry-after"], seen.headers["connection"]) == (503, "10", "close")
        assert server.reasons == ["bodies"]
        with server.connect() as other:
            other.sendall(GET + LENGTH % 3 + b"abc")
            assert [parse(read_answer(other)).body for _ in range(2)] == [b"/hello", b"abc"]
        first.sendall(PART + (b"\r\n0\r\n\r\n" if b"chunked" in head else b""))
        assert parse(read_answer(first)).body == 2 * PART
    assert budget.left == MOST


def _reset(server: Server, budget: BodyBudget) -> None:
    with server.connect() as sock:
        sock.sendall(LENGTH % (len(PART) + 1) + PART)
        await_condition(lambda: budget.left < MOST, "a part has arrived")


def _malformed(server: Server, budget: BodyBudget) -> None:
    assert parse(server.talk(CHUNKS % 50_000 + b"x" * 50_000 + b"no end of a chunk")).status == 400


def _too_long(server: Server, budget: BodyBudget) -> None:
    with server.connect() as sock:
        sock.sendall(CHUNKS % 70_000 + PART)
        await_condition(lambda: budget.left < MOST, "a part has arrived")
        with contextlib.suppress(OSError):
            sock.sendall(b"x" * 10_000 + b"\r\n%x\r\n" % (2 << 20) + bytes(2 << 20))
        assert parse(read_to_end(sock)).status in {413, 503}


@pytest.mark.parametrize("end", [_reset, _malformed, _too_long])
def test_what_is_thrown_away_makes_room(
    server: Server, budget: BodyBudget, end: Callable[[Server, BodyBudget], None]
) -> None:
    """A body that never becomes whole is given back with its connection."""
    end(server, budget)
    await_condition(lambda: budget.left == MOST, "all is given back")


def test_a_body_that_nobody_reads_needs_no_room(server: Server, budget: BodyBudget) -> None:
    """It is not held, so it is not counted."""
    with server.connect() as sock:
        sock.sendall(b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n" + b"x" * 49_999)
        assert parse(read_answer(sock)).status == 200
        assert budget.left == MOST
