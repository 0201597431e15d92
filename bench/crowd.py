"""What becomes of the API, and of its good clients, when there are thousands of connections, asking or trickling.

Many clients come at once: each opens its connection, asks for one cell, and asks again whenever it is answered. How
long the last of them waits for its first answer is measured, and how long /health takes meanwhile on a new connection.
Where several workers share the socket, some clients may be answered more often than others.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from bench import wrk
from bench.openloop import Stream, p99
from bench.system import Cores, many_files, two_cores
from tests.lab.processes import Switchboard

TARGET = "/telemetry/GetMetric?switch_id=sw1&metric=bandwidth_mbps"
CONNECTIONS = 2000
SECONDS = 4
NEWCOMERS = (2000, 5000)
NEWCOMER_SECONDS = 5.0
NEWCOMER_ROUNDS = 3
PAUSE_SECONDS = 1.0
"""After a round, in which the server sees that all of them have left."""
OTHER_FILES = 500
"""Most files that a process has open beside the connections."""
WORKERS = 4
STREAM_SECONDS = 6.0
WINDOWS = 3
LONGEST_SECONDS = 15.0
"""A connection that trickles for so long was not cut."""


def measure() -> dict[str, float]:
    """Figures of one worker, and of four on the same core: those end in ``_4_workers``.

    ``many_connections_errors`` counts all that went wrong: resets, time-outs, and answers other than expected.
    """
    parts: list[dict[str, float]] = []
    with many_files() as open_files, two_cores() as cores:
        print(f"  {cores}")
        with Switchboard() as system:
            (api,) = system.pids("api")
            if wrk.find_wrk():
                parts.append(many_connections(system.port, api, cores))
            else:
                print("  wrk not found (make bench-tools): skipped: many_connections_rps")
            for count in NEWCOMERS:
                if count + OTHER_FILES > open_files:
                    print(f"  only {open_files} open files are allowed: skipped: first_answer_slowest_seconds_{count}")
                    continue
                parts.append(newcomers(system.port, [api], count, cores))
            parts.append(slowloris(system.port, api, cores))
        with Switchboard(["--workers", str(WORKERS)]) as system:
            parts.append(newcomers(system.port, system.pids("api"), CONNECTIONS, cores))
    figures = {name: value for part in parts for name, value in part.items()}
    return figures | {"many_connections_errors": sum(part.get("many_connections_errors", 0) for part in parts)}


def many_connections(port: int, pid: int, cores: Cores) -> dict[str, float]:
    """2,000 connections that all ask, each again as soon as it is answered."""
    with cores.alone(pid):
        done = wrk.run(f"http://127.0.0.1:{port}{TARGET}", seconds=SECONDS, connections=CONNECTIONS)
    errors = done.failed + done.refused
    if errors:
        print(f"  2,000 connections: {errors} errors:\n{done.summary}")
    return {
        "many_connections_rps": done.rps,
        "many_connections_p99_ms": done.p99_ms,
        "many_connections_errors": errors,
    }


def newcomers(port: int, pids: Sequence[int], count: int, cores: Cores) -> dict[str, float]:
    """Many clients that come at once: medians over rounds of what the slowest client, or /health, waited in each.

    ``first_answer_spread``: how many answers a client had, the 95th percentile of all clients divided by the 5th.
    """
    with cores.alone(*pids):
        rounds = [_newcomers(port, count) for _ in range(NEWCOMER_ROUNDS)]
    suffix = f"_{count}" if len(pids) == 1 else f"_{count}_{len(pids)}_workers"
    return {
        f"first_answer_slowest_seconds{suffix}": median(one["first_seconds"] for one in rounds),
        f"first_answer_spread{suffix}": median(one["most"] / max(1, one["fewest"]) for one in rounds),
        f"health_slowest_ms{suffix}": median(one["health_slowest_ms"] for one in rounds),
        "many_connections_errors": sum(one["errors"] for one in rounds),
    }


def _newcomers(port: int, count: int) -> dict[str, float]:
    """One round: what the clients say, beside the slowest /health and the number of all errors."""
    asking = ["bench.newcomers", str(port), str(count), str(NEWCOMER_SECONDS), TARGET]
    with _client(asking, "ready") as clients, _client(["bench.health", str(port)], "begun") as health:
        told = _tell(clients)
        healthy = _tell(health)
    told["errors"] = told["resets"] + told["timeouts"] + told["wrong"] + healthy["failed"]
    told["health_slowest_ms"] = healthy["slowest_ms"]
    print(
        f"  {count:,} come at once, within {told['opening_seconds']:.2f} s: the last has its first answer after "
        f"{told['first_seconds']:.2f} s; {told['requests']:,} answers, {told['fewest']} to {told['most']} each; "
        f"/health within {told['health_slowest_ms']:.0f} ms; the client is {told['busy']:.0%} busy"
    )
    if told["errors"]:
        kinds = ", ".join(f"{told[kind]} {kind}" for kind in ("resets", "timeouts", "wrong"))
        print(f"    errors: {kinds}; {healthy['failed']} of {healthy['asked']} /health failed")
    time.sleep(PAUSE_SECONDS)
    return told


@contextmanager
def _client(arguments: Sequence[str], word: str) -> Iterator[subprocess.Popen[str]]:
    """A client in a process of its own, which has said the word with which it begins to wait for a line."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{word}\n", "the client failed; what it said is above"
        yield process
    finally:
        process.kill()
        process.communicate()


def _tell(client: subprocess.Popen[str], line: str = "") -> dict[str, float]:
    """Send a client the line that it waits for, and return what it says at its end."""
    out, _ = client.communicate(f"{line}\n", timeout=60)
    told: dict[str, float] = json.loads(out)
    return told


def slowloris(port: int, pid: int, cores: Cores) -> dict[str, float]:
    """2,000 connections that send a byte of a header each second, opened again when they are cut.

    ``slowloris_p99_ratio`` compares an open-loop client's p99 during that with its p99 before: the median of WINDOWS
    pairs that follow each other, because one slow moment of the machine makes the p99 of a window.
    """
    with cores.alone(pid):
        windows = [_attacked(port) for _ in range(WINDOWS)]
    figures = {
        "slowloris_quiet_p99_ms": median(window.quiet_p99_ms for window in windows),
        "slowloris_p99_ms": median(window.p99_ms for window in windows),
        "slowloris_p99_ratio": median(window.p99_ms / window.quiet_p99_ms for window in windows),
        "slowloris_uncut": sum(window.uncut for window in windows),
    }
    longest = max(window.longest_seconds for window in windows)
    if figures["slowloris_uncut"]:
        print(f"  slowloris_cut_seconds: skipped: connections were still open after {longest} s")
        return figures
    return figures | {"slowloris_cut_seconds": longest}


@dataclass(frozen=True)
class _Window:
    """One attack: p99 of a good client before and during it, attackers that were not cut, the longest-lived one."""

    quiet_p99_ms: float
    p99_ms: float
    uncut: int
    longest_seconds: float


def _attacked(port: int) -> _Window:
    quiet = p99(_stream(port))
    with _client(["bench.slowloris", str(port), str(CONNECTIONS)], "all are open") as attacker:
        begun = time.monotonic()
        attacked = p99(_stream(port))
        told = _tell(attacker, str(LONGEST_SECONDS - (time.monotonic() - begun)))
    return _Window(quiet, attacked, round(told["uncut"]), told["longest"])


def _stream(port: int) -> list[float]:
    with Stream(port, 0) as stream:
        stream.wait_begun()
        time.sleep(STREAM_SECONDS)
        return stream.finish()
