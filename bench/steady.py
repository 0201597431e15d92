"""A fabric of 10,000 switches × 3 metrics: from scrape to published, and the latency of a steady stream of requests.

The stream is open-loop: request n is due at n / RATE seconds whatever became of the others, and its latency counts from
when it was due. A slow answer therefore delays nobody else's clock, and nothing slow is left out.
"""

from __future__ import annotations

import asyncio
import statistics
import time

import aiohttp

from tests.lab.processes import Switchboard

SWITCHES = 10_000
RATE = 100.0
SECONDS = 60.0
TARGETS = ("/telemetry/GetMetric?switch_id=sw{switch}&metric=latency_ms", "/telemetry/ListMetrics")


def measure() -> dict[str, float]:
    """Latencies in milliseconds over both endpoints in turn, while the ETL publishes every 10 s."""
    with Switchboard(["--generator-switches", str(SWITCHES), "--log-format", "json"]) as system:
        latencies = asyncio.run(_stream(system.port))
        scrapes = [line["seconds"] for line in system.log_lines if line["event"] == "scrape"]
    latencies.sort()
    return {
        "steady_requests": len(latencies),
        "steady_p50_ms": statistics.median(latencies),
        "steady_p99_ms": latencies[int(len(latencies) * 0.99)],
        "steady_slowest_ms": latencies[-1],
        "steady_scrape_to_published_seconds": max(scrapes),
        "steady_scrapes": len(scrapes),
    }


async def _stream(port: int) -> list[float]:
    latencies: list[float] = []
    begun = time.monotonic()
    connector = aiohttp.TCPConnector(limit=200)
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector, timeout=timeout) as session,
        asyncio.TaskGroup() as group,
    ):
        for number in range(int(RATE * SECONDS)):
            due = begun + number / RATE
            await asyncio.sleep(due - time.monotonic())
            target = TARGETS[number % len(TARGETS)].format(switch=number % SWITCHES + 1)
            group.create_task(_ask(session, target, due, latencies))
    return latencies


async def _ask(session: aiohttp.ClientSession, target: str, due: float, latencies: list[float]) -> None:
    async with session.get(target) as answer:
        body = await answer.read()
        if answer.status != 200 or not body:
            raise RuntimeError(f"{target}: {answer.status} {body[:100]!r}")
        latencies.append((time.monotonic() - due) * 1000)
