"""The middleware that puts faults before a good app."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from switchboard.generator.faults.codings import gzip_bomb, truncated_gzip
from switchboard.generator.faults.instead import INSTEAD
from switchboard.generator.faults.plan import FaultPlan, Hit
from switchboard.generator.faults.rows import ROW_FAULTS, change_rows
from switchboard.generator.faults.times import TIME_FAULTS, seconds_behind
from switchboard.generator.faults.transport import Sleep, beginning, drip

_ROWS = ROW_FAULTS | TIME_FAULTS
_GZIP = ("truncated_gzip", "gzip_bomb")
_CUT = ("truncated_body", "aborted_chunks")
# Request headers that could make the good app answer with something other than the plain rows.
_WISHES = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since"})


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer of the good app, whose body is still being made."""

    status: int
    headers: MutableHeaders
    body: AsyncIterator[bytes]

    @property
    def start(self) -> Message:
        """The ASGI message that comes before the body."""
        return {"type": "http.response.start", "status": self.status, "headers": self.headers.raw}


class FaultInjector:
    """Answers requests that a fault hits, and hands on all others.

    A body that is not the good one is sent without ETag and Last-Modified, whatever the request's conditions: a client
    must not take it for the good one. Slow answers have the good body, and keep both headers.
    """

    def __init__(self, app: ASGIApp, plan: FaultPlan, paths: Collection[str], sleep: Sleep) -> None:
        """Only requests for ``paths`` are hit."""
        self._app = app
        self._plan = plan
        self._paths = paths
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        hits: dict[str, Hit] = {}
        if scope["type"] == "http" and scope["path"] in self._paths and scope["method"] in {"GET", "HEAD"}:
            hits = {hit.name: hit for hit in self._plan.hits()}
        if not hits:
            await self._app(scope, receive, send)
            return
        # Slow answers may last for hours: they end when the client has gone.
        async with asyncio.TaskGroup() as group:
            gone = group.create_task(_disconnect(receive))
            answer = group.create_task(self._answer(hits, scope, receive, send))
            await asyncio.wait({gone, answer}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            answer.cancel()

    async def _answer(self, hits: dict[str, Hit], scope: Scope, receive: Receive, send: Send) -> None:
        if "slow_first_byte" in hits:
            await self._sleep(hits["slow_first_byte"].amount)
        for name, response in INSTEAD.items():
            if name in hits:
                await response(Request(scope), hits[name].amount)(scope, receive, send)
                return
        if "restart" in hits:
            seconds_behind.set(hits["restart"].amount)
        spoilt = any(name in hits for name in (*_ROWS, *_GZIP, *_CUT))
        if spoilt:
            wished = [(name, value) for name, value in scope["headers"] if name not in _WISHES]
            scope = {**scope, "headers": wished}
        async with _good_answer(self._app, scope) as good:
            if spoilt:
                for name in ("etag", "last-modified", "content-length"):
                    del good.headers[name]
            if good.status == 200 and scope["method"] == "GET":
                await self._send(_spoil(good, hits), hits, send)
            else:
                await _send_whole(good, send)

    async def _send(self, answer: _Answer, hits: dict[str, Hit], send: Send) -> None:
        cut = next((hits[name] for name in _CUT if name in hits), None)
        if cut is not None:
            part = await beginning(answer.body, cut.amount)
            if cut.name == "truncated_body":
                answer.headers["content-length"] = str(part.announced_bytes)
            await send(answer.start)
            # The server closes the connection of an app that returns before the end.
            await send({"type": "http.response.body", "body": part.sent, "more_body": True})
        elif "slow_drip" in hits:
            slow = drip(answer.body, hits["slow_drip"].amount, self._sleep)
            await _send_whole(replace(answer, body=slow), send)
        else:
            await _send_whole(answer, send)


async def _send_whole(answer: _Answer, send: Send) -> None:
    await send(answer.start)
    async for piece in answer.body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


def _spoil(answer: _Answer, hits: dict[str, Hit]) -> _Answer:
    """The answer with the body that the faults make of it."""
    body = answer.body
    rows = [fault(hits[name].amount, hits[name].key) for name, fault in _ROWS.items() if name in hits]
    if rows:
        body = change_rows(body, rows)
    if "gzip_bomb" in hits:
        body = gzip_bomb(body, hits["gzip_bomb"].amount)
    elif "truncated_gzip" in hits:
        body = truncated_gzip(body)
    if any(name in hits for name in _GZIP):
        answer.headers["content-encoding"] = "gzip"
    return replace(answer, body=body)


@contextlib.asynccontextmanager
async def _good_answer(app: ASGIApp, scope: Scope) -> AsyncIterator[_Answer]:
    """Let the app answer, no faster than the body is read. The app is cancelled if the context ends first."""
    messages: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
    requests: asyncio.Queue[Message] = asyncio.Queue()
    requests.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def body() -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await messages.get()
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async with asyncio.TaskGroup() as group:
        task = group.create_task(_run(app, scope, requests.get, messages.put))
        start = await messages.get()
        yield _Answer(start["status"], MutableHeaders(raw=list(start["headers"])), body())
        task.cancel()


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


async def _disconnect(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
