"""The API process: the watcher, the server, and how they end."""

from __future__ import annotations

import asyncio
import socket

import structlog

from switchboard.api import metrics
from switchboard.api.bodies import BodyTable
from switchboard.api.hooks import ApiHooks
from switchboard.api.service import ApiService
from switchboard.clocks import boottime
from switchboard.config.addresses import http_url
from switchboard.config.redis import redis_access
from switchboard.config.settings import Settings
from switchboard.serving import serve
from switchboard.store.store import Store
from switchboard.tasks import cancel_all
from switchboard.view.watch import Watcher

log = structlog.get_logger()

UNREADY_SECONDS = 0.5
"""Time between /ready turning 503 and the end of accepting, in which a load balancer can notice it."""
COUNT_SECONDS = 1.0
"""Time between two transfers of the counts of requests to the metrics."""


async def serve_api(settings: Settings, sock: socket.socket, stop: asyncio.Event) -> None:
    """Answer queries on a bound socket until ``stop`` is set; /ready turns 503 first, then requests are drained."""
    store = Store(redis_access(settings))
    bodies = BodyTable()
    watcher = Watcher(store, keep_bytes=settings.keep_mib << 20, hooks=ApiHooks(bodies, boottime))
    drain = asyncio.Event()
    host, port = sock.getsockname()[:2]
    log.info("api started", url=http_url(host, port))
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watcher.run())
            stopping = group.create_task(_announce(stop, watcher, drain))
            counting = group.create_task(_hand_over_counts())
            await serve(ApiService(watcher, bodies=bodies, cors_origin=settings.cors_origin), sock, drain)
            # The view is watched until the last request is answered.
            await cancel_all((watching, stopping, counting))
    finally:
        metrics.TALLY.flush()
        await store.aclose()
    log.info("api stopped")


async def _hand_over_counts() -> None:
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        metrics.TALLY.flush()


async def _announce(stop: asyncio.Event, watcher: Watcher, drain: asyncio.Event) -> None:
    await stop.wait()
    watcher.announce_stop()
    await asyncio.sleep(UNREADY_SECONDS)
    drain.set()
