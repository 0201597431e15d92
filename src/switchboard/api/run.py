"""The API process: the watcher, the server, and how they end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence

import structlog

from switchboard.api import metrics
from switchboard.api.app import create_app
from switchboard.api.bodies import BodyTable
from switchboard.api.endpoint import Endpoint
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.fast import FastDoor, FastProtocol
from switchboard.api.hooks import ApiHooks
from switchboard.api.ordinary import OrdinaryProtocol
from switchboard.clocks import boottime
from switchboard.config.addresses import http_url
from switchboard.config.settings import Settings
from switchboard.serving import serve
from switchboard.store.store import Store
from switchboard.tasks import cancel_all
from switchboard.view.view import ViewHolder
from switchboard.view.watch import Watcher

log = structlog.get_logger()

UNREADY_SECONDS = 0.5
"""Time between /ready turning 503 and the end of accepting, in which a load balancer can notice it."""
COUNT_SECONDS = 1.0
"""Time between two transfers of the fast door's counts to the metrics."""


async def serve_api(settings: Settings, sock: socket.socket, stop: asyncio.Event) -> None:
    """Answer queries on a bound socket until ``stop`` is set; /ready turns 503 first, then requests are drained."""
    store = Store(settings.redis_url)
    bodies = BodyTable()
    watcher = Watcher(store, keep_bytes=settings.keep_mib << 20, hooks=ApiHooks(bodies, boottime))
    protocol = choose_protocol(watcher, bodies=bodies, fast_door=settings.fast_door)
    drain = asyncio.Event()
    host, port = sock.getsockname()[:2]
    log.info("api started", url=http_url(host, port))
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watcher.run())
            stopping = group.create_task(_announce(stop, watcher, drain))
            counting = group.create_task(_hand_over_counts())
            await serve(create_app(watcher, bodies=bodies), sock, drain, protocol=protocol)
            # The view is watched until the last request is answered.
            await cancel_all((watching, stopping, counting))
    finally:
        metrics.TALLY.flush()
        await store.aclose()
    log.info("api stopped")


def choose_protocol(
    holder: ViewHolder,
    endpoints: Sequence[Endpoint] = ENDPOINTS,
    *,
    fast_door: bool,
    bodies: BodyTable | None = None,
) -> type[OrdinaryProtocol]:
    """The class of connections: with the fast door if wanted, but not at level debug, because it logs no requests."""
    if not fast_door or log.is_enabled_for(logging.DEBUG):
        return OrdinaryProtocol
    return FastProtocol.with_door(FastDoor(holder, endpoints, bodies=bodies))


async def _hand_over_counts() -> None:
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        metrics.TALLY.flush()


async def _announce(stop: asyncio.Event, watcher: Watcher, drain: asyncio.Event) -> None:
    await stop.wait()
    watcher.announce_stop()
    await asyncio.sleep(UNREADY_SECONDS)
    drain.set()
