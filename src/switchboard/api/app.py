"""The ordinary door: the endpoints as an ASGI app.

Routes are Starlette's. Behind them is plain ASGI, because Starlette's objects for request and response would cost more
than most answers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence

import structlog
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from switchboard.api import metrics
from switchboard.api.answer import Answer, Request, error_answer, request_fields, wire_headers
from switchboard.api.bodies import BodyTable, SharedBody
from switchboard.api.endpoint import Endpoint, Runs
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.negotiate import RequestError
from switchboard.api.respond import failure, not_found, respond
from switchboard.view.view import ViewHolder

WRITE_SECONDS = 30.0
"""A client that takes nothing for this long is given up."""
STREAM_SECONDS = 300.0
"""A client that takes longer for one answer is given up: it would hold an old snapshot in memory."""

MOST_POSTED_BYTES = 2 << 20
"""Largest body of a request: 10,000 cells of a batch with long names."""
POST_SECONDS = 10.0
"""A client that takes longer to send the body of a request gets 408."""
SLICE_BYTES = 256 << 10
"""Size of the parts in which a body is handed to the socket; a body that is not longer is sent whole."""

log = structlog.get_logger()


def create_app(
    holder: ViewHolder, endpoints: Sequence[Endpoint] = ENDPOINTS, *, bodies: BodyTable | None = None
) -> Starlette:
    """The ASGI app that answers from ``holder.view``; ``bodies`` is the table of shared bodies."""
    table = BodyTable() if bodies is None else bodies
    app = Starlette(
        routes=[
            *(Route(endpoint.path, _Door(holder, table, endpoint)) for endpoint in endpoints),
            Route("/{path:path}", _Door(holder, table, None)),
        ]
    )
    app.router.redirect_slashes = False
    app.router.default = _Door(holder, table, None)  # `OPTIONS *` matches no route
    # Without the middleware that turns exceptions into answers: `_Door` does that itself.
    app.middleware_stack = app.router
    return app


class _Door:
    """The ASGI app of one endpoint; None: of all paths that are not in the table."""

    def __init__(self, holder: ViewHolder, bodies: BodyTable, endpoint: Endpoint | None) -> None:
        self._holder = holder
        self._bodies = bodies
        self._endpoint = endpoint
        self._label = "other" if endpoint is None else endpoint.path
        self._seconds = metrics.REQUEST_SECONDS.labels(self._label)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request = _request(scope)
        if self._endpoint is not None and self._endpoint.posted and request.method == "POST":
            try:
                request = request._replace(body=await _posted(receive))
            except RequestError as error:
                answer = error_answer(error.status, str(error), request.accept, _CLOSE)
            except _ClientGone:
                return
            else:
                answer = await self._answer(request)
        else:
            answer = await self._answer(request)
        if self._holder.view.stopping:
            answer.headers.append(_CLOSE)  # so that no further request comes on this connection
        cut = await _send(answer, head=request.method == "HEAD", receive=receive, send=send)
        if cut:
            metrics.STREAMS_CUT.labels(cut).inc()
        seconds = time.perf_counter() - began
        metrics.REQUESTS.labels(self._label, str(answer.status)).inc()
        self._seconds.observe(seconds)
        if log.is_enabled_for(logging.DEBUG):
            log.debug(
                "request",
                method=request.method,
                path=scope["path"],
                query=request.query.decode("latin-1"),
                status=answer.status,
                seconds=seconds,
            )

    async def _answer(self, request: Request) -> Answer:
        endpoint = self._endpoint
        if endpoint is None:
            return not_found(request)
        view, now = self._holder.view, self._holder.clock()
        if endpoint.runs is Runs.THREAD:
            metrics.TALLY.flush()
            return await asyncio.to_thread(respond, endpoint, view, now, request, self._bodies)
        answer = respond(endpoint, view, now, request, self._bodies)
        if isinstance(answer.body, SharedBody):
            try:
                answer.body = await answer.body.complete()
            except Exception as error:  # noqa: BLE001 - as in respond
                return failure(endpoint, request, error)
        return answer


_CLOSE = (b"connection", b"close")


class _ClientGone(Exception):
    """The client has gone, so there is nobody to answer."""


def _request(scope: Scope) -> Request:
    return Request(scope["method"], scope["query_string"], **request_fields(scope["headers"]))


async def _posted(receive: Receive) -> bytes:
    """The body of a request. Raises RequestError 413 and 408, _ClientGone."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(POST_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _ClientGone
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                if size > MOST_POSTED_BYTES:
                    raise RequestError(413, f"The body is too large: at most {MOST_POSTED_BYTES} bytes are taken")
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise RequestError(408, f"The body did not arrive within {POST_SECONDS:g} s") from None


async def _send(answer: Answer, *, head: bool, receive: Receive, send: Send) -> str:
    """Send an answer; return why it was cut short, or an empty string."""
    body = answer.body
    await send({"type": "http.response.start", "status": answer.status, "headers": wire_headers(answer)})
    assert not isinstance(body, SharedBody)
    if head or (isinstance(body, bytes) and len(body) <= SLICE_BYTES):
        await send({"type": "http.response.body", "body": b"" if head else body})
        return ""
    return await _stream(_slices(body) if isinstance(body, bytes) else body, receive, send)


def _slices(body: bytes) -> Iterator[bytes]:
    """A large body in parts, each of which the client has WRITE_SECONDS to take."""
    view = memoryview(body)
    return (bytes(view[start : start + SLICE_BYTES]) for start in range(0, len(body), SLICE_BYTES))


async def _stream(pieces: Iterator[bytes], receive: Receive, send: Send) -> str:
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(_until_gone(receive))
        try:
            async with asyncio.timeout(STREAM_SECONDS):
                for piece in pieces:
                    if gone.done():
                        return "client_gone"
                    async with asyncio.timeout(WRITE_SECONDS):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    await asyncio.sleep(0)
                await send({"type": "http.response.body"})
        except TimeoutError:
            return "client_slow"
        except Exception as error:
            log.error("stream failed", exc_info=error)
            return "failed"
        finally:
            gone.cancel()
    return ""


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
