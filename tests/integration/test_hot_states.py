"""An answer that is kept ready is never kept too long: the ETL stops while a client asks for it without pause."""

from __future__ import annotations

import contextlib
import signal
from http.client import HTTPConnection
from itertools import count

from tests.lab.processes import ANSWER_SECONDS, Switchboard, wait_for

INTERVAL, TTL = 1.0, 4.0
STATES = ["fresh", "late", "stale", "503"]
TARGET = "/telemetry/GetMetric?switch_id=sw1&metric=bandwidth_mbps"


def test_a_hot_answer_turns_late_stale_and_503_in_time() -> None:
    """The ETL is halted under load: the state of the one hot target goes from fresh over late and stale to 503, none
    later than that of a request that nobody sent before, and is fresh again when the ETL goes on.
    """
    numbers = count()
    seen: set[str] = set()
    with Switchboard(["--interval", str(INTERVAL), "--ttl", str(TTL)]) as system:
        connection = HTTPConnection("127.0.0.1", system.port, timeout=ANSWER_SECONDS)
        with contextlib.closing(connection):

            def ask(**headers: str) -> int:
                connection.request("GET", TARGET, headers=headers)
                answer = connection.getresponse()
                answer.read()
                return STATES.index(answer.headers["x-snapshot-state"] if answer.status == 200 else str(answer.status))

            def ask_anew() -> int:
                """Ask in other words than ever before: for those no answer is kept."""
                return ask(number=str(next(numbers)))

            def halt() -> None:
                system.kill("etl", signal.SIGSTOP)
                try:
                    state = before = ask_anew()
                    while STATES[state] != "503":
                        state = ask()
                        after = ask_anew()
                        assert before <= state <= after
                        before = after
                        seen.add(STATES[state])
                finally:
                    system.kill("etl", signal.SIGCONT)

            # Late is half a second: a client that sleeps through it, on a busy machine, has to look again.
            while seen != set(STATES):
                wait_for(lambda: STATES[ask()] == "fresh", "a fresh answer")
                halt()
            wait_for(lambda: STATES[ask()] == "fresh", "fresh again")
