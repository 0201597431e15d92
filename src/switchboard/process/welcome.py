"""The welcome of ``switchboard up``: once the API answers, it prints all addresses and some commands to try."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import shlex
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog

PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.2
_TIMEOUT_SECONDS = 2.0
_SHOWN_CHARACTERS = 600

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses to print."""

    api: str
    generator: str | None
    redis_line: str
    """The command that opens a Redis prompt."""


async def welcome(addresses: Addresses) -> None:
    """Wait until the API is ready, then print the addresses; log what is missing if that takes long."""
    began = time.monotonic()
    patient = True
    _log.info("waiting for the first snapshot", url=f"{addresses.api}/ready")
    while True:
        status, body = await asyncio.to_thread(_get, f"{addresses.api}/ready")
        if status == http.HTTPStatus.OK:
            break
        if patient and time.monotonic() - began > PATIENCE_SECONDS:
            patient = False
            missing = body.decode("utf-8", "replace")[:_SHOWN_CHARACTERS] or "the API does not answer"
            _log.warning("not ready yet, waiting on", after_seconds=PATIENCE_SECONDS, ready=missing)
        await asyncio.sleep(_POLL_SECONDS)
    query = await asyncio.to_thread(_example_query, addresses.api)
    with contextlib.suppress(OSError):  # standard output is closed
        print(_text(addresses, query), flush=True)


def _text(addresses: Addresses, query: str) -> str:
    rows = [("API", addresses.api), ("docs", f"{addresses.api}/docs"), ("metrics", f"{addresses.api}/metrics")]
    if addresses.generator is not None:
        rows.append(("generator", addresses.generator))
    rows.append(("Redis", addresses.redis_line))
    urls = [f"{addresses.api}/telemetry/ListMetrics"]
    if query:
        urls.insert(0, f"{addresses.api}/telemetry/GetMetric?{query}")
    lines = [
        "",
        "Switchboard is up. Ctrl-C stops everything.",
        "",
        *(f"  {name:<10} {value}" for name, value in rows),
        "",
        "Try:",
        "",
        *(f"  curl {shlex.quote(url)}" for url in urls),
        "",
    ]
    return "\n".join(lines)


def _example_query(api: str) -> str:
    """The query of a GetMetric that has an answer; empty if there is none."""
    with contextlib.suppress(ValueError, LookupError, TypeError, StopIteration):
        switch = _first_switch(json.loads(_get(f"{api}/telemetry/ListSwitches")[1]))
        listed = json.loads(_get(f"{api}/telemetry/ListMetrics?{urlencode({'switch_id': switch})}")[1])
        values = listed[0][switch]
        port, first = next(iter(values.items()))
        if isinstance(first, dict):
            return urlencode({"switch_id": switch, "port": port, "metric": next(iter(first))})
        return urlencode({"switch_id": switch, "metric": port})
    return ""


def _first_switch(value: Any) -> str:
    """The first ``switch_id`` in a JSON value, at any depth. Raises LookupError."""
    if isinstance(value, dict) and "switch_id" in value:
        return str(value["switch_id"])
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        with contextlib.suppress(LookupError):
            return _first_switch(item)
    raise LookupError("no switch_id")


def _get(url: str) -> tuple[int, bytes]:
    """Status and body of a GET; (0, b"") without an answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
