"""The API keeps to its own description: schemathesis reads /openapi.json and asks thousands of questions.

All its checks are on, and all its phases: examples, boundary values of every parameter, random requests (valid ones and
such that break the schema on purpose, wrong methods among them), and sequences of requests where links allow any.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from switchboard.api import metrics
from switchboard.api.answer import Answer
from switchboard.api.endpoint import Endpoint
from switchboard.api.endpoints import ENDPOINTS
from switchboard.query.requests import Pinned
from switchboard.view.view import View
from tests.lab.fabric import DATA_SECONDS, Holder, Row, Value, source, view
from tests.lab.running_api import running_api

CONFIG = Path(__file__).parent / "schemathesis.toml"
LEAST_REQUESTS = 2_000


def _row(switch: str, number: int, state: str, port: str | None = None) -> Row:
    """A row with all metrics, among them the largest integers there are, and the label."""
    cells: dict[str, Value] = {"errors": 2**64 - number, "state": state, "bandwidth_mbps": number / 3, "latency_ms": 1}
    return Row(switch, cells, port, (DATA_SECONDS + number) * 1_000_000)


WORLD = view(
    source(
        "ports",
        [
            _row(switch, number, state, port)
            for switch in ("a", "b", "0x248a070300ef19a0")
            for number, (port, state) in enumerate((("1", "Active"), ("2", "Polling"), ("3", "")), 1)
        ],
    ),
    source("fabric", [_row(switch, number, "Active") for number, switch in enumerate(("a", "b", "sw1"), 1)]),
)
"""Two sources that share switches, one of them with ports: nearly all names of schemathesis.toml fit each other."""


def schemathesis(port: int, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it against a server, with our settings and no others, in a directory that it may write to."""
    words = ["--config-file", str(CONFIG), "--no-color", "run", f"http://127.0.0.1:{port}/openapi.json"]
    # Its own process is not measured: that takes half of its time.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    path = f"{CONFIG.parent}{os.pathsep}{env.get('PYTHONPATH', '')}"
    env |= {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *words, *options],
        cwd=directory,
        env=env,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


def answered() -> Counter[tuple[str, str]]:
    """How many requests this process has answered, by label of the endpoint and status."""
    metrics.TALLY.flush()
    return Counter(
        {
            (sample.labels["endpoint"], sample.labels["status"]): int(sample.value)
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == "switchboard_api_requests_total"
        }
    )


@pytest.mark.parametrize(
    ("accept", "examples", "least"), [("*/*", 400, LEAST_REQUESTS), ("application/json", 150, 500)]
)
def test_the_api_keeps_to_its_description(tmp_path: Path, accept: str, examples: int, least: int) -> None:
    """Thousands of requests, valid and invalid, get what the document says, and every operation is tested.

    A client that takes anything gets errors as text, one that asks for JSON gets problems: two runs, one of them short.
    """
    before = answered()
    with running_api(Holder(WORLD)) as port:
        # By default the operation that serves the document stays out; named, it is in.
        options = ["--include-path-regex", "^/", "--header", f"Accept: {accept}", "--max-examples", str(examples)]
        run = schemathesis(port, tmp_path, *options)
    print(run.stdout)
    asked = answered() - before
    statuses: Counter[str] = Counter()
    for (_, status), count in asked.items():
        statuses[status] += count
    print(asked, statuses)
    assert run.returncode == 0, run.stdout
    assert f"Tested: {len(ENDPOINTS)}\n" in run.stdout
    assert {endpoint.label for endpoint in ENDPOINTS} == {label for label, status in asked if status == "200"}
    # Of data and of nothing else: files that never change would only make the number larger.
    data = {endpoint.path for endpoint in ENDPOINTS if endpoint.path.startswith("/telemetry/")}
    assert sum(count for (path, _), count in asked.items() if path in data) >= least
    for endpoint in ENDPOINTS:
        if endpoint.takes(Pinned):
            assert asked[endpoint.path, "200"] >= least // 200, endpoint.path
            assert asked[endpoint.path, "400"] >= least // 200, endpoint.path
    assert {"304", "404", "405", "410"} <= statuses.keys()
    assert re.search(r"(\d+) generated, \1 passed", run.stdout)


def wrong_status(seen: View, now: float, query: object) -> Answer:
    return Answer(203, [(b"cache-control", b"no-store")], b"[]")


def wrong_body(seen: View, now: float, query: object) -> Answer:
    return Answer(200, [(b"cache-control", b"no-store")], b'{"name":"fabric"}')


def no_header(seen: View, now: float, query: object) -> Answer:
    return Answer(200, [], b"[]")


def wrong_type(seen: View, now: float, query: object) -> Answer:
    return Answer(200, [(b"cache-control", b"no-store")], b"[]", b"text/html")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (wrong_status, "Undocumented status code"),
        (wrong_body, "Response violates schema"),
        (no_header, "Missing required response headers"),
        (wrong_type, "Undocumented Content-Type"),
    ],
)
def test_a_planted_difference_is_found(tmp_path: Path, answer: object, complaint: str) -> None:
    """An endpoint that does not do what the document says makes the run fail, with the right complaint."""
    planted: Sequence[Endpoint] = [
        replace(endpoint, answer=answer) if endpoint.path == "/telemetry/ListSources" else endpoint  # type: ignore[arg-type]  # a function of any query
        for endpoint in ENDPOINTS
    ]
    with running_api(Holder(WORLD), planted) as port:
        run = schemathesis(port, tmp_path, "-n", "5", "--include-path", "/telemetry/ListSources")
    assert run.returncode == 1
    assert complaint in run.stdout, run.stdout
