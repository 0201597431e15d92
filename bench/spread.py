"""GetMetric for cells drawn at random from so many that a table of ready answers is of no use."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from bench.plain import ask
from bench.rounds import Contestant, compare
from bench.system import Cores
from bench.wrk import SPREAD
from switchboard.api.ready_answers import MOST_ANSWERS
from tests.lab.processes import wait_for

SWITCHES = 4096
METRICS = ("bandwidth_mbps", "latency_ms", "packet_errors")
CELLS = SWITCHES * len(METRICS)
INTERVAL_SECONDS = 10.0
"""Between two snapshots."""

assert max(10_000, 20 * MOST_ANSWERS) <= CELLS, "the table of answers would hold too large a part of the cells"


def contestant(port: int, ordinary_port: int, pid: int) -> Contestant:
    """Ours; every round draws in an order of its own."""

    def target() -> str:
        return f"/telemetry/GetMetric?switch_id=sw{random.randint(1, SWITCHES)}&metric={random.choice(METRICS)}"

    return Contestant(
        "get_metric_spread",
        port,
        pid,
        "/",
        sample=lambda: compare(target(), (port, ordinary_port)),
        script=lambda number: (str(SPREAD), str(SWITCHES), str(number + 1), *METRICS),
    )


def run(contestants: Sequence[Contestant], cores: Cores, rounds: int) -> None:
    """Ours, then nginx if it is there, so many times.

    A new snapshot before each pair empties the table of answers. Every other round of ours begins so late after it
    that the next one is published and loaded meanwhile: as often as in rounds that begin at any time.
    """
    for number in range(rounds + 1):
        if number:
            _await_snapshot(contestants[0].port)
            if number % 2 == 0:
                time.sleep(INTERVAL_SECONDS - 1)
        for one in contestants:
            one.run(cores, number, **({} if number else {"seconds": 1}))


def _await_snapshot(port: int) -> None:
    def current() -> str:
        return ask(port, f"/telemetry/GetMetric?switch_id=sw1&metric={METRICS[0]}").header("x-snapshot-id")

    known = current()
    wait_for(lambda: current() != known, "the next snapshot", 3 * INTERVAL_SECONDS)
