"""The lifeline: a pair of connected sockets between the supervisor and a worker, whose standard input is one of them.

Down goes the order, and nothing more: when the line closes, the worker knows that the supervisor is gone. Up come signs
of life, one byte at each beat, from the event loop of the worker: no sign comes from a worker that was stopped, or
computes without an end, while its clients wait for answers.

The supervisor counts its own beats between two signs, not seconds. If the supervisor or the whole machine stands still,
nobody is found silent because of that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import structlog

BEAT_SECONDS = 1.0
MOST_SILENT_BEATS = 10
"""The longest turn of a worker's loop that was seen took 0.5 s of CPU time, 1.7 s on a busy machine: a first view of
100,000 switches.
"""
MOST_STARTING_BEATS = 60
"""The same before the first sign: a worker first imports what it needs, perhaps from a slow disk."""
ORPHAN_SECONDS = 10
"""Time after which the kernel ends a worker that has lost its supervisor and has not stopped."""

_STATES = {
    "R": "computing",
    "S": "waiting",
    "D": "waiting for a disk",
    "T": "stopped by a signal",
    "t": "stopped by a debugger",
}


class Listener(asyncio.Protocol):
    """The supervisor's end of the line."""

    def __init__(self) -> None:
        self.silent_beats = 0
        """Beats of the supervisor since the last sign of life."""
        self._most = MOST_STARTING_BEATS

    def data_received(self, data: bytes) -> None:
        """Hear signs of life."""
        self.silent_beats = 0
        self._most = MOST_SILENT_BEATS

    def beat(self) -> bool:
        """Count a beat of the supervisor; return whether the worker has been silent for too many."""
        self.silent_beats += 1
        return self.silent_beats > self._most


class Lifeline(asyncio.Protocol):
    """The worker's end of the line, on standard input: sets ``stop`` when the line closes, and sends signs of life."""

    def __init__(self, stop: asyncio.Event, descriptor: int) -> None:
        self._stop = stop
        self._descriptor = descriptor
        self._next: asyncio.TimerHandle | None = None
        os.set_blocking(descriptor, False)  # a stopped supervisor reads nothing

    def eof_received(self) -> None:
        """Stop, because the supervisor is gone."""
        self._supervisor_gone()

    def connection_lost(self, exc: Exception | None) -> None:
        """The same: a supervisor that has not read our last sign resets the line instead of closing it."""
        if exc is not None:
            self._supervisor_gone()

    def _supervisor_gone(self) -> None:
        if not self._stop.is_set():
            structlog.get_logger().warning("supervisor gone, stopping")
        signal.alarm(ORPHAN_SECONDS)  # no supervisor is left that could kill us
        self._stop.set()

    def send_signs(self) -> None:
        """Send a sign of life at each beat from now on. The first one comes when the imports are done."""
        self._next = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._sign)

    def end(self) -> None:
        """Send no more signs."""
        if self._next is not None:
            self._next.cancel()

    def _sign(self) -> None:
        with contextlib.suppress(OSError):  # nobody reads, or standard input is not such a line
            os.write(self._descriptor, b"\n")
        self.send_signs()


def state_of(pid: int) -> str:
    """What a process does, in words; empty where the system does not tell."""
    with contextlib.suppress(OSError, IndexError):
        return _STATES.get(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0], "")
    return ""
