"""The request reader: takes apart what arrives on one connection, and is strict about how requests are framed.

llhttp, the parser beneath, refuses most of what is dangerous by itself: two lengths, a length beside chunks, folded
headers, space before a colon, bare LF, bad chunks. The gaps are closed here:

    - codings other than chunked
    - chunks in HTTP/1.0
    - no Host, two, or one that is no authority (RFC 9110, 7.2; RFC 3986, 3.2)
    - trailers that pose as headers
    - versions of HTTP, and other protocols, that llhttp lets pass
    - what follows an upgrade: it is ignored, and HTTP/1.1 goes on

What was parsed once is not parsed again: a client sends the same headers with each request, so the headers of whole
requests without a body are remembered, and behind a simple request line the same bytes mean the same.

The parser is given parts that end where a head or a body may end, so one part never holds the end of one request and
the head of the next. Requests that wait for their turn are therefore bytes, not objects.

Memory that a connection can hold while its head is incomplete: one read (up to 256 KiB), plus what the limits allow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Final
from urllib.parse import unquote

import httptools

from switchboard.serving import refusals
from switchboard.serving.budget import BodyBudget
from switchboard.serving.message import Headers, Request
from switchboard.serving.refusals import MOST_HEADER_BYTES, MOST_HEADERS, MOST_TARGET_BYTES, Refused, too_large

IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2

MOST_UNREAD_BYTES = 64 << 10
"""Most bytes of a body that nobody reads; a client that sends more is answered, and has to connect again."""
MOST_FRAMING_BYTES = 16 << 10
"""Limit for chunk heads and trailers. Eight bytes more are allowed per byte of body, so chunks may have one byte."""
END = b"\r\n\r\n"
_REQUEST_LINE_BYTES = 64
"""Most bytes of method, version and separators."""
_PROTOCOL_BYTES = len(b" HTTP/1.1\r\n")
_MOST_LENGTH_BYTES = 64
"""Longest Content-Length, as text: leading zeros may make it longer than Python takes for a number."""
_PARSED_TRAILERS = frozenset({b"connection", b"proxy-connection"})
"""Trailers that the parser takes for headers: it would refuse the next request."""


class RequestReader:
    """Reads the requests of one connection, one after the other.

    ``body_limit`` says how much of a request's body is wanted; 0: nothing. ``known`` are the headers that all readers
    of a server remember, by their bytes; ``budget`` is what their bodies may take together. The methods ``on_…`` are
    called by the parser.
    """

    __slots__ = (
        "_body", "_body_bytes", "_body_limit", "_body_parser", "_budget", "_framed", "_framing_bytes", "_head_bytes",
        "_headers", "_hosts", "_known", "_left", "_limit", "_parser", "_pending", "_protocol", "_raw", "_tail", "_url",
        "excess", "keep_alive", "phase", "request", "version_1_1", "wants_continue",
    )  # fmt: skip

    def __init__(
        self, body_limit: Callable[[Request], int], known: dict[bytes, Headers], budget: BodyBudget | None = None
    ) -> None:
        self.phase = IDLE
        """What the next byte belongs to. IDLE: to a request of which nothing has arrived."""
        self.request: Request | None = None
        """The request that can be answered now; whoever answers it sets this to None."""
        self.keep_alive = True
        """Whether the client wants another answer on its connection, after that to the current request."""
        self.version_1_1 = True
        """Whether the current request is of HTTP/1.1, which has chunks, and not of HTTP/1.0."""
        self.wants_continue = False
        """Whether the client waits for ``100 Continue`` before it sends a body that is wanted."""
        self.excess = False
        """Whether the answer to the current request is the last, because more body is to come than is read for nothing,
        or perhaps none at all: the client waits for ``100 Continue``, which it does not get."""
        self._body_limit = body_limit
        self._known = known
        self._budget = BodyBudget() if budget is None else budget
        self._body = bytearray()
        """What has arrived of the body of the pending request; counted in the budget."""
        self._pending: Request | None = None
        """The request that cannot be answered before its body is there."""
        self._left = -1
        """Bytes of the body that are still to come; -1: it comes in chunks."""
        self._parser = httptools.HttpRequestParser(self)
        self._body_parser: httptools.HttpRequestParser | None = None
        self._tail = b""
        """The last bytes of an unfinished head or body, if an end may have begun in them."""
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers = Headers()
        self._hosts = self._head_bytes = 0
        self._protocol = b""
        """The last bytes of the request line, as far as it has arrived. Complete, they are `` HTTP/1.1`` and CRLF."""
        self._framed = False
        """Whether the headers announce a body."""

    @property
    def is_awaited(self) -> bool:
        """Whether a request has arrived in part, and has not been answered."""
        return self.phase == HEAD or self._pending is not None

    @property
    def is_head(self) -> bool:
        """Whether the method of the current request, as far as it is known, is HEAD."""
        return bool(self._url) and self._parser.get_method() == b"HEAD"

    @property
    def accept(self) -> bytes:
        """The Accept header of the current request, as far as it has arrived."""
        return b", ".join(value for name, value in self._headers if name == b"accept")

    def end_of_part(self, data: bytes, at: int) -> int:
        """Where the part that begins at ``at`` ends: at the next end of a head or body, or with the data."""
        if self.phase == BODY and self._left >= 0:
            return min(len(data), at + self._left)
        before = self._tail
        if before:
            split = (before + data[at : at + 3]).find(END)
            if split >= 0:
                self._tail = b""
                return at + split + 4 - len(before)
        found = data.find(END, at)
        if found >= 0:
            self._tail = b""
            return found + 4
        self._tail = (before + data[max(at, len(data) - 3) :])[-3:]
        return len(data)

    def feed(self, part: bytes) -> None:
        """Read one part. Raises Refused, and HttpParserError."""
        if self.phase == IDLE:
            if len(part) <= MOST_TARGET_BYTES and self._is_known(part):
                return
            part = part.lstrip(b"\r\n")  # empty lines before a request are ignored (RFC 9112, 2.2)
            if not part:
                return
        parser = self._parser
        if self.phase == BODY:
            self._framing_bytes += len(part)
            if self._body_parser is not None:
                parser = self._body_parser
        else:
            if self.phase == IDLE:
                self._begin()
                self.phase = HEAD
                self._raw = part
            else:
                self._raw = b""
            self._head_bytes += len(part)
            if not self._protocol.endswith(b"\r\n"):
                end = part.find(b"\n") + 1 or len(part)
                self._protocol = (self._protocol + part[max(0, end - _PROTOCOL_BYTES) : end])[-_PROTOCOL_BYTES:]
        try:
            parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            assert self.phase != HEAD  # nothing else is spoken here: HTTP/1.1 goes on behind the part
        if self.phase != IDLE:
            self._check_unfinished()

    def _is_known(self, part: bytes) -> bool:
        """Whether a part is a whole request with headers that are remembered; it is read then."""
        line = _SIMPLE_LINE.match(part)
        headers = None if line is None else self._known.get(part[line.end() :])
        if line is None or headers is None:
            return False
        method, path, query = line.groups()
        self._headers = headers
        self.keep_alive = self.version_1_1 = True
        self.excess = False
        self.request = Request(method.decode(), path.decode(), query or b"", headers, b"", part)
        return True

    def _remember(self, request: Request) -> None:
        line = _SIMPLE_LINE.match(request.raw)
        if line is not None and len(request.raw) - line.end() <= _LONGEST_KNOWN_BYTES:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()  # those of clients that are there come back at once
            self._known[request.raw[line.end() :]] = request.headers

    def close(self) -> None:
        """Let go of the body, and of the parser, which refers to this object."""
        self._drop_body()
        del self._parser
        self._body_parser = None

    # What the parser finds

    def on_url(self, url: bytes) -> None:
        """Collect the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header, and what decides about framing."""
        name = name.lower()
        if self.phase == BODY:
            if name in _PARSED_TRAILERS:
                raise Refused(refusals.MALFORMED)
            return  # a trailer: what follows a body must not pass for a header
        if self._head_bytes > MOST_HEADER_BYTES:
            self._check_size(len(name) + len(value) + 4)
        self._headers.append((name, value))
        if name == b"host":
            self._hosts += 1
            if not is_authority(value.strip(b" \t")):
                raise Refused(refusals.BAD_HOST)
        elif name == b"content-length":
            self._framed = True
            if len(value) > _MOST_LENGTH_BYTES:
                raise Refused(refusals.MALFORMED)
        elif name == b"transfer-encoding":
            self._framed = True
            if value.strip(b" \t").lower() != b"chunked":
                raise Refused(refusals.FRAMING)

    def on_headers_complete(self) -> None:
        """Check the head, and make a request of it."""
        if self.phase != HEAD or self.request is not None:
            raise Refused(refusals.MALFORMED)  # two requests in one part: `end_of_part` rules that out
        method = self._parser.get_method()
        self._check_head(method)
        url = self._url if self._url.startswith(b"/") else _path_of(self._url)
        path, _, query = url.partition(b"#")[0].partition(b"?")
        text = path.decode("ascii")
        raw = self._raw if self.keep_alive and not self._framed else b""
        self._raw = b""
        request = Request(method.decode(), unquote(text) if "%" in text else text, query, self._headers, b"", raw)
        self.phase = BODY
        self._left = -1
        self._pending = request
        self.excess = self.wants_continue = False
        if self._framed:
            self._expect_body(request)
        else:
            self.request, self._pending = request, None
            if raw:
                self._remember(request)

    def _check_head(self, method: bytes) -> None:
        """Raise Refused for a head that is complete and not acceptable."""
        self._check_size()
        if method == b"CONNECT":
            raise Refused(refusals.METHOD)
        version = self._parser.get_http_version()
        self.version_1_1 = version == "1.1"
        self.keep_alive = self.version_1_1 and self._parser.should_keep_alive()
        if self._protocol[:6] != b" HTTP/":
            raise Refused(refusals.VERSION)
        if not self.version_1_1:
            if version != "1.0":
                raise Refused(refusals.VERSION)
            if any(name == b"transfer-encoding" for name, _ in self._headers):
                raise Refused(refusals.FRAMING)
        if self._hosts != 1 and (self.version_1_1 or self._hosts):
            raise Refused(refusals.HOST)

    def _check_size(self, more: int = 0) -> None:
        """Raise Refused for a target or headers that are too long; ``more``: bytes of a header that is to come next."""
        if len(self._url) > MOST_TARGET_BYTES:
            raise Refused(refusals.TARGET)
        if len(self._headers) + (more > 0) > MOST_HEADERS or (
            self._head_bytes > MOST_HEADER_BYTES
            and sum(len(name) + len(value) + 4 for name, value in self._headers) + more > MOST_HEADER_BYTES
        ):
            raise Refused(refusals.HEADERS)

    def _expect_body(self, request: Request) -> None:
        """Set out to read, or to skip, the body that the head announces. Raises Refused (413)."""
        self._framing_bytes = self._body_bytes = 0
        length = request.header(b"content-length")
        if length:
            self._left = int(length)  # llhttp has seen to it that there is one, a number
        self._limit = self._body_limit(request)
        waits = self.version_1_1 and request.header(b"expect").strip(b" \t").lower() == b"100-continue"
        if not self._limit:
            self.request, self._pending = request, None
            # A client that waits for 100 Continue may send its body after the answer, or its next request.
            self.excess = self._left > MOST_UNREAD_BYTES or (waits and self._left != 0)
        else:
            if self._left > self._limit:
                raise Refused(too_large(self._limit))
            self.wants_continue = waits
        # llhttp takes the body of a request with an upgrade for another protocol, so a parser that has seen none
        # reads it.
        self._body_parser = None
        if self._parser.should_upgrade():
            calls = SimpleNamespace(on_body=self.on_body, on_message_complete=self._complete)
            self._body_parser = httptools.HttpRequestParser(calls)
            framing = b"content-length: " + length if length else b"transfer-encoding: chunked"
            self._body_parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n\r\n" % framing)

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body, if the answer depends on it. Raises Refused (413, 503)."""
        size = len(body)
        self._body_bytes += size
        self._framing_bytes -= size
        if self._left >= 0:
            self._left -= size
        if self._pending is not None:
            if self._body_bytes > self._limit:
                raise Refused(too_large(self._limit))
            if not self._budget.take(size):
                self._drop_body()
                raise Refused(refusals.BODIES)
            self._body += body

    def on_message_complete(self) -> None:
        """The request is complete, but for a body that another parser reads."""
        if not self._framed or self._body_parser is None:
            self._complete()

    def _complete(self) -> None:
        self.phase = IDLE
        if self._framed:
            self._body_parser = None
            self.wants_continue = False
            if self._pending is not None:
                self.request, self._pending = self._pending, None
                self.request.body = bytes(self._body)
                self._drop_body()

    def _drop_body(self) -> None:
        self._budget.give_back(len(self._body))
        self._body = bytearray()

    def _check_unfinished(self) -> None:
        """Bound what an incomplete request may have sent. Raises Refused."""
        if self.phase == HEAD:
            if len(self._url) > MOST_TARGET_BYTES:
                raise Refused(refusals.TARGET)
            most = len(self._url) + _REQUEST_LINE_BYTES + MOST_HEADER_BYTES
            if self._head_bytes > most or len(self._headers) > MOST_HEADERS:
                raise Refused(refusals.HEADERS)
            return
        if self._framing_bytes > MOST_FRAMING_BYTES + 8 * self._body_bytes:
            raise Refused(refusals.CHUNKS)
        if self._pending is None and self._body_bytes > MOST_UNREAD_BYTES:
            self.excess = True


