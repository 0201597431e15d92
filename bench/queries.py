"""Questions about a whole fabric, 200,005 ports × 195 counters: ranking, batches of cells, and the Arrow export.

While all 37 million values are exported, an open-loop client asks for single cells. What is answered is checked against
other answers before it is timed. An endpoint that does not exist (yet) is skipped by name.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa

from bench.fabric import FIRST_SLOT, PORTS_PER_SWITCH, body_of, running, settings_of
from bench.openloop import Stream, p99
from bench.system import two_cores
from tests.lab.processes import get

PORTS, COUNTERS = 200_000, 195
TOP_REQUESTS = 40
"""Each for another metric."""
BATCHES, BATCH_CELLS = 20, 1000
EXPORTS, EXPORT_SECONDS = 5, 6.0
"""At least so many, and for so long: at 500 requests a second beside it, a p99 needs some seconds."""
PIECE_BYTES = 1 << 20
EXPORT = "/telemetry/ListMetrics?format=arrow"
ARROW = "application/vnd.apache.arrow.stream"
INTERVAL = 30.0
"""Seconds. ETL and source share one core: within a shorter interval they might not be ready on a slow machine."""


class Missing(Exception):
    """The service does not have what was asked for."""


@dataclass(frozen=True)
class Cells:
    """Where there is something to ask for."""

    port: int
    switches: Sequence[str]
    metrics: Sequence[str]

    def draw(self, count: int) -> list[dict[str, str]]:
        """Cells all over the fabric; those of ports that are down are empty."""
        return [
            {
                "switch_id": random.choice(self.switches),
                "port": str(random.randint(1, PORTS_PER_SWITCH)),
                "metric": random.choice(self.metrics),
            }
            for _ in range(count)
        ]


def measure() -> dict[str, float]:
    """Medians; ``…_best…`` and ``…_slowest…`` say so. MB: 1,000,000 bytes of body."""
    parts: dict[str, Callable[[Cells], dict[str, float]]] = {
        "top_metrics_200k_ms": _top,
        "batch_cells_per_second, batch_1000_ms": _batch,
        "arrow_export_mb_per_s, get_metric_p99_during_export_ms": _export,
    }
    figures: dict[str, float] = {}
    files = [body_of(settings_of(PORTS, COUNTERS), FIRST_SLOT)]
    with two_cores() as cores, running(files, INTERVAL) as fabric:
        print(f"  {cores}")
        (api,) = fabric.system.pids("api")
        listed = get(fabric.system.port, "/telemetry/ListSwitches", timeout=30).json()[0]
        names = [switch["switch_id"] for switch in listed["switches"]]
        cells = Cells(fabric.system.port, names, listed["metrics"])
        with cores.alone(api):
            for rows, part in parts.items():
                try:
                    figures |= part(cells)
                except Missing as missing:
                    print(f"  {missing}: skipped: {rows}")
    return figures


def _top(cells: Cells) -> dict[str, float]:
    with closing(HTTPConnection("127.0.0.1", cells.port, timeout=30)) as connection:
        metric = cells.metrics[-1]
        greatest = max(_values(_ask(connection, f"/telemetry/ListMetrics?{urlencode({'metric': metric})}")))
        if not _holds(_ask(connection, _top_target(metric)), greatest):
            raise RuntimeError(f"TopMetrics does not have the greatest {metric}, {greatest}")
        milliseconds = []
        for number in range(TOP_REQUESTS):
            target = _top_target(cells.metrics[number * len(cells.metrics) // TOP_REQUESTS])
            begun = time.perf_counter()
            _ask(connection, target)
            milliseconds.append((time.perf_counter() - begun) * 1000)
    return {
        "top_metrics_200k_ms": statistics.median(milliseconds),
        "top_metrics_200k_slowest_ms": max(milliseconds),
        "top_metrics_rounds": TOP_REQUESTS,
    }


def _top_target(metric: str) -> str:
    return f"/telemetry/TopMetrics?{urlencode({'metric': metric, 'n': 10, 'order': 'desc'})}"


def _batch(cells: Cells) -> dict[str, float]:
    with closing(HTTPConnection("127.0.0.1", cells.port, timeout=30)) as connection:
        asked = cells.draw(BATCH_CELLS)
        answer = _ask_batch(connection, asked)
        for cell in asked[:20]:
            single = get(cells.port, f"/telemetry/GetMetric?{urlencode(cell)}")
            if single.status == 200 and not _holds(answer, single.json()):
                raise RuntimeError(f"GetMetrics does not have what GetMetric says of {cell}: {single.text}")
        milliseconds = []
        for _ in range(BATCHES):
            asked = cells.draw(BATCH_CELLS)
            begun = time.perf_counter()
            _ask_batch(connection, asked)
            milliseconds.append((time.perf_counter() - begun) * 1000)
    median = statistics.median(milliseconds)
    return {
        "batch_1000_ms": median,
        "batch_1000_slowest_ms": max(milliseconds),
        "batch_cells_per_second": BATCH_CELLS / median * 1000,
        "batch_rounds": BATCHES,
    }


def _export(cells: Cells) -> dict[str, float]:
    with closing(HTTPConnection("127.0.0.1", cells.port, timeout=60)) as connection:
        rows, values = 0, 0
        answer = _begin(connection, "GET", EXPORT)
        if answer.headers["Content-Type"] != ARROW:
            connection.close()
            raise Missing(f"{EXPORT}: the answer is {answer.headers['Content-Type']}")
        for batch in pa.ipc.open_stream(answer):
            rows += batch.num_rows
            values += sum(len(column) - column.null_count for column in batch.columns)
        answer.read()
        if rows < PORTS:
            raise RuntimeError(f"the export has {rows} rows")
        size = 0
        speeds: list[float] = []
        with Stream(cells.port, PORTS_PER_SWITCH) as stream:
            stream.wait_begun()
            first = time.monotonic()
            while len(speeds) < EXPORTS or time.monotonic() < first + EXPORT_SECONDS:
                begun = time.perf_counter()
                size = _read_all(_begin(connection, "GET", EXPORT))
                speeds.append(size / 1e6 / (time.perf_counter() - begun))
            latencies = stream.finish()
    return {
        "arrow_export_rows": rows,
        "arrow_export_cells": values,
        "arrow_export_mb": size / 1e6,
        "arrow_export_mb_per_s": statistics.median(speeds),
        "arrow_export_best_mb_per_s": max(speeds),
        "arrow_export_rounds": len(speeds),
        "get_metric_requests_during_export": len(latencies),
        "get_metric_p99_during_export_ms": p99(latencies),
        "get_metric_slowest_during_export_ms": latencies[-1],
    }


def _ask_batch(connection: HTTPConnection, cells: list[dict[str, str]]) -> bytes:
    return _begin(connection, "POST", "/telemetry/GetMetrics", json.dumps({"cells": cells}).encode()).read()


def _ask(connection: HTTPConnection, target: str) -> bytes:
    return _begin(connection, "GET", target).read()


def _begin(connection: HTTPConnection, method: str, target: str, body: bytes | None = None) -> HTTPResponse:
    """Send, and wait for the head of a 200. Raises Missing, and RuntimeError for other errors."""
    connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    if answer.status == 200:
        return answer
    sentence = answer.read(200).decode("utf-8", "replace").strip()
    if (answer.status == 404 and "path does not exist" in sentence) or "Unknown parameter format" in sentence:
        raise Missing(f"{target.partition('?')[0]}: {sentence}")
    raise RuntimeError(f"{method} {target}: {answer.status} {sentence}")


def _read_all(answer: HTTPResponse) -> int:
    """The size of the body; nothing of it is kept."""
    size, piece = 0, bytearray(PIECE_BYTES)
    while count := answer.readinto(piece):
        size += count
    return size


def _holds(body: bytes, value: object) -> bool:
    """Whether a JSON document has this value somewhere."""
    return value in _values(body)


def _values(body: bytes) -> list[Any]:
    """All values of a JSON document that are neither objects nor arrays."""
    left: list[Any] = [json.loads(body)]
    found: list[Any] = []
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list):
            left += one
        else:
            found.append(one)
    return found
