"""The clock of ages, deadlines and leases."""

from __future__ import annotations

import sys
import time

import pytest

from switchboard.clocks import boottime


def test_it_only_goes_forward() -> None:
    """Of two readings the second is never less."""
    readings = [boottime() for _ in range(1000)]
    assert readings == sorted(readings)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a clock that counts sleep")
def test_it_counts_the_sleep_of_the_machine() -> None:
    """It is the kernel's time since boot, sleep included, and not the monotonic clock."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= boottime() <= time.clock_gettime(time.CLOCK_BOOTTIME)
