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
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from switchboard.codec.block import SnapshotReader
from switchboard.config import GeneratorSettings
from switchboard.generator.ufm.body import UfmSimulator, write_body
from switchboard.store.redis import Store
from tests.processes import RedisServer, Switchboard, free_port, get, listens, wait_for

SIZES = ((1_000, 31), (20_000, 195), (200_000, 195))
"""Ports and counters."""
ROUNDS = 3
FIRST_SLOT = 2
BODIES = Path("build/bodies")
RATE = 500.0
"""GetMetric requests a second, over all connections; each is due at its time, whatever became of those before it."""
CONNECTIONS = 50
PORTS_PER_SWITCH = 64
_TICKS = os.sysconf("SC_CLK_TCK")


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
    settings = GeneratorSettings(
        profile="ufm",
        switches=str(math.ceil(ports / (PORTS_PER_SWITCH + 1))),
        ports=PORTS_PER_SWITCH,
        counters=counters,
    )
    files = [_body(settings, slot) for slot in range(FIRST_SLOT, FIRST_SLOT + ROUNDS + 1)]
    interval = 10.0 if largest else 1.0
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(free_port()))
        port = free_port()
        server = stack.enter_context(
            subprocess.Popen([sys.executable, "-m", "bench.bodies", str(port), *map(str, files)])
        )
        stack.callback(server.kill)
        wait_for(lambda: listens(port), "the bodies are served")
        options = ["--redis-url", redis.url, "--source", f"fabric=http://127.0.0.1:{port}/", "--log-format", "json"]
        options += ["--interval", str(interval)]
        system = stack.enter_context(Switchboard(options, command="ingester"))
        (etl,), (api,) = system.pids("etl"), system.pids("api")
        # Both sizes whose speeds are compared are measured under the same load.
        stream = stack.enter_context(_Stream(system.port)) if (ports, counters) != SIZES[0] else None
        cpu: list[float] = []
        for number in range(1, ROUNDS + 1):
            before = _cpu_seconds(etl)
            _next(port)
            wait_for(lambda: len(_scrapes(system, "published")) > number, "the next snapshot", 120)  # noqa: B023
            cpu.append(_cpu_seconds(etl) - before)
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
            "ingest_peak_rss_mib": _peak_mib(etl),
            "view_load_seconds": loads["_sum"] / loads["_count"],
            "view_rss_mib": _peak_mib(api),
            "unchanged_cycle_ms": 1000 * statistics.median(one["seconds"] for one in _scrapes(system, "unchanged")),
            "ingest_rounds": ROUNDS,
        }
        if latencies:
            latencies.sort()
            figures["ingest_api_requests"] = len(latencies)
            figures["ingest_api_p99_ms"] = latencies[int(len(latencies) * 0.99)]
            figures["ingest_api_slowest_ms"] = latencies[-1]
        asyncio.run(_verify(redis.url, settings, FIRST_SLOT + ROUNDS))
    return figures


def _body(settings: GeneratorSettings, slot: int) -> Path:
    """The body of a slot, made once."""
    file = BODIES / f"{settings.switches}x{settings.counters}-{slot}.csv"
    if not file.exists():
        BODIES.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part")
        with unfinished.open("wb") as body:
            write_body(settings, "secondary", _slot(settings, slot), body)
        unfinished.rename(file)
    return file


def _slot(settings: GeneratorSettings, number: int) -> int:
    """Slots count from a fixed recent day: the rows' times must not lie in the future, nor before the year 2000."""
    return math.floor(1_790_000_000 / settings.hold) + number


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


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def _verify(url: str, settings: GeneratorSettings, slot: int) -> None:
    """Compare the sum of every column in Redis with the generator's."""
    store = Store(url)
    manifest, _ = await store.pointer("fabric")
    assert manifest is not None
    reader = SnapshotReader(manifest, await store.read_index(manifest))
    async for payloads in store.read_blocks(manifest, reader.index):
        for payload in payloads:
            reader.add(payload)
    for _ in reader.steps():
        pass
    await store.aclose()
    sums: dict[str, list[float]] = defaultdict(list)
    for block in reader.finish().blocks:
        for name, at in block.metrics.items():
            sums[name] += _exact_parts(block.rows.column(at).drop_null().to_numpy())
    for name, total in UfmSimulator(settings).totals("secondary", _slot(settings, slot)).items():
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


class _Stream:
    """A process that asks for cells all over the fabric at RATE until it is told to finish."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.ingest", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def finish(self) -> list[float]:
        """End it; return all latencies in milliseconds."""
        out, _ = self._process.communicate("\n", timeout=30)
        return [float(latency) for latency in out.split()]


async def _ask_until_told(port: int) -> None:
    """Plain sockets: an HTTP client library would take as much of the machine as what is measured."""
    listed = get(port, "/telemetry/ListSwitches", timeout=30).json()[0]
    switches, metrics = [switch["switch_id"] for switch in listed["switches"]], listed["metrics"]
    latencies: list[float] = []
    told = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    begun = time.monotonic()

    async def ask(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = first
        while not told.done():
            due = begun + number / RATE
            await asyncio.sleep(due - time.monotonic())
            switch, metric = switches[number * 7919 % len(switches)], metrics[number * 31 % len(metrics)]
            query = f"switch_id={switch}&port={number % PORTS_PER_SWITCH + 1}&metric={metric}"
            writer.write(f"GET /telemetry/GetMetric?{query} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
            if head[9:12] not in {b"200", b"404"}:  # a port that is down has empty cells
                raise RuntimeError(f"{query}: {head[:80]!r}")
            latencies.append((time.monotonic() - due) * 1000)
            number += CONNECTIONS
        writer.close()

    async with asyncio.TaskGroup() as group:
        for first in range(CONNECTIONS):
            group.create_task(ask(first))
    print(*latencies)


if __name__ == "__main__":
    asyncio.run(_ask_until_told(int(sys.argv[1])))
