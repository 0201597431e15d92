"""From a request to an answer, in the same way for both doors: parse, ask, compare tags, turn errors into answers."""

from __future__ import annotations

from itertools import chain
from typing import Any

import msgspec
import structlog

from switchboard.api.answer import Answer, Request, error_answer
from switchboard.api.bodies import BodyTable, Recipe, SharedBody
from switchboard.api.endpoint import Endpoint
from switchboard.api.negotiate import RequestError, negotiate
from switchboard.api.results import answer_of
from switchboard.api.warm import GZIP, shared_body, tag_of
from switchboard.errors import ErrorKind, QueryError
from switchboard.negotiation import accepts_gzip, matches
from switchboard.query.reports import STATUS_OF
from switchboard.query.requests import Formatted
from switchboard.view.view import View

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
        if answer.etag is not None:
            gzip = answer.compressible and accepts_gzip(request.accept_encoding)
            if not _is_known(answer, request, gzip=gzip) and not isinstance(answer.body, bytes):
                table = BodyTable() if bodies is None else bodies
                _begin_body(answer, table, Recipe(endpoint.answer, query, gzip))
            # A replaced snapshot that a query names has deadlines of its own.
            answer.repeatable = not (
                (endpoint.pinned and query.snapshot is not None) or (endpoint.paged and query.cursor is not None)
            )
    except QueryError as error:
        more = [] if error.retry_after_seconds is None else [(b"retry-after", b"%d" % error.retry_after_seconds)]
        return error_answer(STATUS_OF[error.kind], str(error), request.accept, *more)
    except RequestError as error:
        return error_answer(error.status, str(error), request.accept)
    except Exception as error:  # noqa: BLE001 - whatever it is: a sentence for the client, the traceback for the log
        return failure(endpoint, request, error)
    return answer


def failure(endpoint: Endpoint, request: Request, error: Exception) -> Answer:
    """The answer 500; the one line of the log that says why is written here."""
    log.error("answer failed", path=endpoint.path, query=request.query.decode("latin-1"), exc_info=error)
    return error_answer(500, "Internal error: the log of the service says why", request.accept)


def not_found(request: Request) -> Answer:
    """The answer for a path that is not in the table."""
    return error_answer(404, "path does not exist", request.accept)


def _other_method(endpoint: Endpoint, request: Request) -> Answer:
    allow = (b"allow", ", ".join(endpoint.methods).encode())
    if request.method == "OPTIONS":
        return Answer(204, [allow])
    sentence = f"Method {request.method} is not allowed: use {' or '.join(endpoint.methods)}"
    return error_answer(405, sentence, request.accept, allow)


def _query(endpoint: Endpoint, request: Request) -> Any:
    """The query; None if the endpoint takes none. Raises QueryError (MALFORMED), RequestError 406 and 415."""
    if endpoint.body_decoder is not None:
        query = _posted(endpoint.body_decoder, request)
    else:
        query = None if endpoint.parser is None else endpoint.parser.parse(request.query)
    if endpoint.negotiated and request.accept and not (isinstance(query, Formatted) and query.format is not None):
        chosen = negotiate(request.accept, endpoint.formats)
        if chosen != endpoint.formats[0]:
            query = msgspec.structs.replace(query, format=chosen)
    return query


def _posted(decoder: msgspec.json.Decoder[Any], request: Request) -> Any:
    if request.query:
        raise QueryError(
            ErrorKind.MALFORMED, "Unknown parameter: this endpoint takes none in its URL, all is in its body"
        )
    media_type = request.content_type.partition(b";")[0].strip().lower()
    if media_type and media_type != b"application/json":
        raise RequestError(415, "Unsupported media type: send application/json")
    try:
        return decoder.decode(request.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise QueryError(ErrorKind.MALFORMED, f"Malformed body: {error}") from None


def _is_known(answer: Answer, request: Request, *, gzip: bool) -> bool:
    """Add the headers that name the form of the content; if the client has it, make a 304 of the answer."""
    assert answer.etag is not None
    if gzip:
        answer.headers.append(GZIP)
    etag = tag_of(answer.etag, gzip=gzip)
    answer.headers.append((b"etag", etag))
    if not request.if_none_match or not matches(request.if_none_match, etag):
        return False
    answer.status, answer.body = 304, b""
    return True


def _begin_body(answer: Answer, bodies: BodyTable, recipe: Recipe) -> None:
    """Take a shared body from the table, and render a body of one piece: it becomes bytes."""
    pieces = answer.body
    assert not isinstance(pieces, bytes | SharedBody)
    if not answer.shared:
        first, second = next(pieces), next(pieces, None)
        answer.body = first if second is None else chain((first, second), pieces)
        return
    body = shared_body(answer, bodies, recipe, asked=True)
    if not body.advance():
        body.advance()
    answer.body = body if body.content is None else body.content
