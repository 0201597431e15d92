"""Readers against a pointer that moves five times a second."""

from __future__ import annotations

import time

from tests.integration.clients import Clients, Findings
from tests.processes import Switchboard

HOLD, INTERVAL, TTL = 0.2, 0.2, 2.0
SECONDS = 12.0


def test_every_answer_belongs_to_exactly_one_snapshot() -> None:
    """Six clients hammer both endpoints of two workers while snapshots flip every 200 ms; no answer is a mixture."""
    options = ["--generator-profile", "encoded", "--generator-hold", str(HOLD), "--interval", str(INTERVAL)]
    options += ["--ttl", str(TTL), "--workers", "2"]
    findings = Findings(hold=HOLD, interval=INTERVAL, ttl=TTL)
    with Switchboard(options) as system, Clients(system.port, findings, count=6, switches=100):
        time.sleep(SECONDS)  # the time of exposure, not a wait for anything
    assert findings.wrong == []
    assert findings.torn == {}
    assert findings.statuses.keys() == {200}
    # The clients saw real flips, and many answers of each.
    assert len(findings.slots) >= SECONDS / HOLD / 2
    assert findings.statuses[200] > 1000
