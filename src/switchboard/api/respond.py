"""From a request to an answer, the same way for every door: parse, ask, compare tags, and turn errors into answers."""

from __future__ import annotations

from itertools import chain

import structlog

from switchboard.api.answer import Answer, Request, error_answer, matches
from switchboard.api.bodies import BodyTable, Recipe, SharedBody
from switchboard.api.endpoints import Endpoint
from switchboard.api.view import View
from switchboard.api.warm import share
from switchboard.errors import QueryError

log = structlog.get_logger()

_ALLOW = (b"allow", b"GET, HEAD")


def respond(endpoint: Endpoint, view: View, now: float, request: Request) -> Answer:
    """The answer to a request for ``endpoint``; never raises.

    A small body is bytes already. One that is an iterator is to be streamed; a SharedBody is to be completed first.
    """
    if request.method not in {"GET", "HEAD"}:
        return _other_method(request)
    try:
        query = None if endpoint.parser is None else endpoint.parser.parse(request.query)
        answer = endpoint.answer(view, now, query)
        if answer.etag is not None:
            answer.headers.append((b"etag", answer.etag))
            if request.if_none_match and matches(request.if_none_match, answer.etag):
                return Answer(304, answer.headers, content_type=answer.content_type, etag=answer.etag)
            _begin_body(answer, answer.etag, view.bodies, Recipe(endpoint.answer, query))
    except QueryError as error:
        more = [] if error.retry_after_seconds is None else [(b"retry-after", b"%d" % error.retry_after_seconds)]
        return error_answer(error.status, str(error), request.accept, *more)
    except Exception as error:  # noqa: BLE001 - whatever it is: a sentence for the client, the traceback for the log
        return failure(endpoint, request, error)
    return answer


def failure(endpoint: Endpoint, request: Request, error: Exception) -> Answer:
    """500, and the one line of the log that says why."""
    log.error("answer failed", path=endpoint.path, query=request.query.decode("latin-1"), exc_info=error)
    return error_answer(500, "Internal error: the log of the service says why", request.accept)


def not_found(request: Request) -> Answer:
    """For a path that is not in the table."""
    return error_answer(404, "path does not exist", request.accept)


def _other_method(request: Request) -> Answer:
    if request.method == "OPTIONS":
        return Answer(204, [_ALLOW])
    return error_answer(405, f"Method {request.method} is not allowed: use GET or HEAD", request.accept, _ALLOW)


def _begin_body(answer: Answer, etag: bytes, bodies: BodyTable, recipe: Recipe) -> None:
    """Render what takes one piece, and take from the table what others have asked for."""
    pieces = answer.body
    if isinstance(pieces, bytes | SharedBody):
        return
    if not answer.shared:
        first, second = next(pieces), next(pieces, None)
        answer.body = first if second is None else chain((first, second), pieces)
        return
    body = bodies.get(etag)
    if body is None:
        body = share(answer, etag, bodies, recipe, asked=True)
        if not body.advance():
            body.advance()
    answer.body = body if body.content is None else body.content
