"""The ETL process: one loop and one lease keeper per source, and with ``--role etl`` a few HTTP endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence

import structlog

from switchboard.config.redis import redis_access
from switchboard.config.resolve import own_ports, resolve_sources
from switchboard.config.secrets import check_access, tls_context
from switchboard.config.settings import Settings
from switchboard.config.sources import Source
from switchboard.errors import StoreError, StoreRefused
from switchboard.etl import metrics
from switchboard.etl.cycle import Cycle
from switchboard.etl.door import create_service
from switchboard.etl.lease import LeaseKeeper
from switchboard.etl.loop import SourceLoop
from switchboard.etl.memory import keep_one_heap
from switchboard.etl.pull.scrape import new_session
from switchboard.log import ChangeLog
from switchboard.serving import serve
from switchboard.store.failures import passes
from switchboard.store.server import LOOK_SECONDS, RIGHT_POLICY, Server
from switchboard.store.store import Store
from switchboard.tasks import cancel_all

FORGET_SECONDS = 10.0

_log = structlog.get_logger()


async def run_etl(settings: Settings, *, owner: str, stop: asyncio.Event, sock: socket.socket | None) -> None:
    """Scrape all sources until ``stop`` is set. ``owner`` names this ingester in leases; a restart keeps the name.

    With a socket, /health, /ready and /metrics are served on it. Raises ConfigError.
    """
    sources = resolve_sources(settings)
    keep_one_heap()
    for warning in check_access(sources):
        _log.warning(warning)
    changes = ChangeLog(_log)
    async with contextlib.AsyncExitStack() as stack:
        store = Store(redis_access(settings))
        stack.push_async_callback(store.aclose)
        session = await stack.enter_async_context(new_session(own_ports(settings)))
        keepers = [LeaseKeeper(store, source.name, owner, changes, place=place) for place, source in enumerate(sources)]
        loops = [
            SourceLoop(
                Cycle(source, store, session, keeper, tls=tls_context(source)),
                store,
                keeper,
                changes,
            )
            for source, keeper in zip(sources, keepers, strict=True)
        ]
        _log.info("etl started", sources=[f"{source.name}={source.shown_url}" for source in sources])
        async with asyncio.TaskGroup() as group:
            # Keepers start before loops and stop after them: an interrupted scrape first removes what it wrote, and
            # only then the leases are given back.
            keeping = [group.create_task(keeper.run()) for keeper in keepers]
            keeping.append(group.create_task(_forget_others(store, sources, changes)))
            keeping.append(group.create_task(_watch_server(store.server)))
            scraping = [group.create_task(loop.run()) for loop in loops]
            if sock is not None:
                group.create_task(serve(create_service(store, loops), sock, stop))
            await stop.wait()
            await cancel_all(scraping)
            await cancel_all(keeping)
    _log.info("etl stopped")


async def _forget_others(store: Store, sources: Sequence[Source], changes: ChangeLog) -> None:
    """Remove sources that nobody scrapes any more from the list, again and again.

    A source is in nobody's configuration any more if it is not ours and has no lease, no snapshot and no status (which
    lives for ten intervals). While such a source is in the list, the API answers 503 instead of 404.
    """
    ours = {source.name for source in sources}
    while True:
        try:
            for stray in await store.sources.strays():
                await store.sources.forget(stray)
                _log.warning("list of sources: entry removed that is not the name of a source", entry=stray)
            for other in await store.sources.names():
                if other not in ours and not await store.sources.is_known(other):
                    await store.sources.forget(other)
                    _log.info("source forgotten", source=other)
        except StoreError as error:
            if isinstance(error, StoreRefused) and not passes(error):  # else the keepers of the leases tell of it
                changes.failed("list of sources not tidied", "list", error.cause, error=str(error))
        else:
            changes.recovered("list of sources tidied again", "list")
        await asyncio.sleep(FORGET_SECONDS)


async def _watch_server(server: Server) -> None:
    """Log once when the server may evict keys, and once when it may not any more."""
    said = ""
    while True:
        await server.look()
        metrics.MAY_EVICT.set(server.may_evict)
        if server.warning and not said:
            _log.warning("redis may evict keys", error=server.warning, evicted_keys=server.evicted_keys)
        elif said and server.policy == RIGHT_POLICY:
            _log.info("redis evicts no keys any more", policy=server.policy)
        if server.policy:
            said = server.warning
        await asyncio.sleep(LOOK_SECONDS)
