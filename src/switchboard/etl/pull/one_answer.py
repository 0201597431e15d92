"""One answer on a connection: where its head ends, and what becomes of the bytes that follow its end.

aiohttp's reader of HTTP takes bytes as they arrive. If it cannot read bytes behind an answer, the answer that arrived
with them is lost; if they arrive later, nobody notices that they were there. ``OneAnswer`` stands between a connection
and that reader, and hands over each head by itself. So the answer is known before anything behind it is looked at.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from switchboard.config.masks import printable
from switchboard.errors import BodyError, SourceError

_HEAD_END = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})")
_TLS_ALERT = b"\x15\x03"
_MOST_QUOTED_BYTES = 100


class SourceResponse(aiohttp.ClientResponse):
    """An answer of a source, of which nothing is read but itself."""

    _wire: OneAnswer
    _broken: SourceError | None = None
    """What is wrong with the bytes behind the head, once that is known."""

    async def start(self, connection: Connection) -> Self:
        """Read the head. Raises SourceError if it is not one of HTTP."""
        assert connection.protocol is not None
        self._wire = OneAnswer(connection.protocol, self._look)
        if connection.transport is not None:
            connection.transport.set_protocol(self._wire)
        try:
            await super().start(connection)
        except aiohttp.ClientResponseError as error:
            raise SourceError("bad_http", _not_http(bytes(self._wire.head), error.message)) from error
        self._look()
        return self

    async def read_some(self, most: int) -> bytes:
        """The next bytes of the body; none at its end. Raises BodyError if the body cannot be whole."""
        try:
            data = b"" if self._broken else await self.content.read(most)
        except aiohttp.ClientPayloadError as error:
            raise BodyError("truncated", self._cut_short()) from error
        self._look()
        if self._broken is not None:
            raise self._broken
        return data

    def _look(self) -> None:
        """Note what is wrong with the body, if something is; a reader of the body that waits is told."""
        if self._broken is not None or self.content is None:  # there is no content before the head
            return
        self._broken = self._what_is_wrong()
        if self._broken is not None and not self.content.is_eof():
            self.content.set_exception(self._broken)

    def _what_is_wrong(self) -> SourceError | None:
        ended, unread, lost = self.content.is_eof(), self._wire.unread, self._wire.lost
        if unread is None:
            return None if ended or lost is None else BodyError("truncated", f"{self._cut_short()}: {lost}")
        if not ended:
            return BodyError("bad_http", f"the chunks of the body cannot be read: {_cause(unread)}")
        if self.content_length is None:
            return BodyError("misframed", "bytes that are not HTTP came behind the last chunk of the body")
        return BodyError(
            "misframed", f"more bytes came behind the body: Content-Length: {self.content_length} is too small for it"
        )

    def _cut_short(self) -> str:
        if self.content_length is None:
            return "the body ends too early, before the last chunk"
        return f"the body ends too early: {self.content.total_bytes} of the {self.content_length} bytes came"


class OneAnswer(asyncio.Protocol):
    """Hands the bytes of a connection to a reader of HTTP: each head by itself, and of a 200 what is behind it.

    Every other answer ends at its head: it has no body (304, 204), or its body is not wanted.
    """

    def __init__(self, reader: ResponseHandler, look: Callable[[], None]) -> None:
        self.head = bytearray()
        """The head so far, or the last one."""
        self.unread: str | None = None
        """Why the reader could not read what was behind the head; None if it could."""
        self.lost: Exception | None = None
        """Why the connection broke; None if it was closed, or if it is open."""
        self._reader = reader
        self._look = look
        self._in_head = True
        self._wants_more = True

    def data_received(self, data: bytes) -> None:
        """Take bytes as they arrive."""
        while data and self._in_head:
            data = self._take_head(data)
        if data and self._wants_more:
            self._reader.data_received(data)
        self._note()

    def _take_head(self, data: bytes) -> bytes:
        """Hand over what belongs to the head; return what is behind it."""
        if not self.head:
            data = data.lstrip(b"\r\n")
        known = len(self.head)
        self.head += data
        end = _HEAD_END.search(self.head, max(0, known - 2))
        size = len(data) if end is None else end.end() - known
        self._reader.data_received(data[:size])
        if end is None:
            return b""
        del self.head[end.end() :]
        found = _STATUS.match(self.head)
        status = int(found[1]) if found else 0
        if 100 <= status < 200 and status != 101:  # an interim answer: another head follows
            self.head.clear()
        else:
            self._in_head, self._wants_more = False, status == 200
        return data[size:]

    def _note(self) -> None:
        error = self._reader.exception()
        if not self._in_head and self.unread is None and isinstance(error, HttpProcessingError):
            self.unread = error.message
        self._look()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the reader that the connection has ended; ``error`` if it broke."""
        self.lost = error
        self._note()
        self._reader.connection_lost(error)

    def eof_received(self) -> None:
        """Tell the reader that nothing more comes."""
        self._reader.eof_received()

    def pause_writing(self) -> None:
        """Tell the reader that the request cannot be sent yet."""
        self._reader.pause_writing()

    def resume_writing(self) -> None:
        """Tell the reader that the request can be sent on."""
        self._reader.resume_writing()


def _not_http(head: bytes, message: str) -> str:
    """The sentence about a head that aiohttp could not read."""
    if head.startswith(b"HTTP/"):
        return f"the head of the answer is not HTTP: {_cause(message)}"
    if head.startswith(_TLS_ALERT):
        return "the answer is not HTTP, but TLS: the URL should begin with https://"
    line = head.partition(b"\n")[0][:_MOST_QUOTED_BYTES].decode("utf-8", "backslashreplace").rstrip("\r")
    return f"the answer is not HTTP: it begins with {printable(line)}" if line else "the answer is not HTTP"


def _cause(message: str) -> str:
    """What aiohttp says of bytes that it cannot read, without those bytes: ``CAUSE:``, an empty line, the bytes."""
    cause = message.removeprefix("Bad status line:").strip().partition(":\n")[0].partition(": b'")[0]
    return printable(cause.partition(" when reading")[0])
