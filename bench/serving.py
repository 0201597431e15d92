"""Requests per second of the API, beside nginx serving the same bytes from files, one worker each.

The server whose turn it is has one core; wrk, Redis, ETL, generator and whoever waits for its turn share the other,
whichever turn it is, and the ETL publishes every 10 s throughout. A second worker on the same Redis is not measured:
while a round runs, sampled answers are compared with its answers.

``…_vs_nginx`` is the median of the ratios of rounds that followed each other. p99 is wrk's, at 50 connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack

from bench import hey, spread
from bench.nginx import Nginx, find_nginx
from bench.plain import ask, get
from bench.rounds import Contestant, compare, ratio, same_body, second_worker
from bench.system import Cores, two_cores
from bench.wrk import find_wrk
from tests.lab.processes import Switchboard

ROUNDS = 5
LEAST_NGINX_RPS = 60_000
"""Where nginx is slower than that, the machine was not ours alone, and ratios say nothing."""
TARGETS = {
    "get_metric": "/telemetry/GetMetric?switch_id=sw1&metric=bandwidth_mbps",
    "list_metrics": "/telemetry/ListMetrics",
}
SMALL, LIST = "/get_metric.json", "/list_metrics.json"

_WRK_ROWS = "get_metric_hot_rps list_metrics_rps get_metric_spread_rps".split()
_NGINX_ROWS = "nginx_small_rps nginx_list_rps get_metric_hot_vs_nginx list_metrics_vs_nginx get_metric_spread_vs_nginx"
_HEY_ROWS = "hey_get_metric_rps hey_list_metrics_rps".split()


def measure() -> dict[str, float]:
    """All figures for which the programs are installed."""
    nginx = find_nginx() if find_wrk() else None
    skips = [
        ("wrk", find_wrk(), _WRK_ROWS),
        ("nginx", find_nginx(), []),
        ("wrk and nginx", nginx, _NGINX_ROWS.split()),
        ("hey", hey.find_hey(), _HEY_ROWS),
    ]
    for program, found, rows in skips:
        if rows and not found:
            print(f"  {program} not found (make bench-tools): skipped: {', '.join(rows)}")
    with two_cores() as cores:
        print(f"  {cores}")
        figures = _default_fabric(cores, nginx)
        if find_wrk():
            figures |= _large_fabric(cores, nginx)
    if "nginx_small_rps" in figures:
        void = figures["nginx_small_rps"] < LEAST_NGINX_RPS
        figures["serving_void"] = float(void)
        if void:
            print(f"  VOID: nginx stays under {LEAST_NGINX_RPS:,} requests/s, so the ratios to it say nothing")
    return figures


def _default_fabric(cores: Cores, nginx: str | None) -> dict[str, float]:
    """100 switches × 3 metrics."""
    figures: dict[str, float] = {}
    with Switchboard() as system, second_worker(system) as second, ExitStack() as stack:
        (api,) = system.pids("api")
        if find_wrk():
            ours = [_contestant(name, TARGETS[of], system, second) for name, of in _OURS.items()]
            theirs = _static(stack, nginx, system) if nginx else []
            order = _alternate(ours, theirs)
            for number in range(ROUNDS + 1):
                for contestant in order:
                    contestant.run(cores, number, **({} if number else {"seconds": 1}))
            for contestant in order:
                figures |= contestant.figures()
            for one, two in zip(ours, theirs, strict=False):
                figures[f"{one.name}_vs_nginx"] = ratio(one, two)
            figures["get_metric_p99_ms"] = figures["get_metric_hot_p99_ms"]
            figures["serving_rounds"] = ROUNDS
        if hey.find_hey():
            figures |= hey.measure(system.port, api, TARGETS, cores)
    return figures


def _large_fabric(cores: Cores, nginx: str | None) -> dict[str, float]:
    """4,096 switches × 3 metrics, asked for at random."""
    options = ["--generator-switches", str(spread.SWITCHES)]
    with Switchboard(options) as system, second_worker(system) as second, ExitStack() as stack:
        (api,) = system.pids("api")
        ours = spread.contestant(system.port, second.port, api)
        theirs = _static(stack, nginx, system)[:1] if nginx else []
        spread.run([ours, *theirs], cores, ROUNDS)
        figures = ours.figures()
        for nginx_small in theirs:
            figures["get_metric_spread_vs_nginx"] = ratio(ours, nginx_small)
    return figures


_OURS = {"get_metric_hot": "get_metric", "list_metrics": "list_metrics"}


def _contestant(name: str, target: str, system: Switchboard, second: Switchboard) -> Contestant:
    (api,) = system.pids("api")
    request, workers = get(system.port, target), (system.port, second.port)
    return Contestant(name, system.port, api, target, sample=lambda: compare(request, workers))


def _static(stack: ExitStack, program: str | None, system: Switchboard) -> list[Contestant]:
    """nginx with what we answer at the moment."""
    assert program is not None
    answers = {SMALL: ask(system.port, TARGETS["get_metric"]), LIST: ask(system.port, TARGETS["list_metrics"])}
    server = stack.enter_context(Nginx(program, answers))

    def contestant(name: str, path: str) -> Contestant:
        return Contestant(
            name, server.port, server.pid, path, sample=lambda: same_body(server.port, path, answers[path])
        )

    return [contestant("nginx_small", SMALL), contestant("nginx_list", LIST)]


def _alternate(ours: Iterable[Contestant], theirs: list[Contestant]) -> list[Contestant]:
    if not theirs:
        return list(ours)
    return [contestant for pair in zip(ours, theirs, strict=True) for contestant in pair]
