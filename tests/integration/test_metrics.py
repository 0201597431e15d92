"""What the service tells about itself, over several processes."""

from __future__ import annotations

from functools import cache
from time import time

from prometheus_client.parser import text_string_to_metric_families

from switchboard import __version__
from switchboard.etl.metrics import FAILURE_REASONS
from switchboard.reasons import REASONS
from tests.lab.processes import Switchboard, free_port, get, wait_for
from tests.lab.promtext import lint, promtool_faults, samples


def _counters(text: str) -> dict[tuple[str, ...], float]:
    counters = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "process_cpu_seconds_total":
                continue  # begins anew with a process
            if family.type == "counter" or sample.name.endswith(("_bucket", "_count", "_sum")):
                labels = [f"{name}={value}" for name, value in sorted(sample.labels.items())]
                counters[(sample.name, *labels)] = sample.value
    return counters


def test_metrics_of_several_workers_never_go_backwards() -> None:
    """With two API workers, 20 successive reads of /metrics include the ETL's numbers and no counter ever falls."""
    with Switchboard(["--workers", "2", "--interval", "1", "--ttl", "5", "--generator-hold", "1"]) as system:
        previous = _counters(system.get("/metrics").text)
        for _ in range(20):
            assert system.get("/telemetry/ListMetrics").status == 200
            current = _counters(system.get("/metrics").text)
            assert {key: value for key, value in previous.items() if current.get(key, -1.0) < value} == {}
            previous = current
        names = {key[0] for key in previous}
        assert {"switchboard_etl_rows_total", "switchboard_etl_scrapes_total"} <= names
        assert any(name.startswith("switchboard_api_") for name in names)

        def scraped_again() -> bool:
            rows = ("switchboard_etl_rows_total", "source=generator")
            return _counters(system.get("/metrics").text)[rows] > previous[rows]

        wait_for(scraped_again, "the ETL counts on")


def test_a_killed_worker_takes_no_counts_with_it() -> None:
    """After the API's only worker was killed and started again, the counters stand where they were or higher."""
    with Switchboard(["--interval", "1", "--ttl", "5"]) as system:
        for _ in range(50):
            system.get("/telemetry/ListMetrics")
        before = _counters(system.get("/metrics").text)
        pids = system.pids("api")
        system.kill("api")
        wait_for(lambda: system.pids("api") not in ([], pids) and system.get("/ready").status == 200, "the API is back")
        after = _counters(system.get("/metrics").text)
        assert {key: value for key, value in before.items() if after.get(key, -1.0) < value} == {}


def test_all_that_can_be_known_is_there_from_the_start() -> None:
    """Before anybody has asked, and whatever has failed: build, processes, sources, and every failure that may come."""
    with Switchboard(["--workers", "2", "--interval", "1", "--ttl", "5"]) as system:
        text = system.get("/metrics").text
        found = samples(text)
        (build,) = (sample for sample in found if sample[0] == "switchboard_build_info")
        assert f"version={__version__}" in build
        for process in ("api-1", "api-2", "etl"):
            worker = f"worker={process}"
            assert found["process_resident_memory_bytes", worker] > 10 << 20
            assert found["process_cpu_seconds_total", worker] > 0
            assert found["process_open_fds", worker] >= 3
            assert 0 < time() - found["process_start_time_seconds", worker] < 3600
        for part in ("api", "etl"):
            assert found[f"switchboard_{part}_source_interval_seconds", "source=generator"] == 1
            assert found[f"switchboard_{part}_source_ttl_seconds", "source=generator"] == 5
        for reason in FAILURE_REASONS:
            assert ("switchboard_etl_failures_total", f"reason={reason}", "source=generator") in found
        for reason in REASONS:
            assert found["switchboard_etl_rejects_total", f"reason={reason}", "source=generator"] == 0
        assert found["switchboard_api_requests_refused_total", "reason=slow_head"] == 0
        assert found["switchboard_api_streams_cut_total", "reason=client_slow"] == 0
        assert found["switchboard_api_view_loads_total", "outcome=failed", "source=generator"] == 0
        for status in ("200", "304", "404", "500", "503"):
            assert ("switchboard_api_requests_total", "endpoint=/telemetry/TopMetrics", f"status={status}") in found


def test_the_metrics_of_every_process_are_as_prometheus_wants_them() -> None:
    """API, ETL and generator: by the rules of our own, after requests of all kinds."""
    for name, text in _pages().items():
        assert list(lint(text)) == [], name


def test_promtool_has_nothing_to_say() -> None:
    """The same pages, by Prometheus' own tool."""
    for name, text in _pages().items():
        assert promtool_faults(text) == "", name


@cache
def _pages() -> dict[str, str]:
    with Switchboard(["--interval", "1", "--ttl", "5", "--workers", "2"]) as system:
        for target in ("/telemetry/ListMetrics", "/telemetry/GetMetric", "/docs", "/docs/docs.css", "/nothing"):
            system.get(target)
        etl = ["--role", "etl", "--etl-port", str(free_port()), "--redis-url", f"unix://{system.redis_socket}"]
        url = f"http://127.0.0.1:{system.generator_port}/counters"
        alone = Switchboard([*etl, "--source", url], command="ingester", wait=False)
        with alone:
            port = int(etl[3])
            wait_for(lambda: _answers(port), "the ETL alone answers")
            return {
                "api": system.get("/metrics").text,
                "etl": get(port, "/metrics").text,
                "generator": get(system.generator_port, "/metrics").text,
            }


def _answers(port: int) -> bool:
    try:
        return get(port, "/health").status == 200
    except OSError:
        return False
