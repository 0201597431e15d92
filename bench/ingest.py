"""From an HTTP body to a moved pointer: fabrics of UFM's shape, from 1,000 ports × 31 counters to 200,000 × 195.

The bodies are the secondary set of the generator's profile `ufm` at slots that follow each other, so that practically
every value changes, labels and BER columns included. They are made beforehand and sent by a process of its own over
TCP. One round is one new body: the clock runs from the request to the moved pointer, as the ETL logs it. Afterwards the
sum of every column, read back from Redis, must equal the generator's. While the larger fabrics are scraped, an
open-loop client asks the API for cells all over them.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import sys
from collections import defaultdict
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.fabric import FIRST_SLOT, PORTS_PER_SWITCH, body_of, running, settings_of, slot_of
from bench.openloop import Stream, p99
from bench.system import cpu_seconds, peak_mib
from switchboard.config.settings import GeneratorSettings
from switchboard.generator.ufm.body import UfmSimulator
from switchboard.snapshot.reader import SnapshotReader
from switchboard.store.store import Store
from tests.lab.processes import Switchboard, get, wait_for

SIZES = ((1_000, 31), (20_000, 195), (200_000, 195))
"""Ports and counters."""
ROUNDS = 3


def measure() -> dict[str, float]:
    """Figures of all sizes; those without a size in their name are of the largest."""
    figures: dict[str, float] = {}
    for ports, counters in SIZES:
        of_size = _measure_size(ports, counters)
        figures |= {f"{name}_{ports}x{counters}": value for name, value in of_size.items()}
        print(f"  {ports:,} × {counters}: {of_size['ingest_values_per_second'] / 1e6:.2f} M values/s", file=sys.stderr)
        if (ports, counters) == SIZES[-1]:
            figures |= of_size
    small, large = (f"ingest_values_per_second_{ports}x{counters}" for ports, counters in SIZES[1:])
    figures["ingest_large_vs_medium"] = figures[large] / figures[small]
    return figures


def _measure_size(ports: int, counters: int) -> dict[str, float]:
    largest = (ports, counters) == SIZES[-1]
    settings = settings_of(ports, counters)
    files = [body_of(settings, slot) for slot in range(FIRST_SLOT, FIRST_SLOT + ROUNDS + 1)]
    interval = 10.0 if largest else 1.0
    with ExitStack() as stack:
        fabric = stack.enter_context(running(files, interval))
        system = fabric.system
        (etl,), (api,) = system.pids("etl"), system.pids("api")
        # Both sizes whose speeds are compared are measured under the same load.
        stream = stack.enter_context(Stream(system.port, PORTS_PER_SWITCH)) if (ports, counters) != SIZES[0] else None
        cpu: list[float] = []
        for number in range(1, ROUNDS + 1):
            before = cpu_seconds(etl).total
            _next(fabric.bodies_port)
            wait_for(lambda: len(_scrapes(system, "published")) > number, "the next snapshot", 120)  # noqa: B023
            cpu.append(cpu_seconds(etl).total - before)
        wait_for(lambda: len(_scrapes(system, "unchanged")) > ROUNDS, "unchanged scrapes", 60 + 10 * interval)
        latencies = stream.finish() if stream else []
        published = _scrapes(system, "published")[1:]
        seconds = statistics.median(scrape["seconds"] for scrape in published)
        values = published[-1]["values"]
        loads = _metric(system, "switchboard_api_view_load_duration_seconds")
        figures = {
            "ingest_rows": published[-1]["rows"],
            "ingest_values": values,
            "ingest_bytes_per_value": files[-1].stat().st_size / values,
            "ingest_seconds": seconds,
            "ingest_slowest_seconds": max(scrape["seconds"] for scrape in published),
            "ingest_values_per_second": values / seconds,
            "ingest_cpu_seconds": statistics.median(cpu),
            "ingest_peak_rss_mib": peak_mib(etl),
            "view_load_seconds": loads["_sum"] / loads["_count"],
            "view_rss_mib": peak_mib(api),
            "unchanged_cycle_ms": 1000 * statistics.median(one["seconds"] for one in _scrapes(system, "unchanged")),
            "ingest_rounds": ROUNDS,
        }
        if latencies:
            figures["ingest_api_requests"] = len(latencies)
            figures["ingest_api_p99_ms"] = p99(latencies)
            figures["ingest_api_slowest_ms"] = latencies[-1]
        asyncio.run(_verify(fabric.redis_url, settings, FIRST_SLOT + ROUNDS))
    return figures


def _next(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/")
    connection.getresponse().read()
    connection.close()


def _scrapes(system: Switchboard, outcome: str) -> list[dict[str, Any]]:
    return [line for line in system.log_lines if line["event"] == "scrape" and line["outcome"] == outcome]


def _metric(system: Switchboard, name: str) -> dict[str, float]:
    """Count and sum of a histogram without labels."""
    lines = (line.rpartition(" ") for line in get(system.port, "/metrics", timeout=30).text.splitlines())
    return {key.removeprefix(name): float(value) for key, _, value in lines if key in (f"{name}_sum", f"{name}_count")}


async def _verify(url: str, settings: GeneratorSettings, slot: int) -> None:
    """Compare the sum of every column in Redis with the generator's."""
    store = Store(url)
    manifest, _ = await store.snapshots.pointer("fabric")
    assert manifest is not None
    reader = SnapshotReader(manifest, await store.snapshots.read_index(manifest))
    async for payloads in store.snapshots.read_blocks(manifest, reader.index):
        for payload in payloads:
            reader.add(payload)
    for _ in reader.steps():
        pass
    await store.aclose()
    sums: dict[str, list[float]] = defaultdict(list)
    for block in reader.finish().blocks:
        for name, at in block.metrics.items():
            sums[name] += _exact_parts(block.rows.column(at).drop_null().to_numpy())
    for name, total in UfmSimulator(settings).totals("secondary", slot_of(settings, slot)).items():
        # Both are the true sum, rounded once.
        if float(total.sum) != math.fsum(sums[name]):
            raise RuntimeError(f"column {name}: {math.fsum(sums[name])} was read back, {total.sum} was generated")


def _exact_parts(values: npt.NDArray[Any]) -> list[float]:
    """Doubles whose sum is exactly that of ``values``: integers are added in halves, which do not overflow."""
    if values.dtype.kind == "f":
        exact: list[float] = values.tolist()
        return exact
    values = values.astype(np.uint64 if values.dtype.kind == "u" else np.int64)
    return [float(int((values >> 32).sum()) << 32), float(int((values & 0xFFFFFFFF).sum()))]
