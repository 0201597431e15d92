"""The clock by which ages, deadlines and leases are counted."""

from __future__ import annotations

import time

_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds on a clock that nobody can set, and that goes on while the machine sleeps (CLOCK_BOOTTIME).

    ``time.monotonic`` stands still then: after a night's sleep a snapshot of the evening would be called fresh. Systems
    other than Linux have no such clock, and a virtual machine that is paused by its host may hide the pause from it.
    """
    return time.clock_gettime(_CLOCK)
