"""What the service tells about itself, over several processes."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.lab.processes import Switchboard, wait_for


def _counters(text: str) -> dict[tuple[str, ...], float]:
    counters = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
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
