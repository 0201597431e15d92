"""Redis goes away for longer than a TTL, and comes back empty."""

from __future__ import annotations

import time

import pytest

from tests.integration.clients import Clients, Findings
from tests.lab.processes import RedisServer, Switchboard, free_port, wait_for

INTERVAL, HOLD, TTL = 1.0, 1.0, 4.0


@pytest.fixture
def redis() -> RedisServer:
    """A Redis on a TCP port that can be stopped and started again, empty, under the same address."""
    return RedisServer(free_port())


def test_answers_turn_stale_then_503_and_recover_when_redis_is_empty_again(redis: RedisServer) -> None:
    """Redis is stopped for longer than the TTL and started again empty: answers are marked stale, then 503 with
    Retry-After, then fresh again; none of our processes died, and each change is one log line.
    """
    options = ["--generator-profile", "encoded", "--generator-hold", str(HOLD), "--interval", str(INTERVAL)]
    options += ["--ttl", str(TTL), "--redis-url", redis.url, "--log-format", "json"]
    findings = Findings(hold=HOLD, interval=INTERVAL, ttl=TTL)
    with redis, Switchboard(options) as system:
        children = system.children().keys()
        with Clients(system.port, findings, count=2, switches=100, pause=0.02):
            wait_for(lambda: findings.states["fresh"], "a fresh answer")
            redis.stop()
            stopped_at = time.monotonic()
            wait_for(lambda: findings.statuses[503], "503")
            assert findings.states["stale"]
            refused_at = time.time()
            refused = system.get("/telemetry/ListMetrics")
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert system.get("/health").status == 200
            assert system.get("/ready").status == 503
            wait_for(lambda: time.monotonic() - stopped_at > 1.5 * TTL, "the outage lasts")
            assert findings.last_answered <= refused_at
            started_at = time.monotonic()
            redis.start()
            wait_for(lambda: findings.last_fresh > started_at, "fresh answers again")
            recovery = time.monotonic() - started_at
        assert system.children().keys() == children
        errors = [line for line in system.log_lines if line["level"] == "error"]
    print(f"recovered {recovery:.2f} s after Redis was back")
    assert findings.wrong == []
    assert findings.torn == {}
    # Once per change and service, however often it failed in between (different sentences are different changes).
    assert 1 <= len(errors) <= 8, errors
