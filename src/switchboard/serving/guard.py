"""The guard: adds deadlines, limits, strict framing and precise errors to uvicorn's HTTP protocol.

llhttp, the parser beneath, refuses most of what is dangerous by itself: two lengths, a length beside chunks, folded
headers, space before a colon, bare LF, bad chunks. The gaps are closed here:

    - codings other than chunked
    - chunks in HTTP/1.0
    - no Host, or two
    - trailers that pose as headers
    - versions of HTTP that llhttp lets pass
    - what follows an upgrade

A refusal waits for the answers to earlier requests on its connection, and ends the connection. There is no timer per
request: a connection sets ``deadline``, and the sweep calls it when the deadline has passed.

Memory that a connection can hold while its head is incomplete: one read (up to 256 KiB), plus what the limits allow.
"""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Sized
from typing import Any, ClassVar, Final, cast

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from switchboard.serving import refusals
from switchboard.serving.refusals import (
    MOST_HEADER_BYTES,
    MOST_HEADERS,
    MOST_TARGET_BYTES,
    Refusal,
    Refused,
    count_nothing,
    plain_refusal,
)
from switchboard.serving.sweep import Deadlines
from switchboard.serving.verdict import verdict_on

IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2

MOST_UNREAD_BYTES = 64 << 10
"""Most bytes of a body that nobody reads; a client that sends more is answered, and has to connect again."""
MOST_FRAMING_BYTES = 16 << 10
"""Limit for chunk heads and trailers. Eight bytes more are allowed per byte of body, so chunks may have one byte."""
_REQUEST_LINE_BYTES = 64
"""Most bytes of method, version and separators."""

log = structlog.get_logger()


