"""What is sent back: the value that every endpoint makes, and how HTTP dresses it (tags, conditions, errors)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus

from switchboard.api.bodies import SharedBody
from switchboard.codec.render import encode_json

Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
PROBLEM = b"application/problem+json"
NO_STORE = (b"cache-control", b"no-store")
VARY = (b"vary", b"Accept, Accept-Encoding")


@dataclass(slots=True)
class Answer:
    """One answer. ``body`` is an iterator of pieces where rendering it at once would hold the event loop.

    ``etag`` names the content, and is known before the body is rendered; None: the content has no name, because it
    contains an age. ``shared``: others are likely to ask for the same body, and it is small enough to be kept;
    it has at most ``values`` cells.
    """

    status: int
    headers: Headers
    body: bytes | Iterator[bytes] | SharedBody = b""
    content_type: bytes = JSON
    etag: bytes | None = None
    shared: bool = False
    values: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What an answer depends on beside the path; the headers are empty where the client sent none."""

    method: str = "GET"
    query: bytes = b""
    accept: bytes = b""
    if_none_match: bytes = b""


def entity_tag(content: object) -> bytes:
    """A strong tag of everything that a body depends on."""
    return b'"%s"' % blake2b(encode_json(content), digest_size=12).hexdigest().encode()


def matches(if_none_match: bytes, etag: bytes) -> bool:
    """Whether a client has this content already: weak comparison, lists and ``*``, by RFC 9110, 13.1.2."""
    if if_none_match == etag or if_none_match.strip() == b"*":
        return True
    return etag in _TAGS.findall(if_none_match)


def error_answer(status: int, sentence: str, accept: bytes, *more: tuple[bytes, bytes]) -> Answer:
    """The one form of all errors: problem+json (RFC 9457) for a client that asks for JSON, else the sentence."""
    headers: Headers = [NO_STORE, VARY, (b"x-content-type-options", b"nosniff"), *more]
    if not prefers_json(accept):
        return Answer(status, headers, f"{sentence}\n".encode(), TEXT)
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": sentence}
    return Answer(status, headers, encode_json(problem) + b"\n", PROBLEM)


def prefers_json(accept: bytes) -> bool:
    """Whether Accept names JSON, and plain text not more; ``*/*`` names nothing."""
    accept = accept.lower()
    if b"application/" not in accept:
        return False
    qualities: dict[str, float] = {}
    for part in accept.decode("latin-1").split(","):
        media_type, *parameters = (word.strip() for word in part.split(";"))
        kind = _KINDS.get(media_type)
        if kind is not None:
            qualities[kind] = max(qualities.get(kind, 0.0), _quality(parameters))
    wanted = qualities.get("json", 0.0)
    return wanted > 0 and wanted >= qualities.get("text", 0.0)


_TAGS = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')
_KINDS = {
    "application/json": "json",
    "application/problem+json": "json",
    "application/*": "json",
    "text/plain": "text",
    "text/*": "text",
}


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
