"""Processes under measurement: which core each runs on, what it costs, how many files it may open."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPEN_FILES = 8192
_PROCESS_CLOCK = 2
"""The kind of clock that counts the processor time of a whole process. Linux wants it beside the id of the process."""


@dataclass(frozen=True)
class Cores:
    """Two cores: one for the server under measurement, the other for everything else.

    On a machine with a single core both are that one.
    """

    server: int
    client: int

    def __str__(self) -> str:
        return f"server on core {self.server}, all else on core {self.client}"

    @contextlib.contextmanager
    def alone(self, *pids: int) -> Iterator[None]:
        """Give processes the server's core; afterwards they are with the others again."""
        for pid in pids:
            _pin(pid, self.server)
        try:
            yield
        finally:
            for pid in pids:
                _pin(pid, self.client)


@contextlib.contextmanager
def two_cores() -> Iterator[Cores]:
    """Keep this process, and whatever it starts, on the client's core; they may go where they like afterwards."""
    allowed = os.sched_getaffinity(0)
    cores = Cores(server=max(allowed), client=min(allowed))  # the lowest core is often the one that gets interrupts
    os.sched_setaffinity(0, {cores.client})
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, allowed)


@contextlib.contextmanager
def many_files() -> Iterator[int]:
    """Let this process, and whatever it starts, open OPEN_FILES files; yields how many the system allows of these."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    try:
        yield most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass(frozen=True)
class CpuTime:
    """Processor time of a process and its threads, in seconds: in its own code, and in the kernel on its behalf."""

    user: float
    system: float

    @property
    def total(self) -> float:
        return self.user + self.system

    def __sub__(self, earlier: CpuTime) -> CpuTime:
        return CpuTime(self.user - earlier.user, self.system - earlier.system)

    def __truediv__(self, count: float) -> CpuTime:
        return CpuTime(self.user / count, self.system / count)


def cpu_seconds(pid: int) -> CpuTime:
    """Processor time that a process has used so far.

    The total is exact: it comes from the clock that Linux keeps for each process. How it is divided is an estimate,
    because most kernels only look, some hundred times a second, which of the two is going on: over 4 s of work the
    shares are off by some 2 % of the total.
    """
    total = time.clock_gettime(~pid << 3 | _PROCESS_CLOCK)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    user_share = user / max(1, user + system)
    return CpuTime(total * user_share, total * (1 - user_share))


def peak_mib(pid: int) -> float:
    """The most memory that a process has held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _pin(pid: int, core: int) -> None:
    """All threads of a process; those that they start later stay there too."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # a thread may have ended meanwhile
            os.sched_setaffinity(int(task.name), {core})
