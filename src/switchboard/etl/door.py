"""The HTTP endpoints of the ETL process: /health (it lives), /ready (it scrapes) and /metrics (its counters)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from switchboard import exposition
from switchboard.clocks import boottime
from switchboard.errors import StoreError
from switchboard.etl.loop import SourceLoop
from switchboard.model import FRESH_INTERVALS
from switchboard.serving.message import NO_STORE, Reply, Request, lines_of, text_reply
from switchboard.serving.routes import Route, Routes
from switchboard.store.store import Store


def create_service(store: Store, loops: Sequence[SourceLoop]) -> Routes:
    """The service with /health, /ready and /metrics."""

    async def ready(_request: Request) -> Reply:
        """200 if the store answers and every source was confirmed within FRESH_INTERVALS."""
        parts: dict[str, dict[str, object]] = {"store": await _store_state(store, loops)}
        now = boottime()
        for loop in loops:
            age = None if loop.last_success is None else now - loop.last_success
            fine = age is not None and age <= FRESH_INTERVALS * loop.source.interval
            part: dict[str, object] = {"ok": fine, "age_seconds": None if age is None else round(age, 3)}
            parts[loop.source.name] = part | ({"error": loop.store_trouble} if loop.store_trouble else {})
        status = 200 if all(part["ok"] for part in parts.values()) else 503
        return Reply(status, lines_of([NO_STORE, (b"content-type", b"application/json")]), msgspec.json.encode(parts))

    return Routes(
        [Route("/health", _health), Route("/ready", ready), Route("/metrics", _metrics)],
        hint="only at /health, /ready and /metrics",
    )


def _health(_request: Request) -> Reply:
    return text_reply(200, "OK")


async def _metrics(_request: Request) -> Reply:
    """In a thread: with a hundred sources it takes some ten milliseconds."""
    lines = lines_of([NO_STORE, (b"content-type", exposition.CONTENT_TYPE)])
    return Reply(200, lines, await asyncio.to_thread(exposition.render))


async def _store_state(store: Store, loops: Sequence[SourceLoop]) -> dict[str, object]:
    """Whether the store answers, and accepted the last call of every lease keeper."""
    try:
        await store.ping()
    except StoreError as error:
        return {"ok": False, "error": str(error)}
    trouble = next((loop.server_trouble for loop in loops if loop.server_trouble), "")
    if trouble:
        return {"ok": False, "error": trouble}
    return {"ok": True} | ({"warning": store.server.warning} if store.server.warning else {})
