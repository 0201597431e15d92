"""An answer that is kept ready is never kept too long: the ETL stops while a client asks for it without pause."""

from __future__ import annotations

import contextlib
import itertools
import signal
import time
from http.client import HTTPConnection

from tests.processes import Switchboard, wait_for

INTERVAL, TTL = 1.0, 4.0
LATE, STALE = 1.5 * INTERVAL, 2.0 * INTERVAL
SLACK = 1.0
"""Of a poll, of a busy machine, and of the client."""
TARGET = "/telemetry/GetMetric?switch_id=sw1&metric=bandwidth_mbps"


def test_a_hot_answer_turns_late_stale_and_503_in_time() -> None:
    """The ETL is halted under load: the state of the one hot target goes from fresh over late and stale to 503, none
    later than it should, and is fresh again when the ETL goes on.
    """
    with Switchboard(["--interval", str(INTERVAL), "--ttl", str(TTL)]) as system:
        connection = HTTPConnection("127.0.0.1", system.port, timeout=10)
        with contextlib.closing(connection):

            def ask() -> str:
                connection.request("GET", TARGET)
                answer = connection.getresponse()
                answer.read()
                return answer.headers["x-snapshot-state"] if answer.status == 200 else str(answer.status)

            wait_for(lambda: ask() == "fresh", "a fresh answer")
            system.kill("etl", signal.SIGSTOP)
            halted_at = time.monotonic()
            seen: list[tuple[float, str]] = []
            try:
                while not seen or seen[-1][0] < TTL + 2 * SLACK:
                    asked_at = time.monotonic() - halted_at
                    seen.append((asked_at, ask()))
            finally:
                system.kill("etl", signal.SIGCONT)
            wait_for(lambda: ask() == "fresh", "fresh again", TTL + 10)
    assert [state for state, _ in itertools.groupby(state for _, state in seen)] == ["fresh", "late", "stale", "503"]
    last = {state: asked_at for asked_at, state in seen}
    assert last["fresh"] < LATE + SLACK
    assert last["late"] < STALE + SLACK
    assert last["stale"] < TTL + SLACK
    assert len(seen) > 1000  # it was hot
