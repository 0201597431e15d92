"""From a request to an answer, in the same way for both doors: parse, ask, compare tags, turn errors into answers."""

from __future__ import annotations

import zlib
from itertools import chain, islice
from typing import Any

import msgspec
import structlog

from switchboard.api.answer import NO_STORE, TEXT, VARY, Answer, Request, error_answer, link_to
from switchboard.api.bodies import SHORT_CELLS, BodyTable, Recipe, SharedBody
from switchboard.api.endpoint import Endpoint
from switchboard.api.negotiate import RequestError, negotiate
from switchboard.api.posted import posted_query
from switchboard.api.results import answer_of
from switchboard.api.warm import shared_body
from switchboard.errors import QueryError
from switchboard.negotiation import accepts_gzip, matches
from switchboard.query.near import did_you_mean, like, near
from switchboard.query.reports import STATUS_OF
from switchboard.query.requests import Formatted
from switchboard.serving.message import lines_of
from switchboard.view.view import View

MOST_BEGUN = 4
"""Pieces of a short body that are made in the callback that brings its request. A body of fewer needs no task and has a
length. They are counted and not timed, so that the same query always has the same form."""

log = structlog.get_logger()


def respond(endpoint: Endpoint, view: View, now: float, request: Request, bodies: BodyTable | None = None) -> Answer:
    """The answer to a request for ``endpoint``; never raises. ``bodies`` is the table of shared bodies.

    A small body is bytes. A body that is an iterator is to be streamed; a SharedBody is to be completed, then sent.
    """
    if request.method not in endpoint.methods:
        return _other_method(endpoint, request)
    try:
        query = _query(endpoint, request)
        answer = answer_of(endpoint.answer(view, now, query), bare=endpoint.bare)
        if answer.tag is not None:
            answer.gzip = answer.compressible and accepts_gzip(request.accept_encoding)
            answer.etag = _etag(endpoint, answer, request, query)
            if request.if_none_match and matches(request.if_none_match, answer.etag):
                answer.status, answer.body = 304, b""
            elif not isinstance(answer.body, bytes):
                table = BodyTable() if bodies is None else bodies
                _begin_body(answer, table, Recipe(endpoint.answer, query, answer.gzip))
            # A replaced snapshot that a query names has deadlines of its own.
            answer.repeatable = not (
                (endpoint.pinned and query.snapshot is not None) or (endpoint.paged and query.cursor is not None)
            )
        elif isinstance(answer.body, SharedBody):
            answer.body = _begun(answer.body)
    except QueryError as error:
        more = [] if error.retry_after_seconds is None else [(b"retry-after", b"%d" % error.retry_after_seconds)]
        names = near(view, error) if error.parameter else ()
        if names and not endpoint.posted:
            more.append((b"link", link_to(request.query, error.parameter, error.value, names[0])))
        return error_answer(STATUS_OF[error.kind], str(error), request.accept, *more, hint=did_you_mean(names))
    except RequestError as error:
        return error_answer(error.status, str(error), request.accept, *error.headers)
    except Exception as error:  # noqa: BLE001 - whatever it is: a sentence for the client, the traceback for the log
        return failure(endpoint, request, error)
    return answer


def failure(endpoint: Endpoint, request: Request, error: Exception) -> Answer:
    """The answer 500; the one line of the log that says why is written here."""
    log.error("answer failed", path=endpoint.path, query=request.query.decode("latin-1"), exc_info=error)
    return error_answer(500, "Internal error: the log of the service says why", request.accept)


def not_found(request: Request, path: str, known: tuple[str, ...]) -> Answer:
    """The answer for a path that is not among those ``known``; the root leads to the documentation."""
    if path == "/" and request.method in {"GET", "HEAD"}:
        # Relative, so that it is right behind a proxy that serves us below another path.
        return Answer(302, [(b"location", b"docs")], b"/docs has the documentation\n", TEXT, lines_of([NO_STORE, VARY]))
    names = like(path, known)
    links = [(b"link", b'<%s>; rel="alternate"' % name.encode()) for name in names[:1]]
    sentence = f"path does not exist: {did_you_mean(names)}" if names else "path does not exist"
    return error_answer(404, sentence, request.accept, *links)


def _other_method(endpoint: Endpoint, request: Request) -> Answer:
    allow = (b"allow", ", ".join(endpoint.methods).encode())
    if request.method == "OPTIONS":
        return Answer(204, [allow])
    sentence = f"Method {request.method} is not allowed: use {' or '.join(endpoint.methods)}"
    return error_answer(405, sentence, request.accept, allow)


def _query(endpoint: Endpoint, request: Request) -> Any:
    """The query; None if the endpoint takes none. Raises QueryError (MALFORMED), RequestError 406 and 415."""
    if endpoint.body_decoder is not None:
        query = posted_query(endpoint.body_decoder, request)
    else:
        query = None if endpoint.parser is None else endpoint.parser.parse(request.query)
    if endpoint.negotiated and request.accept and not (isinstance(query, Formatted) and query.format is not None):
        chosen = negotiate(request.accept, endpoint.formats)
        if chosen != endpoint.formats[0]:
            query = msgspec.structs.replace(query, format=chosen)
    return query


def _etag(endpoint: Endpoint, answer: Answer, request: Request, query: Any) -> bytes:
    """The entity tag of an answer: what it is drawn from, and what it is asked for.

    Tags are compared among the answers of one URL only, so the first part and the form of the content (format, coding)
    would do. A checksum of path and query is cheap, and lets a client that sends the tag of another URL not get a 304.
    """
    asked = zlib.crc32(request.query, endpoint.checksum)
    if request.accept and isinstance(query, Formatted) and query.format is not None:
        asked = zlib.crc32(query.format.encode(), asked)
    return (b'"%s%08x-gzip"' if answer.gzip else b'"%s%08x"') % (answer.tag, asked)


def _begin_body(answer: Answer, bodies: BodyTable, recipe: Recipe) -> None:
    """Take a shared body from the table, and render what is short: it becomes bytes. What is long is not begun."""
    pieces = answer.body
    assert not isinstance(pieces, bytes | SharedBody)
    if not answer.shared:
        if answer.cells <= SHORT_CELLS:
            made = list(islice(pieces, MOST_BEGUN))
            answer.body = b"".join(made) if len(made) < MOST_BEGUN else chain(made, pieces)
        return
    body = shared_body(answer, bodies, recipe, asked=True)
    answer.body = _begun(body) if answer.cells <= SHORT_CELLS else body


def _begun(body: SharedBody) -> SharedBody | bytes:
    """A body of which MOST_BEGUN pieces were made; bytes if it is whole."""
    for _ in range(MOST_BEGUN):
        if body.advance():
            break
    return body if body.content is None else body.content
