"""The HTTP endpoints of the ETL process: /health (it lives), /ready (it scrapes) and /metrics (its counters)."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from switchboard.clocks import boottime
from switchboard.errors import StoreError
from switchboard.etl.loop import SourceLoop
from switchboard.model import FRESH_INTERVALS
from switchboard.store.store import Store


def create_app(store: Store, loops: Sequence[SourceLoop]) -> Starlette:
    """The app with /health, /ready and /metrics."""

    async def health(_request: Request) -> Response:
        return PlainTextResponse("OK")

    async def ready(_request: Request) -> Response:
        """200 if the store answers and every source was confirmed within FRESH_INTERVALS."""
        parts: dict[str, object] = {"store": await _store_state(store, loops)}
        now = boottime()
        for loop in loops:
            age = None if loop.last_success is None else now - loop.last_success
            fine = age is not None and age <= FRESH_INTERVALS * loop.source.interval
            parts[loop.source.name] = {"ok": fine, "age_seconds": None if age is None else round(age, 3)}
        good = all(isinstance(part, dict) and part["ok"] for part in parts.values())
        return JSONResponse(parts, 200 if good else 503, headers={"Cache-Control": "no-store"})

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)])


async def _store_state(store: Store, loops: Sequence[SourceLoop]) -> dict[str, object]:
    """Whether the store answers, and accepted the last call of every lease keeper."""
    try:
        await store.ping()
    except StoreError as error:
        return {"ok": False, "error": str(error)}
    trouble = next((loop.store_trouble for loop in loops if loop.store_trouble), "")
    return {"ok": False, "error": trouble} if trouble else {"ok": True}
