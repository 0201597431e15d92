"""Answers: the value that every endpoint makes, and what HTTP asks of it (tags, conditions, errors)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from switchboard.api.bodies import SharedBody
from switchboard.negotiation import qualities
from switchboard.outputs.json import encode_json

Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
PROBLEM = b"application/problem+json"
NO_STORE = (b"cache-control", b"no-store")
NO_CACHE = (b"cache-control", b"no-cache")
LEAST_CELLS_COMPRESSED = 50
"""A list with fewer cells is not compressed: it is about as long as one packet."""
VARY = (b"vary", b"Accept, Accept-Encoding")


class Answer(msgspec.Struct, gc=False):
    """One answer. ``body`` is an iterator of pieces where rendering it at once would hold the event loop.

    ``etag`` names the content, and is known before the body is rendered; None: the content has no name, because it
    contains an age. ``shared``: other clients are likely to ask for the same body, and it is small enough to be kept.
    ``cells``: number of cells from which the size of the body is estimated. ``gc=False``: as in ``Result``.
    """

    status: int
    headers: Headers
    body: bytes | Iterator[bytes] | SharedBody = b""
    content_type: bytes = JSON
    etag: bytes | None = None
    shared: bool = False
    cells: int = 0
    repeatable: bool = False
    """Whether the same request gets the same answer until a source has another snapshot or another state."""

    @property
    def compressible(self) -> bool:
        """Whether the body is worth compressing, which is done once for all clients that share it."""
        return self.shared and self.cells >= LEAST_CELLS_COMPRESSED


class Request(NamedTuple):
    """The parts of a request, beside the path, that an answer depends on; a header that was not sent is empty."""

    method: str = "GET"
    query: bytes = b""
    accept: bytes = b""
    accept_encoding: bytes = b""
    if_none_match: bytes = b""
    content_type: bytes = b""
    body: bytes = b""


def wire_headers(answer: Answer) -> Headers:
    """The headers that are sent, except those of the connection."""
    if answer.status in _BODILESS:
        return answer.headers
    headers = [*answer.headers, (b"content-type", answer.content_type)]
    if isinstance(answer.body, bytes):
        headers.append((b"content-length", b"%d" % len(answer.body)))
    return headers


def request_fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, bytes]:
    """Fields of a Request from its headers, whose names are in lower case; repeated headers are joined by commas."""
    fields: dict[str, bytes] = {}
    for name, value in headers:
        field = _FIELDS.get(name)
        if field is not None:
            fields[field] = fields[field] + b", " + value if field in fields else value
    return fields


def error_answer(status: int, sentence: str, accept: bytes, *more: tuple[bytes, bytes]) -> Answer:
    """The one form of all errors: problem+json (RFC 9457) for a client that asks for JSON, else the sentence."""
    headers: Headers = [NO_STORE, VARY, (b"x-content-type-options", b"nosniff"), *more]
    if not prefers_json(accept):
        return Answer(status, headers, f"{sentence}\n".encode(), TEXT)
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": sentence}
    return Answer(status, headers, encode_json(problem) + b"\n", PROBLEM)


def prefers_json(accept: bytes) -> bool:
    """Whether Accept names JSON and does not prefer plain text to it; ``*/*`` does not name JSON."""
    if b"application/" not in accept.lower():
        return False
    wanted = {"json": 0.0, "text": 0.0}
    for media_type, quality in qualities(accept).items():
        kind = _KINDS.get(media_type)
        if kind is not None:
            wanted[kind] = max(wanted[kind], quality)
    return wanted["json"] > 0 and wanted["json"] >= wanted["text"]


_BODILESS = frozenset({204, 304})
_FIELDS = {
    b"accept": "accept",
    b"accept-encoding": "accept_encoding",
    b"if-none-match": "if_none_match",
    b"content-type": "content_type",
}
_KINDS = {
    "application/json": "json",
    "application/problem+json": "json",
    "application/*": "json",
    "text/plain": "text",
    "text/*": "text",
}
