"""What a server and its connections exchange: requests, replies, and the service that makes one of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from http import HTTPStatus
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl

import msgspec

from switchboard.serving.refusals import Refusal

Header = tuple[bytes, bytes]
Body = bytes | Iterator[bytes] | AsyncIterator[bytes]


class Headers(list[Header]):
    """The headers of a request. Names are in lower case; a repeated header is there as often as it was sent."""

    __slots__ = ("meaning",)

    def __init__(self, headers: Iterable[Header] = ()) -> None:
        super().__init__(headers)
        self.meaning: tuple[bytes, ...] | None = None
        """What a service has read in them. Equal headers of later requests may be this object, and need no reading."""


class Request(msgspec.Struct, gc=False):
    """One request. ``gc=False``: as in ``Reply``."""

    method: str
    path: str
    """Without percent-escapes; bytes that are not UTF-8 are replaced."""
    query: bytes
    """What follows the ``?``, as it was sent."""
    headers: Headers
    body: bytes = b""
    """Empty, unless the service wants the body of this request."""
    raw: bytes = b""
    """The whole request as it was sent, if whoever sends the same bytes again may be given the same bytes: it came in
    one piece, and has neither a body nor the end of its connection in it. Else empty."""

    def header(self, name: bytes) -> bytes:
        """The value of a header, whose name is in lower case; repeated ones are joined by commas. Empty: not sent."""
        return b", ".join(value for known, value in self.headers if known == name)

    def parameters(self) -> list[tuple[str, str]]:
        """Names and values of the query, without escapes; a repeated name is there as often as it was sent."""
        return parse_qsl(self.query.decode("latin-1"), keep_blank_values=True)


class Reply(msgspec.Struct, gc=False):
    """What is sent for one request.

    A body that is an iterator is sent piece by piece, no faster than the client takes it. ``gc=False``: replies are
    made for every request, and nothing that they hold refers to them.
    """

    status: int
    lines: bytes
    """Header lines, each with its CRLF. Without Date, Content-Length, Connection and Transfer-Encoding: those are
    written by the connection."""
    body: Body = b""
    close: bool = False
    """Whether the connection ends after this reply."""
    length: int | None = None
    """Announced length of an iterator's body; None: it is sent in chunks. If the body ends early, so does the
    connection."""
    endless: bool = False
    """Whether a body has no end of its own, so that its duration is not bounded. Silence of the client still is."""
    label: str = ""
    """Under which endpoint the reply is counted."""


class ReadyReply(NamedTuple):
    """A reply that is bytes already, all but its first line and the date. Its connection goes on after it."""

    status: int
    rest: bytes
    sent: Callable[[float], None]
    """Called each time it was sent, with the seconds that took."""


class Service(Protocol):
    """What answers the requests of a server. No method may raise, and none but an awaited answer may take long."""

    def ready(self, head: bytes) -> ReadyReply | None:
        """The reply that is at hand for exactly these bytes, which end with an empty line; None: parse them."""

    def body_limit(self, request: Request) -> int:
        """Most bytes of the body that the answer depends on; 0: it depends on none, and need not wait for it."""

    def answer(self, request: Request) -> Reply | ReadyReply | Awaitable[Reply]:
        """The reply to a request that is well-formed; a ReadyReply only if ``raw`` is not empty."""

    def refuse(self, refusal: Refusal, accept: bytes) -> Reply:
        """The reply to a request that never reaches ``answer``; ``accept`` is its Accept header as far as known."""

    def done(self, request: Request, reply: Reply, seconds: float, cut: str = "") -> None:
        """Called after each reply of ``answer`` but those that are ready, and after a 500 or 503 in its place.

        ``cut``: why it was not sent to its end; empty: it was. A request that is refused while it is read never comes
        here, only to ``refused``.
        """

    def refused(self, reason: str) -> None:
        """Called with the reason of each refusal, and of each connection that is given up or not taken."""


class Cut(Exception):
    """Raised by a body to end the connection at this place, without the end that the body should have."""


def lines_of(headers: Iterable[Header]) -> bytes:
    """Headers as lines."""
    return b"".join([b"%s: %s\r\n" % header for header in headers])


def text_reply(status: int, text: str, headers: Iterable[Header] = (), media_type: bytes = b"text/plain") -> Reply:
    """A reply whose body is text."""
    content_type = (b"content-type", media_type + b"; charset=utf-8")
    return Reply(status, lines_of([*headers, content_type]), text.encode())


NO_STORE: Header = (b"cache-control", b"no-store")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES = {status: f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode() for status in range(100, 600)}
"""By status. One that HTTP does not name has an empty phrase."""
BODILESS = frozenset({204, 304})
"""Statuses whose replies have neither body nor length."""
