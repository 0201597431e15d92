"""What becomes of the API, and of its good clients, when there are 2,000 connections, asking or trickling."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from bench import wrk
from bench.openloop import Stream, p99
from bench.system import Cores

CONNECTIONS = 2000
SECONDS = 4
STREAM_SECONDS = 6.0
WINDOWS = 3
LONGEST_SECONDS = 15.0
"""A connection that trickles for so long was not cut."""


def many_connections(port: int, pid: int, target: str, cores: Cores) -> dict[str, float]:
    """2,000 connections that all ask, each again as soon as it is answered."""
    with cores.alone(pid):
        done = wrk.run(f"http://127.0.0.1:{port}{target}", seconds=SECONDS, connections=CONNECTIONS)
    errors = done.failed + done.refused
    if errors:
        print(f"  2,000 connections: {errors} errors:\n{done.summary}")
    return {
        "many_connections_rps": done.rps,
        "many_connections_p99_ms": done.p99_ms,
        "many_connections_errors": errors,
    }


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
    attacker = subprocess.Popen(
        [sys.executable, "-m", "bench.slowloris", str(port), str(CONNECTIONS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert attacker.stdout is not None
        assert attacker.stdout.readline() == "all are open\n", "the slow client failed; what it said is above"
        begun = time.monotonic()
        attacked = p99(_stream(port))
        left = LONGEST_SECONDS - (time.monotonic() - begun)
        out, _ = attacker.communicate(f"{left}\n", timeout=LONGEST_SECONDS + 30)
    finally:
        attacker.kill()
        attacker.communicate()
    told = json.loads(out)
    return _Window(quiet, attacked, told["uncut"], told["longest"])


def _stream(port: int) -> list[float]:
    with Stream(port, 0) as stream:
        stream.wait_begun()
        time.sleep(STREAM_SECONDS)
        return stream.finish()
