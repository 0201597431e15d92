"""Rounds that alternate between servers, each alone on its core, each with samples compared while it runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench import wrk
from bench.plain import Raw, ask, exchange
from bench.system import Cores, CpuTime, cpu_seconds
from tests.lab.processes import Switchboard, wait_for

SECONDS = 4
SAMPLES = 3
"""Answers of each round that are compared."""
COMPARE_SECONDS = 2.0
"""Within this, two processes that load the same snapshots must be seen to have the same one."""
BUSY = 0.9


@dataclass
class Contestant:
    """A server, what it is asked for, and what came of its rounds.

    ``sample``: raises if the server does not answer as it should. ``requests``: whole requests that are drawn at
    random, in place of a GET of ``target``. ``refused``: whether all answers should be 4xx, rather than none.
    """

    name: str
    port: int
    pid: int
    target: str
    sample: Callable[[], None]
    requests: Sequence[bytes] = ()
    refused: bool = False
    rps: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu: list[CpuTime] = field(default_factory=list)
    """Of the server, per request."""

    def run(self, cores: Cores, number: int, *, seconds: int = SECONDS) -> None:
        """One round; number 0 warms up and is not kept. Raises RuntimeError unless every answer was good."""
        with cores.alone(self.pid):
            before, begun = cpu_seconds(self.pid), time.monotonic()
            url = f"http://127.0.0.1:{self.port}{self.target}"
            done = wrk.run(
                url, seconds=seconds, requests=self.requests, seed=number + 1, meanwhile=lambda: self._sample(seconds)
            )
            used, took = cpu_seconds(self.pid) - before, time.monotonic() - begun
        bad = done.failed + (done.requests - done.refused if self.refused else done.refused)
        if bad:
            raise RuntimeError(f"{self.name}: {bad} requests failed:\n{done.summary}")
        if not number:
            return
        self.rps.append(done.rps)
        self.p99_ms.append(done.p99_ms)
        self.cpu.append(used / done.requests)
        server_busy = used.total / took
        if done.busy > BUSY > server_busy:
            print(f"  {self.name}: the client limits (wrk {done.busy:.0%} of its core, server {server_busy:.0%})")

    def _sample(self, seconds: int) -> None:
        for _ in range(SAMPLES):
            time.sleep(seconds / (SAMPLES + 1))
            self.sample()

    def figures(self) -> dict[str, float]:
        """Medians."""
        cpu_us = self.cpu_us()
        return {
            f"{self.name}_rps": statistics.median(self.rps),
            f"{self.name}_p99_ms": statistics.median(self.p99_ms),
            f"{self.name}_cpu_seconds_per_request": cpu_us["total"] / 1e6,
            f"{self.name}_user_cpu_us_per_request": cpu_us["user"],
            f"{self.name}_system_cpu_us_per_request": cpu_us["system"],
        }

    def cpu_us(self) -> dict[str, float]:
        """Processor time of the server per request, in microseconds: medians, each by itself."""
        return {
            kind: 1e6 * statistics.median(getattr(used, kind) for used in self.cpu)
            for kind in ("user", "system", "total")
        }


def ratio(ours: Contestant, other: Contestant) -> float:
    """The median of the ratios of rounds that followed each other."""
    return statistics.median(one / two for one, two in zip(ours.rps, other.rps, strict=True))


def second_worker(system: Switchboard) -> Switchboard:
    """Another API worker on the same Redis, whose answers the first one's are compared with."""
    return Switchboard(["--role", "api", "--redis-url", f"unix://{system.redis_socket}"], command="ingester")


def compare(request: bytes, workers: Sequence[int], status: int = 200) -> None:
    """Ask two workers on one Redis, by their ports: content and its tag must be the same. Raises RuntimeError.

    One worker may have the next snapshot some milliseconds before the other: such answers are not compared.
    """
    asked = request.partition(b"\r\n")[0].decode()
    deadline = time.monotonic() + COMPARE_SECONDS
    while True:
        one, other = (exchange(port, request) for port in workers)
        snapshot = one.header("x-snapshot-id")
        comparable = snapshot == other.header("x-snapshot-id") and (snapshot or status >= 400)  # errors have none
        if comparable and one.status == other.status == status:
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"{asked}: the workers never both said {status}:\n{one.head!r}\n{other.head!r}")
    for name in ("etag", "content-type", "content-length", "last-modified"):
        if one.header(name) != other.header(name):
            raise RuntimeError(f"{asked}: {name} differs:\n{one.head!r}\n{other.head!r}")
    if one.body != other.body:
        raise RuntimeError(f"{asked}: the bodies differ:\n{one.body[:200]!r}\n{other.body[:200]!r}")


def await_snapshot(port: int, target: str, seconds: float) -> None:
    """Wait until answers to a GET come from another snapshot. Raises AssertionError after so many seconds."""

    def current() -> str:
        return ask(port, target).header("x-snapshot-id")

    known = current()
    wait_for(lambda: current() != known, "the next snapshot", seconds)


def same_body(port: int, target: str, expected: Raw) -> None:
    """Ask a server of one static answer. Raises RuntimeError unless that is what comes."""
    answer = ask(port, target)
    if answer.status != 200 or answer.body != expected.body:
        raise RuntimeError(f"{target}: another body:\n{answer.head!r}\n{answer.body[:200]!r}")
