"""Refusals: replies to requests that never reach the service's ``answer``, and which of them an error leads to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_from_bytes

import httptools
import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused request. ``reason`` is a word for metrics, ``sentence`` is for the client."""

    status: int
    reason: str
    sentence: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refused(Exception):
    """Raised while a request is read: it is not to be answered by the service."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


MOST_TARGET_BYTES: Final = 8 << 10
MOST_HEADER_BYTES: Final = 16 << 10
MOST_HEADERS: Final = 100

MALFORMED = Refusal(400, "malformed", "This is not a well-formed HTTP request")
FRAMING = Refusal(400, "framing", "Content-Length and Transfer-Encoding must say one thing: the only coding is chunked")
HOST = Refusal(400, "host", "A request needs exactly one Host header")
BAD_HOST = Refusal(400, "host", "The Host header must be a name or an address, with or without a port up to 65535")
METHOD = Refusal(405, "method", "This method is not allowed: use GET or HEAD", ((b"allow", b"GET, HEAD"),))
SLOW_HEAD = Refusal(408, "slow_head", "The headers did not arrive in time")
SLOW_BODY = Refusal(408, "slow_body", "The request did not arrive in time")
TARGET = Refusal(414, "target", f"The request target is longer than {MOST_TARGET_BYTES} bytes")
HEADERS = Refusal(
    431, "headers", f"There are more than {MOST_HEADER_BYTES} bytes of headers, or more than {MOST_HEADERS} of them"
)
CHUNKS = Refusal(400, "chunks", "The body has more bytes of chunk heads and trailers than a body needs")
FAILURE = Refusal(500, "failure", "Internal error: the log of the service says why")
BUSY = Refusal(
    503, "streams", "Too many long answers are being sent at this moment: ask again", ((b"retry-after", b"5"),)
)
BODIES = Refusal(
    503, "bodies", "Too many long bodies are arriving at this moment: ask again", ((b"retry-after", b"10"),)
)
VERSION = Refusal(505, "version", "HTTP/1.1 and HTTP/1.0 are spoken here")
REASONS = (
    "bodies", "body", "chunks", "descriptors", "failure", "framing", "handshake", "headers", "host", "malformed",
    "method", "slow_body", "slow_head", "streams", "target", "unread", "version",
)  # fmt: skip
"""Every reason with which a service is told of a refusal, or of a connection that is not taken or given up."""


def too_large(limit: int) -> Refusal:
    """The refusal of a body that has more than ``limit`` bytes."""
    return Refusal(413, "body", f"The body is too large: at most {limit} bytes are taken")


def refusal_of(error: BaseException | None, data: bytes) -> Refusal:
    """The refusal for a client whose ``data`` has led to an exception; one of our own failures is logged."""
    if isinstance(error, httptools.HttpParserCallbackError):
        error = error.__context__
    if isinstance(error, Refused):
        return error.refusal
    if isinstance(error, httptools.HttpParserInvalidMethodError) or "Invalid method" in str(error):
        return METHOD if _METHOD.search(data[:_MOST_LOOKED_AT]) else MALFORMED
    if isinstance(error, httptools.HttpParserError):
        is_url = isinstance(error, httptools.HttpParserInvalidURLError)
        return _not_ascii(data) if is_url and not data.isascii() else MALFORMED
    log.error("request failed before it was answered", exc_info=error)
    return FAILURE


def _not_ascii(data: bytes) -> Refusal:
    """The refusal of a target with bytes above 127, with its own text as it should be sent."""
    first = _ABOVE_127.search(data)
    at = 0 if first is None else first.start()
    # Not in all of the data: for each byte before the first match, the pattern looks at all that follow it.
    found = _NOT_ASCII.search(data[max(0, at - _LONGEST_EXAMPLE_BYTES) : at + _LONGEST_EXAMPLE_BYTES + 1])
    text = b"" if found is None else found[0]
    example = quote_from_bytes(text, safe="=/%+*?:;,@!$'()~") if 0 < len(text) <= _LONGEST_EXAMPLE_BYTES else ""
    return Refusal(400, "malformed", f"Percent-encode what is not ASCII: {example or 'switch_id=caf%C3%A9'}")


_LONGEST_EXAMPLE_BYTES = 100
_MOST_LOOKED_AT = MOST_TARGET_BYTES + MOST_HEADER_BYTES
"""Bytes of rubbish in which a method is looked for; a read may bring 256 KiB, for which it takes 20 ms."""
_ABOVE_127 = re.compile(rb"[\x80-\xff]")
_NOT_ASCII = re.compile(rb"[^\s?&]*[\x80-\xff][^\s&]*")
_METHOD = re.compile(
    rb"(?:^|\n)(?!(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) )"
    rb"[0-9A-Za-z!#$%&'*+.^_`|~-]{1,64}(?:$|[ ][!-\xff]+(?:$| HTTP/))"
)
"""A line that begins a request with another method; any such line counts: the parser does not tell where it stopped."""
