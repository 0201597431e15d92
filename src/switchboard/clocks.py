"""Clocks: where the time comes from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds on a clock that nobody can set, and that goes on while the machine sleeps (CLOCK_BOOTTIME).

    Ages, deadlines and leases are counted by this clock. ``time.monotonic`` stands still while the machine sleeps: by
    that clock, a snapshot of the evening would be called fresh in the morning. Only Linux has CLOCK_BOOTTIME; elsewhere
    ``time.monotonic`` takes its place. In a virtual machine that its host pauses, no clock may tell of the pause.
    """
    return time.clock_gettime(_CLOCK)


def loop_time() -> float:
    """Seconds on the clock of the running event loop, which ``asyncio.sleep`` and ``asyncio.timeout`` count by."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The four clocks that a scrape reads. Only differences of one clock are compared, never two clocks."""

    wall_ns: Callable[[], int] = time.time_ns
    """Nanoseconds since the Unix epoch; an administrator may set this clock at any time."""
    boottime: Callable[[], float] = boottime
    """Seconds, for ages and deadlines."""
    stopwatch: Callable[[], float] = time.perf_counter
    """Seconds, for short durations."""
    loop: Callable[[], float] = loop_time
    """Seconds, for the schedule: when to wake up."""

    def wall_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return self.wall_ns() // 1_000_000


SYSTEM_CLOCKS = Clocks()
"""The clocks of this machine."""
