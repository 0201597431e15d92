"""The welcome of ``switchboard up``: all addresses, and some commands to try once there is an answer.

If there is none after some seconds, the addresses are printed with what is missing, and the commands follow later.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import shlex
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from switchboard.log import as_logged
from switchboard.process.probe import get

PATIENCE_SECONDS = 5.0
_POLL_SECONDS = 0.2
_MOST_SOURCES = 5
"""Sources of which the text says what they lack."""
_MOST_TOLD = 3
"""How often the text says what is missing, if that changes; the log has all of it."""
_NOTHING_KNOWN = ["No source has been scraped so far; the log says more."]


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses to print."""

    api: str
    generator: str | None
    redis_line: str
    """The command that opens a Redis prompt."""


async def welcome(addresses: Addresses) -> None:
    """Print the addresses when the API is ready, or with what is missing after PATIENCE_SECONDS; then what to try."""
    began = time.monotonic()
    missing: list[str] = []
    told = 0
    while (await asyncio.to_thread(get, f"{addresses.api}/ready"))[0] != http.HTTPStatus.OK:
        if told < _MOST_TOLD and time.monotonic() - began > PATIENCE_SECONDS:
            before, missing = missing, await asyncio.to_thread(_missing, addresses.api)
            if not told:
                _print("Switchboard is up, but cannot answer yet. Ctrl-C stops everything.", _table(addresses), missing)
            elif missing != before:
                _print("Switchboard cannot answer yet.", missing)
            told += missing != before
        await asyncio.sleep(_POLL_SECONDS)
    metric, query = await asyncio.to_thread(_example, addresses.api)
    urls = [f"{addresses.api}/telemetry/ListSources"]
    if query:
        top = urlencode({"metric": metric, "n": 3})
        urls = [f"{addresses.api}/telemetry/GetMetric?{query}", f"{addresses.api}/telemetry/TopMetrics?{top}"]
    commands = ["Try:", "", *(f"  curl {shlex.quote(url)}" for url in urls)]
    if missing:
        _print("Switchboard can answer now.", commands)
    else:
        _print("Switchboard is up. Ctrl-C stops everything.", _table(addresses), commands)


def _print(head: str, *parts: list[str]) -> None:
    lines = ["", head, ""]
    for part in parts:
        lines += [*part, ""]
    with contextlib.suppress(OSError):  # standard output is closed
        print("\n".join(lines), flush=True)


def _table(addresses: Addresses) -> list[str]:
    rows = [("API", addresses.api), ("docs", f"{addresses.api}/docs"), ("metrics", f"{addresses.api}/metrics")]
    if addresses.generator is not None:
        rows.append(("generator", addresses.generator))
    rows.append(("Redis", addresses.redis_line))
    return [f"  {name:<10} {value}" for name, value in rows]


def _missing(api: str) -> list[str]:
    """What the API lacks to answer, line by line: the store, or sources, with the last failure of each one."""
    status, body = get(f"{api}/ready")
    if not status:
        return _NOTHING_KNOWN
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
        ready = json.loads(body)
        errors: dict[str, str] = {}
        if ready["store"]["trouble"]:
            return [f"Redis: {as_logged(ready['store']['trouble'])}"]
        with contextlib.suppress(ValueError):
            errors = {each["source"]: each["error"] for each in json.loads(get(f"{api}/telemetry/Rejects")[1])}
        lines = [
            f"Source {as_logged(name)}: {as_logged(errors[name])}"
            if errors.get(name)
            else as_logged(source["trouble"] or f"No snapshot yet of source {name}")
            for name, source in ready["sources"].items()
            if not source["ready"]
        ]
        more = [f"... and {len(lines) - _MOST_SOURCES} more sources"] if len(lines) > _MOST_SOURCES else []
        return lines[:_MOST_SOURCES] + more or _NOTHING_KNOWN
    return _NOTHING_KNOWN


def _example(api: str) -> tuple[str, str]:
    """A metric, and the query of a GetMetric that has an answer; both empty if there is none."""
    with contextlib.suppress(ValueError, LookupError, TypeError, StopIteration):
        switch = _first_switch(json.loads(get(f"{api}/telemetry/ListSwitches")[1]))
        listed = json.loads(get(f"{api}/telemetry/ListMetrics?{urlencode({'switch_id': switch})}")[1])
        values = listed[0][switch]
        port, first = next(iter(values.items()))
        if isinstance(first, dict):
            metric = next(iter(first))
            return metric, urlencode({"switch_id": switch, "port": port, "metric": metric})
        return port, urlencode({"switch_id": switch, "metric": port})
    return "", ""


def _first_switch(value: Any) -> str:
    """The first ``switch_id`` in a JSON value, at any depth. Raises LookupError."""
    if isinstance(value, dict) and "switch_id" in value:
        return str(value["switch_id"])
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        with contextlib.suppress(LookupError):
            return _first_switch(item)
    raise LookupError("no switch_id")