class GuardedProtocol(HttpToolsProtocol):
    """A connection under guard.

    A subclass may replace ``refusal``, which makes headers and body from (status, sentence, Accept), and ``refused``,
    which is told the reason of each refusal. A subclass that answers without the parser has to set
    ``active_at`` itself.
    """

    refusal = staticmethod(plain_refusal)
    refused = staticmethod(count_nothing)

    _no_deadlines: ClassVar = Deadlines()

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.deadlines: Deadlines = getattr(server_state, "deadlines", self._no_deadlines)
        self.active_at = self.loop.time()
        """When the client last showed life, by the clock of the event loop."""
        self.deadline = self.active_at + self.deadlines.idle
        """When the sweep is to call ``overdue``; too early is harmless."""
        self.phase = IDLE
        """What the next byte belongs to. IDLE: to a request of which nothing has arrived."""
        self.framed = False
        """Whether the headers of the current request announce a body."""
        self.deaf = False
        """Whether all that still arrives is thrown away, because the connection ends."""
        self.url = b""
        self.headers = []
        self._began_at = 0.0
        self._read_bytes = 0
        self._head_bytes = 0
        """Bytes of all reads that began while this head was incomplete, or with it."""
        self._framing_bytes = 0
        """Bytes of all reads that began while this body was incomplete, less those of the body itself."""
        self._body_bytes = 0
        self._hosts = 0
        self._lingering = False
        self._pending: Refusal | None = None  # until the answers to earlier requests are sent

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Begin a connection."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)

    # What arrives

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; refuse what is wrong, too much, or makes us fail."""
        if self.deaf:
            return
        self.active_at = self.loop.time()
        self._read_bytes = len(data)
        if self.phase == HEAD:
            self._head_bytes += len(data)
        elif self.phase == BODY:
            self._framing_bytes += len(data)
        else:
            self.phase = HEAD
            self._began_at = self.active_at
            self._head_bytes = len(data)
        try:
            self._parse(data)
            if self.phase != IDLE:
                self._check_unfinished()
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            self.refuse(verdict_on(error, data))

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never keeps the connection
        """The client asks no more, but may still read: what it has asked is answered before the connection ends."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or self._lingering:
            return False
        if not self.deaf:
            if self.phase == BODY:
                return False  # its body will never be whole
            self.deaf = True
            cycle.keep_alive = False
        return True

    def _parse(self, data: bytes) -> None:
        while data and not self.deaf:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                # Nothing else is spoken here, so the request is answered as any other, and HTTP/1.1 goes on.
                if self.framed:
                    self._answer_and_end()  # llhttp takes the body for what follows the upgrade
                    return
                data = data[upgrade.args[0] :]
                if data and self.phase == IDLE:
                    self.phase, self._began_at, self._head_bytes = HEAD, self.active_at, 0

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        if self.phase == IDLE:  # not the first request of this read
            self._began_at = self.active_at
            self._head_bytes = 0
        self.phase = HEAD
        self.framed = False
        self._hosts = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header, and what decides about framing."""
        if self.phase == BODY:
            return  # a trailer: what follows a body must not pass for a header
        name = name.lower()
        self.headers.append((name, value))
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            self.framed = True
        elif name == b"transfer-encoding":
            self.framed = True
            if value.strip(b" \t").lower() != b"chunked":
                raise Refused(refusals.FRAMING)
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        """Check the head, then begin the request as uvicorn does."""
        self.check_head()
        super().on_headers_complete()
        self.phase = BODY
        self._framing_bytes = self._body_bytes = 0
        if self.framed:
            self.cycle.transport = cast("Transport", _LastAnswer(self))  # in case that the app does not want it all
        if self.framed and self.scope["method"] in {"GET", "HEAD"} and self._length() > MOST_UNREAD_BYTES:
            self._end_after_answer()

    def check_head(self) -> None:
        """Raise Refused for a head that is complete and not acceptable."""
        if len(self.url) > MOST_TARGET_BYTES:
            raise Refused(refusals.TARGET)
        if len(self.headers) > MOST_HEADERS:
            raise Refused(refusals.HEADERS)
        if (
            max(self._head_bytes, self._read_bytes) > MOST_HEADER_BYTES
            and sum(len(name) + len(value) + 4 for name, value in self.headers) > MOST_HEADER_BYTES
        ):
            raise Refused(refusals.HEADERS)
        if self.parser.get_method() == b"CONNECT":
            raise Refused(refusals.METHOD)
        version = self.parser.get_http_version()
        if version != "1.1":
            if version != "1.0":
                raise Refused(refusals.VERSION)
            if any(name == b"transfer-encoding" for name, _ in self.headers):
                raise Refused(refusals.FRAMING)
        if self._hosts != 1 and (version == "1.1" or self._hosts):
            raise Refused(refusals.HOST)
        if not self.url.startswith(b"/"):
            self._check_target()

    def _check_target(self) -> None:
        url = httptools.parse_url(self.url)  # its error is one of the client's
        if not url.path:  # http://host?query
            self.url = b"/?" + url.query if url.query else b"/"

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body, if somebody may read it."""
        self._body_bytes += len(body)
        self._framing_bytes -= len(body)
        cycle: RequestResponseCycle | None = self.cycle  # None: a subclass has answered
        if cycle is not None and not cycle.response_complete and self.scope["method"] not in {"GET", "HEAD"}:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The next byte begins a request."""
        self.phase = IDLE
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def _check_unfinished(self) -> None:
        """Bound what an incomplete request may have sent, and set its deadline."""
        if self.phase == HEAD:
            if len(self.url) > MOST_TARGET_BYTES:
                raise Refused(refusals.TARGET)
            most = len(self.url) + _REQUEST_LINE_BYTES + MOST_HEADER_BYTES
            if self._head_bytes > most or len(self.headers) > MOST_HEADERS:
                raise Refused(refusals.HEADERS)
            self.deadline = min(self.deadline, self._began_at + self.deadlines.head)
            return
        if self._framing_bytes > MOST_FRAMING_BYTES + 8 * self._body_bytes:
            raise Refused(refusals.CHUNKS)
        self.deadline = min(self.deadline, self._began_at + self.deadlines.request)
        if self._body_bytes > MOST_UNREAD_BYTES:
            cycle: RequestResponseCycle | None = self.cycle
            if cycle is None or cycle.response_complete or self.scope["method"] in {"GET", "HEAD"}:
                self._answer_and_end()

    def _length(self) -> int:
        """What Content-Length says; llhttp has seen to it that there is at most one, a number."""
        return next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    # Answers

    def on_response_complete(self) -> None:
        """Begin the next request of the pipeline. After the last one, send the refusal that waits, if any. Read on."""
        self.server_state.total_requests += 1
        self.active_at = self.loop.time()
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._pending is not None:
            self._send_refusal(self._pending)
        self.flow.resume_reading()

    def resume_writing(self) -> None:
        """Note that the client reads, which counts as activity."""
        self.active_at = self.loop.time()
        super().resume_writing()

    def _end_after_answer(self) -> None:
        """Let the answer to the current request, whose app has not begun yet, be the last."""
        self.cycle.keep_alive = False
        self.cycle.transport = cast("Transport", _LastAnswer(self))

    def _answer_and_end(self) -> None:
        """Hear nothing more, and end the connection once the current request is answered."""
        self.deaf = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.linger()
        else:
            self._end_after_answer()

    # Refusals

    def refuse(self, verdict: Refusal) -> None:
        """Answer the current request this way, after all earlier ones, and end the connection.

        A request that has had its answer, or the beginning of one, gets no second.
        """
        self.deaf = True
        self.refused(verdict.reason)
        cycle: RequestResponseCycle | None = self.cycle
        if self.phase == BODY:
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()  # it waits for its turn, and the one before it is being answered
            elif cycle is None or cycle.response_complete:
                self.linger()
                return
            elif cycle.response_started:
                self._end_after_answer()
                return
            else:
                cycle.disconnected = True
                cycle.message_event.set()
                self._send_refusal(verdict)
                return
        elif cycle is None or cycle.response_complete:
            self._send_refusal(verdict)
            return
        self._pending = verdict

    def _send_refusal(self, verdict: Refusal) -> None:
        self._pending = None
        if self.transport.is_closing():
            return
        accept = b", ".join(value for name, value in self.headers if name == b"accept")
        headers, body = self.refusal(verdict.status, verdict.sentence, accept)
        lines = [
            *self.server_state.default_headers,
            *headers,
            *verdict.headers,
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        bodiless = bool(self.url) and self.parser.get_method() == b"HEAD"
        self.transport.write(
            b"".join(
                (
                    STATUS_LINE[verdict.status],
                    *(b"%s: %s\r\n" % line for line in lines),
                    b"\r\n",
                    b"" if bodiless else body,
                )
            )
        )
        self.linger()

    def linger(self) -> None:
        """End our side, and wait a little for the client to end its own; what it still sends is thrown away."""
        self.deaf = True
        self.pipeline.clear()
        if self.transport.is_closing():
            return
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self._lingering = True
        self.active_at = self.loop.time()
        self.deadline = self.active_at + self.deadlines.linger

    # Time

    def overdue(self, now: float) -> None:
        """Called by the sweep once ``deadline`` has passed: do what is due, and set the next deadline."""
        cycle: RequestResponseCycle | None = self.cycle
        answering = cycle is not None and not cycle.response_complete and not cycle.disconnected
        if self.transport.is_closing():
            self._abort_when_due(now)
        elif self._lingering:
            self._close(now)
        elif self.deaf and answering:
            self.deadline = now + self.deadlines.idle  # the app has its own: STREAM_SECONDS, WRITE_SECONDS
        elif self.phase == HEAD and not self.flow.read_paused:
            self._expire(self._began_at + self.deadlines.head, refusals.SLOW_HEAD, now)
        elif self.phase == BODY and not self.flow.read_paused:
            self._expire(self._began_at + self.deadlines.request, refusals.SLOW_BODY, now)
        elif self.phase != IDLE:
            self._began_at = now  # the server itself does not read
            self.deadline = now + self.deadlines.head
        elif answering:
            self.active_at = now
            self.deadline = now + self.deadlines.idle
        elif self.active_at + self.deadlines.idle <= now:
            self._close(now)
        else:
            self.deadline = self.active_at + self.deadlines.idle

    def _expire(self, deadline: float, verdict: Refusal, now: float) -> None:
        if deadline > now:
            self.deadline = deadline
        else:
            self.deadline = now + self.deadlines.idle
            self.refuse(verdict)

    def _close(self, now: float) -> None:
        self.transport.close()
        self.active_at = now
        self.deadline = now + self.deadlines.unread

    def _abort_when_due(self, now: float) -> None:
        """Give up what a client has not taken that had time to."""
        self.deadline = self.active_at + self.deadlines.unread
        if self.deadline <= now:
            self.refused("unread")
            self.transport.abort()

    def shutdown(self) -> None:
        """The server stops: finish what has been asked."""
        if self._lingering:
            self.transport.close()
        else:
            super().shutdown()


class _Flow(FlowControl):
    """Reads nothing behind requests that wait for their turn.

    uvicorn reads on after each answer, and whenever an app receives, and so takes in requests faster than they are
    answered.
    """

    def __init__(self, transport: Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class _LastAnswer:
    """The transport of an answer after which a client, that may still be sending, is not to be cut off."""

    def __init__(self, protocol: GuardedProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        if self._protocol.deaf or self._protocol.phase == BODY:
            self._protocol.linger()
        else:
            self._protocol.transport.close()
