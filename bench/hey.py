"""``hey -n 5000 -c 50``, as the system that Switchboard reimplements was measured."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.system import Cores

ROUNDS = 5
SUMMARIES = Path("build")


def find_hey() -> str | None:
    """Its path, if it is installed."""
    return shutil.which("hey")


def measure(port: int, api: int, targets: Mapping[str, str], cores: Cores) -> dict[str, float]:
    """Medians of ROUNDS rounds that alternate between the targets; the median rounds' summaries go to files."""
    rounds: dict[str, list[tuple[float, str]]] = {name: [] for name in targets}
    with cores.alone(api):
        for _ in range(ROUNDS + 1):
            for name, target in targets.items():
                rounds[name].append(_run(["hey", "-n", "5000", "-c", "50", f"http://127.0.0.1:{port}{target}"]))
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
