"""Refusals: answers to requests that never reach the app."""

from __future__ import annotations

from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused request. ``reason`` is a word for metrics, ``sentence`` is for the client."""

    status: int
    reason: str
    sentence: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refused(Exception):
    """Raised in a callback of the parser: this request is not to be answered by the app."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


def plain_refusal(status: int, sentence: str, accept: bytes) -> tuple[Headers, bytes]:
    """Headers and body of a refusal as text, whatever the client accepts."""
    headers = [
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-type", b"text/plain; charset=utf-8"),
    ]
    return headers, f"{sentence}\n".encode()


def count_nothing(reason: str) -> None:
    """Ignore a refusal: the default for ``refused``."""


MOST_TARGET_BYTES = 8 << 10
MOST_HEADER_BYTES = 16 << 10
MOST_HEADERS = 100

MALFORMED = Refusal(400, "malformed", "This is not a well-formed HTTP request")
FRAMING = Refusal(400, "framing", "Content-Length and Transfer-Encoding must say one thing: the only coding is chunked")
HOST = Refusal(400, "host", "A request needs exactly one Host header")
METHOD = Refusal(405, "method", "This method is not allowed: use GET or HEAD", ((b"allow", b"GET, HEAD"),))
SLOW_HEAD = Refusal(408, "slow_head", "The headers did not arrive in time")
SLOW_BODY = Refusal(408, "slow_body", "The request did not arrive in time")
TARGET = Refusal(414, "target", f"The request target is longer than {MOST_TARGET_BYTES} bytes")
HEADERS = Refusal(
    431, "headers", f"There are more than {MOST_HEADER_BYTES} bytes of headers, or more than {MOST_HEADERS} of them"
)
CHUNKS = Refusal(400, "chunks", "The body has more bytes of chunk heads and trailers than a body needs")
FAILURE = Refusal(500, "failure", "Internal error: the log of the service says why")
VERSION = Refusal(505, "version", "HTTP/1.1 and HTTP/1.0 are spoken here")
