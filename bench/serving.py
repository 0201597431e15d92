"""Requests per second of the API on the default fabric (100 switches × 3 metrics), with `hey -n 5000 -c 50`.

The client shares the machine with the API, the ETL, Redis and the generator, as the original system was measured.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
from pathlib import Path

from tests.processes import Switchboard

ROUNDS = 5
ENDPOINTS = {
    "get_metric": "/telemetry/GetMetric?switch_id=sw1&metric=bandwidth_mbps",
    "list_metrics": "/telemetry/ListMetrics",
}
SUMMARIES = Path("build")


def measure() -> dict[str, float]:
    """Medians of ROUNDS rounds that alternate between the endpoints; the median rounds' summaries go to files."""
    hey = shutil.which("hey")
    if hey is None:
        print("  hey is not installed (Debian: apt-get install hey): its rows are skipped")
        return {}
    rounds: dict[str, list[tuple[float, str]]] = {name: [] for name in ENDPOINTS}
    with Switchboard() as system:
        for _ in range(ROUNDS + 1):
            for name, target in ENDPOINTS.items():
                url = f"http://127.0.0.1:{system.port}{target}"
                rounds[name].append(_run([hey, "-n", "5000", "-c", "50", url]))
    figures: dict[str, float] = {"hey_rounds": ROUNDS}
    SUMMARIES.mkdir(exist_ok=True)
    for name, runs in rounds.items():
        measured = sorted(runs[1:])  # the first one warmed up
        rate, summary = measured[len(measured) // 2]
        assert rate == statistics.median(rate for rate, _ in measured)
        (SUMMARIES / f"hey_{name}.txt").write_text(summary)
        figures[f"hey_{name}_rps"] = rate
        figures[f"hey_{name}_average_ms"] = _number(summary, "Average") * 1000
        figures[f"hey_{name}_slowest_ms"] = _number(summary, "Slowest") * 1000
    return figures


def _run(command: list[str]) -> tuple[float, str]:
    summary = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    answers = re.search(r"\[200\]\s+(\d+) responses", summary)
    if answers is None or int(answers[1]) != 5000 or "Error distribution" in summary:
        raise RuntimeError(f"not every answer was 200:\n{summary}")
    return _number(summary, "Requests/sec"), summary.strip() + "\n"


def _number(summary: str, name: str) -> float:
    found = re.search(rf"{name}:\s+([\d.]+)", summary)
    if found is None:
        raise RuntimeError(f"hey does not say {name!r}:\n{summary}")
    return float(found[1])
