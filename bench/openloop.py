"""An open-loop client in a process of its own: GetMetric for cells all over the fabric, at a steady rate.

Usage: python -m bench.openloop PORT PORTS_PER_SWITCH   (0: the switches have no ports)

Request n is due at n / RATE seconds whatever became of those before it, and its latency counts from then: a slow answer
delays nobody else's clock, and nothing slow is left out.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Self

from tests.lab.processes import get

RATE = 500.0
"""Requests a second, over all connections."""
CONNECTIONS = 50


class Stream:
    """Asks from the start of the block until it is told to finish."""

    def __init__(self, port: int, ports_per_switch: int) -> None:
        command = [sys.executable, "-m", "bench.openloop", str(port), str(ports_per_switch)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def wait_begun(self) -> None:
        """Until it asks: before that it lists what there is to ask for."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "begun\n":
            raise RuntimeError("the open-loop client failed; what it said is above")

    def finish(self) -> list[float]:
        """End it; return all latencies in milliseconds, sorted. Raises RuntimeError if a request failed."""
        out, _ = self._process.communicate("\n", timeout=30)
        if self._process.returncode:
            raise RuntimeError("the open-loop client failed; what it said is above")
        return sorted(float(latency) for latency in out.removeprefix("begun\n").split())


def p99(latencies: list[float]) -> float:
    """Of sorted latencies. Raises RuntimeError where there are too few for it to mean anything."""
    if len(latencies) < 100:
        raise RuntimeError(f"only {len(latencies)} requests were made: too few for a p99")
    return latencies[int(len(latencies) * 0.99)]


async def _ask_until_told(port: int, ports_per_switch: int) -> None:
    """Plain sockets: an HTTP client library would take as much of the machine as what is measured."""
    listed = get(port, "/telemetry/ListSwitches", timeout=30).json()[0]
    switches, metrics = [switch["switch_id"] for switch in listed["switches"]], listed["metrics"]
    latencies: list[float] = []
    told = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print("begun", flush=True)
    begun = time.monotonic()

    async def ask(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = first
        while not told.done():
            due = begun + number / RATE
            await asyncio.sleep(due - time.monotonic())
            switch, metric = switches[number * 7919 % len(switches)], metrics[number * 31 % len(metrics)]
            query = f"switch_id={switch}&metric={metric}"
            if ports_per_switch:
                query += f"&port={number % ports_per_switch + 1}"
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
    asyncio.run(_ask_until_told(int(sys.argv[1]), int(sys.argv[2])))