@lru_cache(256)
def is_authority(host: bytes) -> bool:
    """Whether a Host header names a host, with or without a port (RFC 3986, 3.2.2 and 3.2.3)."""
    found = _AUTHORITY.fullmatch(host)
    return found is not None and (not found[1] or int(found[1]) <= _LARGEST_PORT)


def _path_of(url: bytes) -> bytes:
    """Path and query of a target in absolute form (RFC 9112, 3.2.2). Raises HttpParserError."""
    parsed = httptools.parse_url(url)
    if parsed.path:
        return parsed.path + (b"?" + parsed.query if parsed.query else b"")
    return b"/?" + parsed.query if parsed.query else b"/"


_MOST_KNOWN = 256
_LONGEST_KNOWN_BYTES = 1 << 10
_SIMPLE_LINE = re.compile(rb"(GET|HEAD) (/[0-9A-Za-z/_.-]*)(?:\?([!-\x22\x24-~]*))? HTTP/1\.1\r\n")
"""A request line that needs no decoding and has no fragment."""
_LARGEST_PORT = 65535
_AUTHORITY = re.compile(
    rb"(?:(?:[0-9A-Za-z._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+|\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[0-9A-Za-z._~:-]+)\])"
    rb"(?::([0-9]{0,5}))?"
)
