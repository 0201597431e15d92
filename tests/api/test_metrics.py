"""The service's own metrics, in one process and over several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from switchboard import exposition
from switchboard.api import metrics
from switchboard.api.describe.responses import statuses_of
from switchboard.api.endpoints import ENDPOINTS
from switchboard.serving import refusals
from tests.lab.fabric import NOW, Holder, row, source, view
from tests.lab.promtext import samples
from tests.lab.running_api import ask, running_api
from tests.lab.servers import PATIENCE_SECONDS

WORKER = """
import sys
from tests.lab.fabric import NOW, row, source, view
from switchboard import exposition
from switchboard.api import metrics

worker, rows, age = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
metrics.REQUESTS.labels("/x", "200").inc(rows)
metrics.observe_view(view(source("fabric", [row(f"sw{n}", errors=1) for n in range(rows)], age=age)), NOW)
print("ready", flush=True)
sys.stdin.readline()
sys.stdout.write(exposition.render().decode())
"""


def test_requests_and_the_view_are_measured() -> None:
    """/metrics counts requests by endpoint and status, their durations, and shows the view."""
    seen = view(source("metered", [row("sw1", errors=1), row("sw2", errors=2)], age=4.0), source("absent"))
    metrics.observe_view(seen, NOW)
    with running_api(Holder(seen)) as port:
        before = samples(ask(port, "/metrics").text)
        for target in (
            "/telemetry/ListMetrics",
            "/telemetry/ListMetrics",
            "/telemetry/ListMetrics?x=1",
            "/nothing/here",
        ):
            ask(port, target)
        reply = ask(port, "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    after = samples(reply.text)

    def grown(name: str, *labels: str) -> float:
        return after[(name, *labels)] - before.get((name, *labels), 0.0)

    listed = "endpoint=/telemetry/ListMetrics"
    assert grown("switchboard_api_requests_total", listed, "status=200") == 2
    assert grown("switchboard_api_requests_total", listed, "status=400") == 1
    assert grown("switchboard_api_requests_total", "endpoint=other", "status=404") == 1
    assert grown("switchboard_api_request_duration_seconds_count", listed) == 3
    assert after["switchboard_api_view_rows", "source=metered"] == 2
    assert after["switchboard_api_snapshot_age_seconds", "source=metered"] == 4.0
    assert after["switchboard_api_source_state", "source=metered", "state=fresh"] == 1
    assert after["switchboard_api_source_state", "source=absent", "state=none"] == 1
    assert after["switchboard_api_store_up",] == 1
    metrics.forget_source("metered")
    gone = samples(exposition.render().decode())
    assert gone["switchboard_api_view_rows", "source=metered"] == 0
    assert gone["switchboard_api_source_state", "source=metered", "state=fresh"] == 0


def test_one_process_speaks_for_all(tmp_path: Path) -> None:
    """With a shared directory counters are added up, and gauges show the worst or the last of the living processes."""
    root = Path(__file__).parents[2]
    environ = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": f"{root}/src{os.pathsep}{root}"}
    workers = []
    for arguments in (("1", "3", "2"), ("2", "5", "17")):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        workers.append(process)
    texts = [process.communicate("\n", timeout=PATIENCE_SECONDS)[0] for process in workers]
    shown = samples(texts[0])
    assert shown["switchboard_api_requests_total", "endpoint=/x", "status=200"] == 8
    assert shown["switchboard_api_snapshot_age_seconds", "source=fabric"] == 17.0
    assert shown["switchboard_api_view_rows", "source=fabric"] == 5
    assert shown["switchboard_api_source_state", "source=fabric", "state=fresh"] == 1
    assert shown["switchboard_api_source_state", "source=fabric", "state=late"] == 1


def test_the_age_goes_on_when_the_snapshot_has_expired() -> None:
    """Rows fall to zero with the snapshot; its age grows on, so that an alert can tell."""
    expired = view(source("old", None, confirmed_at=NOW - 50.0, expires_at=NOW - 20.0))
    metrics.observe_view(expired, NOW)
    found = samples(exposition.render().decode())
    assert found["switchboard_api_snapshot_age_seconds", "source=old"] == 50.0
    assert found["switchboard_api_view_rows", "source=old"] == 0


def test_series_are_few_and_there_from_the_start() -> None:
    """Every endpoint has its statuses, only those of telemetry have durations, and all files are one endpoint."""
    with running_api(Holder(view(source("lean", [row("sw1", errors=1)])))) as port:
        for path in ("/docs", "/docs/docs.css", "/docs/docs.js", "/openapi.json", "/health", "/x"):
            ask(port, path)
        found = samples(ask(port, "/metrics").text)
    endpoints = {label for name, *labels in found for label in labels if name == "switchboard_api_requests_total"}
    assert {"endpoint=files", "endpoint=/health", "endpoint=other"} <= endpoints
    assert not [each for each in endpoints if "docs" in each or "openapi" in each]
    timed = {labels[0] for name, *labels in found if name == "switchboard_api_request_duration_seconds_count"}
    telemetry = {f"endpoint={each.path}" for each in ENDPOINTS if each.query is not None}
    assert timed - {"endpoint=/x"} == telemetry
    for each in ENDPOINTS:
        for status in statuses_of(each):
            assert ("switchboard_api_requests_total", f"endpoint={each.label}", f"status={status}") in found


def test_every_reason_is_known() -> None:
    """Each refusal has its reason among those whose counters are there from the start."""
    known = {each.reason for each in vars(refusals).values() if isinstance(each, refusals.Refusal)}
    assert known | {refusals.too_large(1).reason, "unread", "descriptors", "handshake"} == set(refusals.REASONS)
