"""Measure Switchboard on this machine: print a table, and merge the figures into ``build/bench.json``.

Usage: python -m bench [PART…]   (all parts by default: serving, endpoints, crowd, steady, queries, ingest)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import crowd, endpoints, ingest, queries, serving, steady
from bench.calibration import calibration

RESULTS = Path("build/bench.json")
Table = Mapping[str, Mapping[str, float]]
"""Figures by case, then by what was measured; all cases have the same columns."""
PARTS: dict[str, Callable[[], Mapping[str, float | Table]]] = {
    "serving": serving.measure,
    "endpoints": endpoints.measure,
    "crowd": crowd.measure,
    "steady": steady.measure,
    "queries": queries.measure,
    "ingest": ingest.measure,
}


def main() -> int:
    """Run the parts that were asked for; other parts' figures stay in the file."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    wanted = parser.parse_args().parts or list(PARTS)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    described = machine()
    results.update(described)
    for name, fact in described.items():
        print(f"{name:<50} {fact if isinstance(fact, str) else _shown(fact):>14}")
    for part in wanted:
        begun = time.monotonic()
        print(f"{part} …", file=sys.stderr)
        figures = PARTS[part]()
        results.update(figures)
        print(f"{part}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
        for name, value in figures.items():
            if isinstance(value, Mapping):
                _print_table(name, value)
            else:
                print(f"  {name:<48} {_shown(value):>14}")
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    return 0


def _print_table(name: str, table: Table) -> None:
    columns = next(iter(table.values()), {})
    print(f"  {name:<48}" + "".join(f" {column:>14}" for column in columns))
    for case, figures in table.items():
        print(f"    {case:<46}" + "".join(f" {_shown(figures[column]):>14}" for column in columns))


def _shown(value: float) -> str:
    """Three decimals, without zeros at the end; of small numbers three digits."""
    if 0 < abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def machine() -> dict[str, str | float]:
    """What the figures were measured on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "commit": commit.stdout.strip(),
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory / 2**30, 1),
        "python": platform.python_version(),
        "calibration": round(calibration(), 3),
    }


if __name__ == "__main__":
    sys.exit(main())
