"""Answers: the value that every endpoint makes, and what HTTP asks of it (tags, conditions, errors)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from switchboard.api.bodies import SharedBody
from switchboard.config.masks import printable
from switchboard.negotiation import LONGEST_REMEMBERED, REMEMBERED, qualities
from switchboard.outputs.json import encode_json
from switchboard.serving import message
from switchboard.serving.message import BODILESS, lines_of

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

    ``shared``: other clients are likely to ask for the same body, and it is small enough to be kept.
    ``cells``: number of cells from which the size of the body is estimated. ``gc=False``: as in ``Result``.
    """

    status: int
    headers: Headers
    """Headers of this answer alone, in lower case."""
    body: bytes | Iterator[bytes] | SharedBody = b""
    content_type: bytes = JSON
    shared_lines: bytes = b""
    """Header lines that many answers have, ready to be sent before ``headers``; each ends with CRLF."""
    tag: bytes | None = None
    """With the query, the name of the content; known before it is rendered. None: the content has an age in it."""
    etag: bytes | None = None
    """The entity tag that is sent, with its quotes."""
    gzip: bool = False
    """Whether the body is sent compressed."""
    shared: bool = False
    cells: int = 0
    repeatable: bool = False
    """Whether the same request gets the same answer until a source has another snapshot or another state."""

    @property
    def compressible(self) -> bool:
        """Whether the body is worth compressing, which is done once for all clients that share it."""
        return self.shared and self.cells >= LEAST_CELLS_COMPRESSED


class Request(msgspec.Struct, gc=False, frozen=True):
    """The parts of a request, beside the path, that an answer depends on; a header that was not sent is empty."""

    method: str = "GET"
    query: bytes = b""
    accept: bytes = b""
    accept_encoding: bytes = b""
    if_none_match: bytes = b""
    content_type: bytes = b""
    content_encoding: bytes = b""
    body: bytes = b""


def header_lines(answer: Answer) -> bytes:
    """The header lines of an answer, each ended by CRLF, without those that the connection adds.

    The connection adds content-length or transfer-encoding, the date, and whether it closes.
    """
    lines = answer.shared_lines
    for header in answer.headers:
        lines += b"%s: %s\r\n" % header
    if answer.gzip:
        lines += _GZIP_LINE
    etag = answer.etag
    if answer.status in BODILESS:
        return lines if etag is None else b"%setag: %s\r\n" % (lines, etag)
    if etag is None:
        return b"%scontent-type: %s\r\n" % (lines, answer.content_type)
    return b"%setag: %s\r\ncontent-type: %s\r\n" % (lines, etag, answer.content_type)


def request_of(request: message.Request) -> Request:
    """What an answer depends on, of a request as it was read.

    Headers that a server remembers are looked through once.
    """
    headers = request.headers
    if headers.meaning is None:
        headers.meaning = tuple(request.header(name) for name in _READ)
    accept, accept_encoding, if_none_match, content_type, content_encoding = headers.meaning
    return Request(
        request.method,
        request.query,
        accept,
        accept_encoding,
        if_none_match,
        content_type,
        content_encoding,
        request.body,
    )


def error_answer(status: int, sentence: str, accept: bytes, *more: tuple[bytes, bytes], hint: str = "") -> Answer:
    """The one form of all errors: problem+json (RFC 9457) for a client that asks for JSON, else the sentence.

    ``hint`` is a question that may help. Clients of the original system compare the sentence, so it stays as it is for
    them: the hint is in the detail of a problem, and in a line of its own for a browser.
    """
    if not prefers_json(accept):
        line = f"{hint[:1].upper()}{hint[1:]}\n" if hint and b"text/html" in accept else ""
        return Answer(status, list(more), f"{printable(sentence)}\n{line}".encode(), TEXT, _ERROR_LINES)
    if hint:
        sentence = f"{sentence}: {hint}"
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": sentence}
    return Answer(status, list(more), encode_json(problem) + b"\n", PROBLEM, _ERROR_LINES)


def link_to(query: bytes, parameter: str, wrong: str, right: str) -> bytes:
    """A Link to the same path, where a parameter has the right value in place of the wrong one."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="utf-8")
    mended = [(name, right if (name, value) == (parameter, wrong) else value) for name, value in pairs]
    return b'<?%s>; rel="alternate"' % urlencode(mended, quote_via=quote, safe=":*()@$!").encode()


def prefers_json(accept: bytes) -> bool:
    """Whether Accept names JSON and does not prefer plain text to it; ``*/*`` does not name JSON."""
    if accept in _NAME_NO_JSON:
        return False
    return (_names_json_remembered if len(accept) <= LONGEST_REMEMBERED else _names_json)(accept)


def _names_json(accept: bytes) -> bool:
    wanted = {"json": 0.0, "text": 0.0}
    for media_type, quality in qualities(accept).items():
        kind = _KINDS.get(media_type)
        if kind is not None:
            wanted[kind] = max(wanted[kind], quality)
    return wanted["json"] > 0 and wanted["json"] >= wanted["text"]


_names_json_remembered = lru_cache(REMEMBERED)(_names_json)
_NAME_NO_JSON = frozenset({b"", b"*/*"})
_ERROR_LINES = lines_of([NO_STORE, VARY, (b"x-content-type-options", b"nosniff")])
_GZIP_LINE = b"content-encoding: gzip\r\n"
_READ = (b"accept", b"accept-encoding", b"if-none-match", b"content-type", b"content-encoding")
_KINDS = {
    "application/json": "json",
    "application/problem+json": "json",
    "application/*": "json",
    "text/plain": "text",
    "text/*": "text",
}
