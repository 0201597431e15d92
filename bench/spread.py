"""GetMetric for cells drawn at random from so many that a table of ready answers is of no use."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from bench.plain import get
from bench.rounds import Contestant, await_snapshot, compare
from bench.system import Cores
from switchboard.api.ready_answers import MOST_ANSWERS

SWITCHES = 4096
METRICS = ("bandwidth_mbps", "latency_ms", "packet_errors")
CELLS = SWITCHES * len(METRICS)
INTERVAL_SECONDS = 10.0
"""Between two snapshots."""

assert max(10_000, 20 * MOST_ANSWERS) <= CELLS, "the table of answers would hold too large a part of the cells"


def contestant(port: int, second_port: int, pid: int) -> Contestant:
    """Ours; every round draws in an order of its own. ``second_port`` is that of the worker it is compared with."""
    requests = [
        get(port, f"/telemetry/GetMetric?switch_id=sw{switch}&metric={metric}")
        for metric in METRICS
        for switch in range(1, SWITCHES + 1)
    ]
    return Contestant(
        "get_metric_spread",
        port,
        pid,
        "/",
        sample=lambda: compare(random.choice(requests), (port, second_port)),
        requests=requests,
    )


def run(contestants: Sequence[Contestant], cores: Cores, rounds: int) -> None:
    """Ours, then nginx if it is there, so many times.

    A new snapshot before each pair empties the table of answers. Every other round of ours begins so late after it
    that the next one is published and loaded meanwhile: as often as in rounds that begin at any time.
    """
    for number in range(rounds + 1):
        if number:
            target = f"/telemetry/GetMetric?switch_id=sw1&metric={METRICS[0]}"
            await_snapshot(contestants[0].port, target, 3 * INTERVAL_SECONDS)
            if number % 2 == 0:
                time.sleep(INTERVAL_SECONDS - 1)
        for one in contestants:
            one.run(cores, number, **({} if number else {"seconds": 1}))
