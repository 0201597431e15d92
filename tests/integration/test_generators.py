"""Generators need not know of each other."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack

from tests.lab.processes import free_port, get, wait_for

HOLD = 1.0


def _start(stack: ExitStack, port: int) -> None:
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "switchboard", "generator", "--port", str(port), "--hold", str(HOLD), "--seed", "7"],
            stderr=subprocess.DEVNULL,
        )
    )
    stack.callback(process.terminate)

    def answers() -> bool:
        assert process.poll() is None, "the generator ended"
        return get(port, "/health").status == 200

    wait_for(answers, "the generator answers")


def test_generators_started_three_slots_apart_serve_the_same_bytes() -> None:
    """Two generators with one seed, the second started three slots later: equal bodies and ETags in the same slot."""
    with ExitStack() as stack:
        first, second = free_port(), free_port()
        _start(stack, first)
        started_slot = time.time() // HOLD
        wait_for(lambda: time.time() // HOLD >= started_slot + 3, "three slots later")
        _start(stack, second)
        seen: set[str] = set()
        while len(seen) < 3:
            one, other = get(first, "/counters"), get(second, "/counters")
            if one.headers["last-modified"] == other.headers["last-modified"]:
                assert one.body == other.body
                assert one.headers["etag"] == other.headers["etag"]
                seen.add(one.headers["etag"])
