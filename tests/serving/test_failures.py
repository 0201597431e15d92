"""What a service does wrong, and what becomes of the connection: nobody waits for an answer that does not come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import structlog

from switchboard.serving.message import Body, Cut, ReadyReply, Reply, Request
from tests.serving.harness import GET, Echo, await_condition, read_to_end, running_server, statuses


def raises(error: BaseException) -> Callable[[], Reply]:
    def fail() -> Reply:
        raise error

    return fail


def pieces(error: BaseException | None = None, count: int = 2, piece: bytes = b"piece") -> Iterator[bytes]:
    for _ in range(count):
        yield piece
    if error is not None:
        raise error


async def pieces_later(error: BaseException) -> AsyncIterator[bytes]:
    for piece in pieces():
        yield piece
        await asyncio.sleep(0)
    raise error


def serving(make: Callable[[], Reply], *, at_the_end: BaseException | None = None) -> type[Echo]:
    """A service that answers what ``make`` makes, after a moment; ``at_the_end`` is raised once that is done."""

    class Failing(Echo):
        def answer(self, request: Request) -> Reply | Awaitable[Reply]:
            self.server.seen.append(request.path.encode())
            return self.later()

        async def later(self) -> Reply:
            await asyncio.sleep(0.001)
            return make()

        def done(self, request: Request | None, reply: Reply | ReadyReply, seconds: float, cut: str = "") -> None:
            super().done(request, reply, seconds, cut)
            if at_the_end is not None:
                raise at_the_end

    return Failing


@pytest.mark.parametrize(
    ("service", "error"),
    [
        (serving(raises(asyncio.CancelledError())), ""),
        (serving(lambda: Reply(200, b"", pieces_later(asyncio.CancelledError()))), ""),
        (serving(lambda: Reply(999, b"", b"")), "KeyError(999)"),
        (serving(lambda: Reply(200, b"", b""), at_the_end=LookupError("planted")), "LookupError('planted')"),
    ],
    ids=["cancelled", "cancelled within a stream", "unknown status", "failed to count"],
)
def test_a_reply_that_fails_ends_the_connection(service: type[Echo], error: str) -> None:
    """The client hears of the end at once, though another request is behind. The log names the error, if any."""
    with structlog.testing.capture_logs() as logs, running_server(service=service) as server:
        with server.connect() as sock:
            sock.sendall(GET + GET)
            sock.settimeout(5)
            with contextlib.suppress(ConnectionError):
                read_to_end(sock)
        await_condition(lambda: not server.connections, "the connection is gone")
    assert [(line["event"], repr(line["exc_info"])) for line in logs] == [("reply failed", error)] * bool(error)
    assert server.seen == [b"/hello"]


@pytest.mark.parametrize(
    ("body", "length", "cut", "logged"),
    [
        (pieces, None, "", 0),
        (lambda: pieces(LookupError("planted")), None, "failed", 1),
        (lambda: pieces_later(LookupError("planted")), None, "failed", 1),
        (lambda: pieces(TimeoutError("planted")), None, "failed", 1),
        (lambda: pieces(Cut()), None, "wanted", 0),
        (pieces, 10, "", 0),
        (pieces, 11, "short", 0),
        (pieces, 9, "long", 0),
        (lambda: pieces(count=0), None, "", 0),
        (lambda: pieces(piece=b""), 0, "", 0),
    ],
)
def test_a_body_is_what_was_announced(body: Callable[[], Body], length: int | None, cut: str, logged: int) -> None:
    """Never more bytes than its length; a body that fails or ends early does not look complete."""
    service = serving(lambda: Reply(200, b"", body(), length=length))
    with structlog.testing.capture_logs() as logs, running_server(service=service) as server:
        answers = server.talk(GET + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert statuses(answers) == ([200] if cut else [200, 200])
    assert server.done[0] == (200, cut)
    _, _, sent = answers.partition(b"\r\n\r\n")
    if cut and length is None:
        assert not sent.endswith(b"0\r\n\r\n")
    elif length is not None:
        assert len(sent.partition(b"HTTP/")[0]) == min(length // 5 * 5, 10)
    assert [line["event"] for line in logs] == ["stream failed"] * logged


def test_a_body_without_bytes_does_not_hold_the_server() -> None:
    """Others are served between the empty pieces of an iterator that has no end."""

    class Empty(Echo):
        def answer(self, request: Request) -> Reply | Awaitable[Reply]:
            if request.path != "/empty":
                return super().answer(request)
            self.server.seen.append(b"/empty")
            return Reply(200, b"", pieces(count=100_000_000, piece=b""))

    with running_server(service=Empty, drain_seconds=0.1) as server, server.connect() as sock:
        sock.sendall(GET.replace(b"/hello", b"/empty"))
        await_condition(lambda: server.seen, "it is asked for")
        answer = server.talk(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert statuses(answer) == [200]
