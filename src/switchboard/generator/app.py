"""The HTTP side of the generator: `/counters` with conditional requests and gzip, `/health`, and how it is run.

Decisions, by RFC 9110:

- The entity tag is a hash of the body: it cannot name two bodies. The gzip form has a tag of its own (8.8.3.3).
- ``Last-Modified`` is the slot's start. HTTP dates have whole seconds, so it is only sent, and ``If-Modified-Since``
  only looked at, if the hold is a whole number of seconds. Then the date names one slot, and a date at which the
  previous slot was served is always earlier; otherwise a date could belong to two slots and earn a wrong 304.
- ``Cache-Control: no-cache``: a cache may keep the answer but must ask, so that no scrape sees a slot that is over. It
  costs the 304 that is cheap here.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from email.utils import formatdate

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from switchboard.config import GeneratorSettings
from switchboard.generator.conditions import is_not_modified, wants_gzip
from switchboard.generator.snapshots import Representation, Simulator, Snapshot, SnapshotKeeper
from switchboard.serving import serve

_ENDPOINTS = "GET /counters  the counters of all switches, text/csv\nGET /health    OK while the process lives\n"


def create_app(settings: GeneratorSettings, clock: Callable[[], float] = time.time) -> Starlette:
    """The ASGI app of one generator; ``clock`` tells the Unix time in seconds.

    Raises ConfigError if the settings cannot be used.
    """
    return _app_of(Simulator(settings), clock, unasked_304=settings.unasked_304)


async def serve_generator(settings: GeneratorSettings, sock: socket.socket, stop: asyncio.Event) -> None:
    """Serve on a bound socket until ``stop`` is set.

    Raises ConfigError, before anything is served, if the settings cannot be used.
    """
    simulator = Simulator(settings)
    host, port = sock.getsockname()[:2]
    log = structlog.get_logger()
    log.info(
        "generator started",
        url=f"http://{f'[{host}]' if ':' in host else host}:{port}/counters",
        profile=settings.profile,
        switches=len(simulator.fabric.switches),
        metrics=len(simulator.fabric.metrics),
        seed=settings.seed,
        hold_seconds=settings.hold,
    )
    await serve(_app_of(simulator, time.time, unasked_304=settings.unasked_304), sock, stop)
    log.info("generator stopped", port=port)


def _app_of(simulator: Simulator, clock: Callable[[], float], *, unasked_304: bool) -> Starlette:
    # A date in whole seconds tells slots of whole seconds apart, and no others.
    dated = simulator.hold_seconds.denominator == 1
    counters = Counters(SnapshotKeeper(simulator, clock), dated=dated, unasked_304=unasked_304)
    app = Starlette(
        routes=[
            Route("/counters", counters.answer),
            Route("/health", _health),
            Route("/", _endpoints),
        ],
        middleware=[Middleware(_RequestLog)],
        exception_handlers={HTTPException: _refusal},
    )
    app.router.redirect_slashes = False
    return app


class Counters:
    """Answers `/counters`."""

    def __init__(self, keeper: SnapshotKeeper, *, dated: bool, unasked_304: bool) -> None:
        """``dated``: Last-Modified is sent, and dates are answered."""
        self._keeper = keeper
        self._dated = dated
        self._unasked_304 = unasked_304
        self._served_slot: int | None = None

    async def answer(self, request: Request) -> Response:
        """200 with the rows of the current slot, or 304 if the client has them."""
        snapshot = await self._keeper.current()
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if wants_gzip(request.headers):
            chosen = await self._keeper.compressed(snapshot)
            coding = {"Content-Encoding": "gzip"}
        else:
            chosen, coding = snapshot.plain, {}
        headers["ETag"] = chosen.etag
        if self._dated:
            headers["Last-Modified"] = formatdate(snapshot.start_seconds, usegmt=True)
        if self._is_known(request, snapshot, chosen):
            return Response(status_code=304, headers=headers)
        return Response(chosen.body, headers=headers | coding, media_type="text/csv")

    def _is_known(self, request: Request, snapshot: Snapshot, chosen: Representation) -> bool:
        """Whether the answer is 304."""
        if not self._unasked_304:
            return is_not_modified(request.headers, chosen.etag, snapshot.start_seconds if self._dated else None)
        known = self._served_slot == snapshot.slot
        if request.method == "GET":  # a HEAD brings no rows
            self._served_slot = snapshot.slot
        return known


async def _health(request: Request) -> Response:
    return PlainTextResponse("OK", headers={"Cache-Control": "no-store"})


async def _endpoints(request: Request) -> Response:
    return PlainTextResponse(_ENDPOINTS)


async def _refusal(request: Request, error: Exception) -> Response:
    """404 and 405 in one sentence."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        text = f"{request.method} is not allowed here, only GET and HEAD\n"
        return PlainTextResponse(text, 405, {"Allow": "GET, HEAD", "Cache-Control": "no-store"})
    return PlainTextResponse("there is nothing at this path, see /\n", 404, {"Cache-Control": "no-store"})


class _RequestLog:
    """One debug line per request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            duration_ms = round((time.perf_counter() - began) * 1000, 3)
            self._log.debug(
                "request", method=scope["method"], path=scope["path"], status=status, duration_ms=duration_ms
            )
