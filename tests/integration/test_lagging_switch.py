"""A switch whose clock is behind for good: the whole program serves it with the others, and says who it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.lab.processes import Switchboard, wait_for
from tests.lab.servers import Request, Steps, Web, http, in_thread

INTERVAL = 2.0
LAG = 21
"""More than the 20 s that the times of a body may be apart."""
CELL = "/telemetry/GetMetric?switch_id={}&metric=rx"


def answer(_: Request) -> Steps:
    now = int(time.time())
    body = b"timestamp,switch_id,rx\n%d,sw1,%d\n%d,sw2,2\n" % (now, now, now - LAG)
    return [http(200, body, content_type="text/csv")]


def test_a_switch_that_is_behind_for_good_is_served_and_named(tmp_path: Path) -> None:
    """Both switches are there after the second look and from then on; /Rejects and one line of the log say why not at
    once, and who is behind.
    """
    with in_thread(Web(answer)) as source:
        file = tmp_path / "sources.toml"
        file.write_text(f'interval = {INTERVAL}\nttl = 30\n[[sources]]\nname = "lag"\nurl = "{source.url}"\n')
        options = ["--config", str(file), "--log-format", "json"]
        with Switchboard(options, generator=False, wait=False) as running:
            wait_for(lambda: running.get(CELL.format("sw2")).status == 200, "the switch is served")
            print(f"published within {time.monotonic() - source.requests[0].at:.1f} s of the first scrape")
            asked = len(source.requests)
            wait_for(lambda: len(source.requests) > asked + 3, "more scrapes")
            assert running.get(CELL.format("sw1")).status == running.get(CELL.format("sw2")).status == 200

            def report() -> dict[str, Any] | None:
                (rejects,) = running.get("/telemetry/Rejects").json()
                return dict(rejects) if rejects["outcome"] == "published" else None

            said = wait_for(report, "the report of a publication")
            assert said["reason"] == "torn"
            assert "1 of 2 switches is behind: 'sw2' by 21 s" in said["error"]
            assert "max_spread" in said["error"]
            (listed,) = running.get("/telemetry/ListSources").json()
            assert listed["state"] in {"fresh", "late"}
            events = [line for line in running.log_lines if line["level"] == "warning"]
        lasting = [line for line in events if line["event"] == "published all the same"]
        assert [line["reason"] for line in lasting] == ["torn"]
        assert len([line for line in events if line["event"] == "scrape failed"]) <= 1
