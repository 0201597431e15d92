"""The HTTP side of the generator: the paths of its profile, `/health`, and how it is run."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

import structlog

from switchboard.config.addresses import http_url
from switchboard.config.settings import GeneratorSettings
from switchboard.exposition import CONTENT_TYPE
from switchboard.generator.counters import Counters
from switchboard.generator.faults.endpoint import FaultsEndpoint
from switchboard.generator.faults.injector import FaultInjector
from switchboard.generator.faults.plan import FaultPlan, parse_faults
from switchboard.generator.faults.times import late
from switchboard.generator.faults.transport import Sleep
from switchboard.generator.metrics import GeneratorMetrics
from switchboard.generator.snapshots import Simulator
from switchboard.generator.ufm.body import UfmSimulator
from switchboard.generator.ufm.endpoints import Sets
from switchboard.serving import serve
from switchboard.serving.message import NO_STORE, Reply, Request, lines_of, text_reply
from switchboard.serving.routes import Route, Routes


def create_service(
    settings: GeneratorSettings, clock: Callable[[], float] = time.time, sleep: Sleep = asyncio.sleep
) -> Routes:
    """The service of one generator; ``clock`` tells the Unix time in seconds, ``sleep`` is how faults wait.

    Raises ConfigError if the settings cannot be used.
    """
    return _service_of(settings, _profile(settings, late(clock)), sleep)


async def serve_generator(settings: GeneratorSettings, sock: socket.socket, stop: asyncio.Event) -> None:
    """Serve on a bound socket until ``stop`` is set.

    Raises ConfigError, before anything is served, if the settings cannot be used.
    """
    profile = _profile(settings, late(time.time))
    service = _service_of(settings, profile, asyncio.sleep)
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
    await serve(service, sock, stop)
    log.info("generator stopped", port=port)


def _profile(settings: GeneratorSettings, clock: Callable[[], float]) -> Counters | Sets:
    """What answers for the profile of the settings."""
    if settings.profile == "ufm":
        return Sets(UfmSimulator(settings), clock, unasked_304=settings.unasked_304)
    return Counters(Simulator(settings), clock, unasked_304=settings.unasked_304)


def _service_of(settings: GeneratorSettings, profile: Counters | Sets, sleep: Sleep) -> Routes:
    plan = FaultPlan(parse_faults(settings.faults), settings.seed, profile.slot)
    injector = FaultInjector(plan, sleep)
    routes = [route._replace(answer=injector.before(route.answer)) for route in profile.routes()]
    paths = profile.endpoints
    if settings.faults_api:
        routes += FaultsEndpoint(plan).routes()
        paths += "GET /faults    what goes wrong; PUT, POST and DELETE change it\n"
    paths += "GET /health    OK while the process lives\nGET /metrics   what the generator tells of itself\n"
    routes += [Route("/health", _health), Route("/", partial(_list, paths))]
    return _Counting(routes)


class _Counting(Routes):
    """The table of paths, with /metrics, which counts the replies."""

    def __init__(self, routes: list[Route]) -> None:
        super().__init__([*routes, Route("/metrics", self._metrics)], hint="see /")
        self._counts = GeneratorMetrics(frozenset({"/metrics", *(route.path for route in routes)}))

    def done(self, request: Request, reply: Reply, seconds: float, cut: str = "") -> None:
        """Count the reply, too."""
        super().done(request, reply, seconds, cut)
        self._counts.count(request.path, reply.status)

    def _metrics(self, _request: Request) -> Reply:
        return Reply(200, lines_of([NO_STORE, (b"content-type", CONTENT_TYPE)]), self._counts.render())


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a Unix socket has no address
        return True


def _health(_request: Request) -> Reply:
    return text_reply(200, "OK", [NO_STORE])


def _list(paths: str, _request: Request) -> Reply:
    return text_reply(200, paths)
