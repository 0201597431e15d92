"""Readers against a pointer that moves all the time."""

from __future__ import annotations

from tests.integration.clients import Clients, Findings
from tests.lab.processes import Switchboard, wait_for

HOLD, INTERVAL, TTL = 0.2, 0.4, 60.0
FLIPS, ANSWERS = 30, 1000


def test_every_answer_belongs_to_exactly_one_snapshot() -> None:
    """Six clients hammer both endpoints of two workers until they have seen 30 snapshots; no answer is a mixture."""
    options = ["--generator-profile", "encoded", "--generator-hold", str(HOLD), "--interval", str(INTERVAL)]
    options += ["--ttl", str(TTL), "--workers", "2"]
    findings = Findings(hold=HOLD, interval=INTERVAL, ttl=TTL)
    with Switchboard(options) as system, Clients(system.port, findings, count=6, switches=100):

        def enough() -> bool:
            return len(findings.slots) >= FLIPS and findings.statuses[200] >= ANSWERS

        wait_for(enough, f"{FLIPS} snapshots, {ANSWERS} answers")
    assert findings.wrong == []
    assert findings.torn == {}
    assert findings.statuses.keys() == {200}
