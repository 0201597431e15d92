"""One round of wrk, and what its summary says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).parent / "requests.lua"
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Round:
    """What came of one run.

    ``failed``: connections that failed and requests that timed out. ``refused``: answers that were neither 2xx nor
    3xx. ``busy``: wrk's share of its core; near 1 it is the client that limits.
    """

    rps: float
    p99_ms: float
    requests: int
    failed: int
    refused: int
    busy: float
    summary: str


def find_wrk() -> str | None:
    """Its path, if it is installed."""
    return shutil.which("wrk")


def run(
    url: str,
    *,
    seconds: int,
    connections: int = 50,
    requests: Sequence[bytes] = (),
    seed: int = 1,
    meanwhile: Callable[[], None] = lambda: None,
) -> Round:
    """Ask for ``url`` over all connections; call ``meanwhile`` once, while that runs.

    ``requests``: whole requests, one of which is drawn at random whenever one is sent, in place of a GET of ``url``;
    ``seed`` determines the draws. Raises RuntimeError if wrk fails or its summary cannot be read.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    with tempfile.NamedTemporaryFile(prefix="switchboard-requests-") as file:
        if requests:
            file.writelines(b"%d\n%b" % (len(request), request) for request in requests)
            file.flush()
            command += ["-s", str(_SCRIPT), url, "--", file.name, str(seed)]
        else:
            command += [url]
        begun, before = time.monotonic(), os.times()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            meanwhile()
            summary, _ = process.communicate(timeout=seconds + 30)
        finally:
            process.kill()
            process.wait()
        took, after = time.monotonic() - begun, os.times()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{summary}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return _read(summary, used / took)


def _read(summary: str, busy: float) -> Round:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", summary)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", summary)
    requests = re.search(r"(\d+) requests in", summary)
    if rate is None or p99 is None or requests is None:
        raise RuntimeError(f"wrk's summary cannot be read:\n{summary}")
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", summary)
    others = re.search(r"Non-2xx or 3xx responses: (\d+)", summary)
    return Round(
        rps=float(rate[1]),
        p99_ms=float(p99[1]) * _MILLISECONDS[p99[2]],
        requests=int(requests[1]),
        failed=sum(map(int, sockets.groups())) if sockets else 0,
        refused=int(others[1]) if others else 0,
        busy=busy,
        summary=summary,
    )
