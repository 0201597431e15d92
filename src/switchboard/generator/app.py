"""The HTTP side of the generator: the endpoints of its profile, `/health`, and how it is run."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from ipaddress import ip_address

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from switchboard.config.addresses import http_url
from switchboard.config.settings import GeneratorSettings
from switchboard.generator.counters import Counters
from switchboard.generator.faults.endpoint import METHODS, FaultsEndpoint
from switchboard.generator.faults.injector import FaultInjector
from switchboard.generator.faults.plan import FaultPlan, parse_faults
from switchboard.generator.faults.times import late
from switchboard.generator.faults.transport import Sleep
from switchboard.generator.snapshots import Simulator
from switchboard.generator.ufm.body import UfmSimulator
from switchboard.generator.ufm.endpoints import Sets
from switchboard.serving import serve


def create_app(
    settings: GeneratorSettings, clock: Callable[[], float] = time.time, sleep: Sleep = asyncio.sleep
) -> Starlette:
    """The ASGI app of one generator; ``clock`` tells the Unix time in seconds, ``sleep`` is how faults wait.

    Raises ConfigError if the settings cannot be used.
    """
    return _app_of(settings, _profile(settings, late(clock)), sleep)


async def serve_generator(settings: GeneratorSettings, sock: socket.socket, stop: asyncio.Event) -> None:
    """Serve on a bound socket until ``stop`` is set.

    Raises ConfigError, before anything is served, if the settings cannot be used.
    """
    profile = _profile(settings, late(time.time))
    app = _app_of(settings, profile, asyncio.sleep)
    host, port = sock.getsockname()[:2]
    log = structlog.get_logger()
    log.info(
        "generator started",
        url=f"{http_url(host, port)}/counters",
        profile=settings.profile,
        **profile.size,
        seed=settings.seed,
        hold_seconds=settings.hold,
    )
    if settings.faults:
        log.warning("faults are on", faults=settings.faults)
    if settings.faults_api and not _is_loopback(host):
        log.warning("faults can be switched by others", host=host, reason="whoever reaches it can use /faults")
    await serve(app, sock, stop)
    log.info("generator stopped", port=port)


def _profile(settings: GeneratorSettings, clock: Callable[[], float]) -> Counters | Sets:
    """What answers for the profile of the settings."""
    if settings.profile == "ufm":
        return Sets(UfmSimulator(settings), clock, unasked_304=settings.unasked_304)
    return Counters(Simulator(settings), clock, unasked_304=settings.unasked_304)


def _app_of(settings: GeneratorSettings, profile: Counters | Sets, sleep: Sleep) -> Starlette:
    plan = FaultPlan(parse_faults(settings.faults), settings.seed, profile.slot)

    async def endpoints(request: Request) -> Response:
        faults = "GET /faults    what goes wrong; PUT, POST and DELETE change it\n" if settings.faults_api else ""
        return PlainTextResponse(f"{profile.endpoints}{faults}GET /health    OK while the process lives\n")

    routes = profile.routes()
    paths = frozenset(route.path for route in routes)
    routes += [Route("/health", _health), Route("/", endpoints)]
    if settings.faults_api:
        routes.append(Route("/faults", FaultsEndpoint(plan).answer, methods=METHODS))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_RequestLog), Middleware(FaultInjector, plan=plan, paths=paths, sleep=sleep)],
        exception_handlers={HTTPException: _refusal},
    )
    app.router.redirect_slashes = False
    return app


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a Unix socket has no address
        return True


async def _health(request: Request) -> Response:
    return PlainTextResponse("OK", headers={"Cache-Control": "no-store"})


async def _refusal(request: Request, error: Exception) -> Response:
    """404 and 405 in one sentence."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        *most, last = allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        text = f"{request.method} is not allowed here, only {', '.join(most)} and {last}\n"
        return PlainTextResponse(text, 405, {"Allow": ", ".join(allowed), "Cache-Control": "no-store"})
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
