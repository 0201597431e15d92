"""The API as a service: finds the endpoint of a request, and makes a reply of its answer.

Replies that were given before come from the table of ready answers, without a look at the request but its bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from itertools import islice

import structlog

from switchboard.api import metrics
from switchboard.api.answer import Answer, Request, error_answer, header_lines, request_of
from switchboard.api.bodies import BodyTable, SharedBody
from switchboard.api.cors import PREFLIGHT_LINES, header_lines_for
from switchboard.api.describe.responses import statuses_of
from switchboard.api.endpoint import Endpoint, Runs
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.posted import MOST_POSTED_BYTES
from switchboard.api.ready_answers import ReadyAnswers
from switchboard.api.respond import failure, not_found, respond
from switchboard.serving import message
from switchboard.serving.message import ReadyReply, Reply, lines_of
from switchboard.serving.refusals import Refusal
from switchboard.serving.writer import rest_of
from switchboard.view.view import ViewHolder

OTHER = "other"
"""Label of requests for paths that are not in the table."""

log = structlog.get_logger()


class ApiService:
    """Answers from ``holder.view``; ``bodies`` is the table of shared bodies."""

    def __init__(
        self,
        holder: ViewHolder,
        endpoints: Sequence[Endpoint] = ENDPOINTS,
        *,
        bodies: BodyTable | None = None,
        cors_origin: str = "",
    ) -> None:
        self.ready_answers = ReadyAnswers()
        self._holder = holder
        self._bodies = BodyTable() if bodies is None else bodies
        self._endpoints = {endpoint.path: endpoint for endpoint in endpoints}
        for endpoint in endpoints:
            metrics.TALLY.expect(endpoint.label, statuses_of(endpoint), timed=endpoint.query is not None)
        metrics.TALLY.expect(OTHER, [404], timed=False)
        self._cors = header_lines_for(cors_origin)
        self._debug = log.is_enabled_for(logging.DEBUG)  # then each request is logged, so no answer is kept

    def ready(self, head: bytes) -> ReadyReply | None:
        """The reply to a request without a body that was given before and still is right."""
        # Authentication stands here: who may not ask must not be answered from the table.
        return self.ready_answers.get(head, self._holder)

    def body_limit(self, request: message.Request) -> int:
        """Bodies are read where an endpoint takes its query from there."""
        endpoint = self._endpoints.get(request.path)
        return MOST_POSTED_BYTES if endpoint is not None and endpoint.posted and request.method == "POST" else 0

    def answer(self, request: message.Request) -> Reply | ReadyReply | Awaitable[Reply]:
        """The reply to a request; awaitable if its body is still being rendered, or its endpoint runs in a thread."""
        asked = request_of(request)
        endpoint = self._endpoints.get(request.path)
        view, now = self._holder.view, self._holder.clock()
        if endpoint is None:
            return self._reply(not_found(asked, request.path, tuple(self._endpoints)), OTHER, close=view.stopping)
        if endpoint.runs is Runs.THREAD:
            return self._in_thread(endpoint, asked)
        answer = respond(endpoint, view, now, asked, self._bodies)
        if self._cors and request.method == "OPTIONS":
            answer.shared_lines += PREFLIGHT_LINES
        if isinstance(answer.body, SharedBody):
            return self._complete(endpoint, asked, answer)
        if not isinstance(answer.body, bytes) and request.method != "HEAD":
            return self._begin(endpoint, asked, answer)
        if (
            not (answer.repeatable and request.raw)
            or view.stopping
            or self._debug
            or not isinstance(answer.body, bytes)
        ):
            return self._reply(answer, endpoint.label, close=view.stopping)
        lines = header_lines(answer) + self._cors
        rest = rest_of(answer.status, lines, answer.body, bodiless=request.method == "HEAD")
        ready = ReadyReply(answer.status, rest, metrics.TALLY.of(endpoint.label, answer.status).count)
        self.ready_answers.keep(request.raw, ready, view, now)
        return ready

    def refuse(self, refusal: Refusal, accept: bytes) -> Reply:
        """A refusal, in the form of all errors of the API."""
        reply = self._reply(error_answer(refusal.status, refusal.sentence, accept), "")
        reply.lines += lines_of(refusal.headers)
        return reply

    def done(self, request: message.Request, reply: Reply, seconds: float, cut: str = "") -> None:
        """Count a reply; at level debug, log it."""
        if reply.label:
            metrics.TALLY.of(reply.label, reply.status).count(seconds)
        if cut:
            metrics.STREAMS_CUT.labels(cut).inc()
        if self._debug:
            log.debug(
                "request",
                method=request.method,
                path=request.path,
                query=request.query.decode("latin-1"),
                status=reply.status,
                seconds=seconds,
            )

    def refused(self, reason: str) -> None:
        """Count a refusal."""
        metrics.REFUSED.labels(reason).inc()

    async def _in_thread(self, endpoint: Endpoint, asked: Request) -> Reply:
        metrics.TALLY.flush()
        view, now = self._holder.view, self._holder.clock()
        answer = await asyncio.to_thread(respond, endpoint, view, now, asked, self._bodies)
        return self._reply(answer, endpoint.label, close=self._holder.view.stopping)

    async def _begin(self, endpoint: Endpoint, asked: Request, answer: Answer) -> Reply:
        """The reply whose body is too long to be kept; its first piece is made here: what fails there is a 500."""
        pieces = answer.body
        assert isinstance(pieces, Iterator)
        try:
            made = await self._make(pieces)
        except Exception as error:  # noqa: BLE001 - as in respond
            return self._reply(failure(endpoint, asked, error), endpoint.label)
        answer.body = b""
        reply = self._reply(answer, endpoint.label, close=self._holder.view.stopping)
        reply.body = self._stream(made, pieces)
        return reply

    async def _stream(self, made: list[bytes], pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        """All pieces. Nothing here holds one while it is sent: a client may take long for it."""
        while made:
            yield made.pop()
            made = await self._make(pieces)

    async def _make(self, pieces: Iterator[bytes]) -> list[bytes]:
        """The next piece, made when no other long body has the turn; nothing at the end."""
        async with self._bodies.turns:
            made = list(islice(pieces, 1))
            await asyncio.sleep(0)  # the turn of the event loop ends here: whoever waits has the next one
        return made

    async def _complete(self, endpoint: Endpoint, asked: Request, answer: Answer) -> Reply:
        """The reply whose body other clients may be waiting for, too."""
        assert isinstance(answer.body, SharedBody)
        try:
            answer.body = await answer.body.complete(self._bodies.turns)
        except Exception as error:  # noqa: BLE001 - as in respond
            answer = failure(endpoint, asked, error)
        return self._reply(answer, endpoint.label, close=self._holder.view.stopping)

    def _reply(self, answer: Answer, label: str, *, close: bool = False) -> Reply:
        assert not isinstance(answer.body, SharedBody)
        return Reply(answer.status, header_lines(answer) + self._cors, answer.body, close=close, label=label)
