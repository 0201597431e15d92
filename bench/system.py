"""Processes under measurement: which core each runs on, what it costs, how many files it may open."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPEN_FILES = 8192
_TICKS = os.sysconf("SC_CLK_TCK")


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
    def alone(self, pid: int) -> Iterator[None]:
        """Give a process the server's core; afterwards it is with the others again."""
        _pin(pid, self.server)
        try:
            yield
        finally:
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
def many_files() -> Iterator[None]:
    """Let this process, and whatever it starts, open OPEN_FILES files, if the system allows that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, its threads included; counted in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mib(pid: int) -> float:
    """The most memory that a process has held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _pin(pid: int, core: int) -> None:
    """All threads of a process; those that they start later stay there too."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # a thread may have ended meanwhile
            os.sched_setaffinity(int(task.name), {core})
