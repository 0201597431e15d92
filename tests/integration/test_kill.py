"""Generator, ETL and API are killed and come back, while clients poll."""

from __future__ import annotations

import os
import random
import time

from tests.integration.clients import Clients, Findings
from tests.lab.processes import Switchboard, wait_for

INTERVAL, HOLD, TTL = 2.0, 1.0, 6.0
KILLS_EACH = 5


def test_killed_processes_come_back_and_no_answer_is_wrong() -> None:
    """Each of generator, ETL and API is killed five times, in random order: 0 wrong, 0 mixed, 0 older than its state
    says, and each time fresh data is back.
    """
    seed = int(os.environ.get("SWITCHBOARD_TEST_SEED", "0")) or random.randrange(1, 10**6)
    print(f"SWITCHBOARD_TEST_SEED={seed}")
    order = [name for name in ("generator", "etl", "api") for _ in range(KILLS_EACH)]
    random.Random(seed).shuffle(order)
    options = ["--generator-profile", "encoded", "--generator-hold", str(HOLD), "--interval", str(INTERVAL)]
    options += ["--ttl", str(TTL)]
    findings = Findings(hold=HOLD, interval=INTERVAL, ttl=TTL)
    recoveries: list[tuple[float, str]] = []
    with Switchboard(options) as system, Clients(system.port, findings, count=8, switches=100, pause=0.02):
        wait_for(lambda: findings.newest_slot, "a first answer")
        for name in order:
            pids = system.pids(name)
            assert len(pids) == 1, (name, system.children())
            with findings.lock:
                slot = findings.newest_slot
            killed_at = time.monotonic()
            system.kill(name)
            wait_for(lambda: findings.newest_slot > slot, f"fresh data after {name} was killed")  # noqa: B023
            recoveries.append((time.monotonic() - killed_at, name))
            wait_for(lambda: len(system.pids(name)) == 1 and system.pids(name) != pids, f"{name} is back")  # noqa: B023
        assert not system.process.poll()
    print(f"worst recovery {max(recoveries)}, statuses {dict(findings.statuses)}, states {dict(findings.states)}")
    assert findings.wrong == []
    assert findings.torn == {}
