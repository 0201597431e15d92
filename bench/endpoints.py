"""What the server spends on a request of each kind: 100 switches × 3 metrics, one worker, 50 connections.

The kinds take turns in rounds, as in `serving`. A round of answers that are 304 has to end before the next snapshot is
shown, because that has other tags; so a turn begins when a snapshot has come, with those rounds first. Answers are
compared with a second worker's: three of each round while it runs, and one after it.

A table of ready answers holds all requests of every kind but one, because there are 300 cells: it cannot hold
UNKNOWN_SWITCHES. For cells that no table holds see `spread.py`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.plain import ask, get, post
from bench.rounds import Contestant, await_snapshot, compare, second_worker
from bench.system import two_cores
from bench.wrk import find_wrk
from switchboard.api.ready_answers import MOST_ANSWERS
from tests.lab.processes import Switchboard

ROUNDS = 5
SECONDS = 3
"""Two rounds and their beginnings fit between two snapshots."""
LONGEST_WAIT_SECONDS = 30.0
"""For a snapshot; they come every 10 s."""
SWITCHES = 100
METRICS = ("bandwidth_mbps", "latency_ms", "packet_errors")
BATCHES, BATCH_CELLS = 100, 10
UNKNOWN_SWITCHES = 20_000

GET_METRIC = "/telemetry/GetMetric?switch_id={switch}&metric={metric}"
CELL = GET_METRIC.format(switch="sw1", metric="bandwidth_mbps")
LIST_METRICS = "/telemetry/ListMetrics"
TOP_METRICS = "/telemetry/TopMetrics?metric=latency_ms&n=10"

assert UNKNOWN_SWITCHES >= 20 * MOST_ANSWERS, "a table of ready answers would hold too large a part of the requests"


@dataclass(frozen=True)
class _Case:
    """One kind of request.

    ``target``: of a plain GET. ``requests``: makes those to draw from, of the server's port, where it is not a plain
    GET or not always the same one. ``status``: of all answers.
    """

    name: str
    target: str = "/"
    requests: Callable[[int], Sequence[bytes]] = lambda port: ()
    status: int = 200


def measure() -> dict[str, dict[str, dict[str, float]]]:
    """User, system and total CPU time of the server per request, in microseconds, by kind: medians of ROUNDS rounds."""
    if not find_wrk():
        print("  wrk not found (make bench-tools): skipped: other_endpoints_cpu_us")
        return {}
    with two_cores() as cores, Switchboard() as system, second_worker(system) as second:
        print(f"  {cores}")
        contestants = [_contestant(case, system, second) for case in _CASES]
        for number in range(ROUNDS + 1):
            await_snapshot(system.port, CELL, LONGEST_WAIT_SECONDS)
            for case, contestant in zip(_CASES, contestants, strict=True):
                contestant.requests = case.requests(system.port)
                contestant.run(cores, number, seconds=SECONDS if number else 1)
                contestant.sample()
    return {"other_endpoints_cpu_us": {one.name: one.cpu_us() for one in contestants}}


def _contestant(case: _Case, system: Switchboard, second: Switchboard) -> Contestant:
    def sample() -> None:
        request = random.choice(contestant.requests or [get(system.port, case.target)])
        compare(request, (system.port, second.port), case.status)

    (api,) = system.pids("api")
    contestant = Contestant(case.name, system.port, api, case.target, sample, refused=case.status >= 400)
    return contestant


def _cells() -> list[tuple[str, str]]:
    """Switch and metric of every cell."""
    return [(f"sw{number}", metric) for number in range(1, SWITCHES + 1) for metric in METRICS]


def _batches(port: int) -> list[bytes]:
    """Batches of cells from all over the fabric."""
    cells = [{"switch_id": switch, "metric": metric} for switch, metric in _cells()]
    bodies = ({"cells": random.sample(cells, BATCH_CELLS)} for _ in range(BATCHES))
    return [post(port, "/telemetry/GetMetrics", json.dumps(body).encode()) for body in bodies]


def _conditional(port: int, targets: Sequence[str]) -> list[bytes]:
    """A GET of each target, with the tag that it has now."""
    return [get(port, target, {"If-None-Match": ask(port, target).header("etag")}) for target in targets]


def _known_cells(port: int) -> list[bytes]:
    return _conditional(port, [GET_METRIC.format(switch=switch, metric=metric) for switch, metric in _cells()])


def _unknown_switches(port: int) -> list[bytes]:
    names = (f"no{number}" for number in range(UNKNOWN_SWITCHES))
    return [get(port, GET_METRIC.format(switch=name, metric=METRICS[0])) for name in names]


def _single_switches(port: int) -> list[bytes]:
    return [get(port, f"{LIST_METRICS}?switch_id=sw{number}") for number in range(1, SWITCHES + 1)]


# Those with tags first.
_CASES = (
    _Case("get_metric_304", requests=_known_cells, status=304),
    _Case("top_metrics_304", requests=lambda port: _conditional(port, [TOP_METRICS]), status=304),
    _Case("top_metrics", TOP_METRICS),
    _Case("list_switches", "/telemetry/ListSwitches"),
    _Case("get_metrics_of_10_cells", requests=_batches),
    _Case("unknown_path", "/telemetry/GetMetrik", status=404),
    _Case("get_metric_404", requests=_unknown_switches, status=404),
    _Case("list_metrics_of_one_switch", requests=_single_switches),
    _Case("get_metric_repeated", CELL),
    _Case("list_metrics", LIST_METRICS),
)
