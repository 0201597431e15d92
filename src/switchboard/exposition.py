"""The page of metrics, as Prometheus text: all that was counted, the build, and what processes use of the machine.

With PROMETHEUS_MULTIPROC_DIR set, the processes that share the directory are told of together: counters are added up,
and a gauge says itself how. What a process uses of the machine is told of each by itself: by a sum nobody finds the
worker that grows.
"""

from __future__ import annotations

import contextlib
import os
import platform
import struct
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Gauge,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from switchboard import __version__

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()
_PROGRAM = "switchboard.process.worker"
"""What stands in the command of a worker; the words behind it are its name."""


def tell_build(registry: CollectorRegistry = REGISTRY) -> None:
    """Have a registry tell which version runs."""
    build = Gauge(
        "switchboard_build_info",
        "Always 1: the labels say which version of Switchboard runs, and on which Python",
        ["version", "python"],
        multiprocess_mode="livemostrecent",
        registry=registry,
    )
    build.labels(__version__, platform.python_version()).set(1)


def render() -> bytes:
    """All metrics as Prometheus text; takes some milliseconds where several processes share a directory.

    If the directory cannot be read, or is gone, the metrics are those of this process.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is not None:
        # RuntimeError and struct.error: a file is broken, as after a full disk.
        with contextlib.suppress(OSError, ValueError, RuntimeError, struct.error):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            registry.register(_Processes(Path(folder)))
            return generate_latest(registry)
    return generate_latest(REGISTRY)


class _Processes(Collector):
    """CPU, memory, files and start of each living process that writes to a directory, by the name of its worker.

    They are those of the common client libraries, read from /proc; where there is none, there are none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """The metrics of all processes, by metric."""
        together: dict[str, Metric] = {}
        for pid, worker in sorted(self._workers().items(), key=lambda each: each[1]):
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                known = together.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    known.add_sample(sample.name, {**sample.labels, "worker": worker}, sample.value)
        yield from together.values()

    def _workers(self) -> dict[int, str]:
        """The living workers that have written to the directory: names by process id."""
        pids = {path.stem.rpartition("_")[2] for path in self._folder.glob("*.db")}
        names = {int(pid): _name_of(int(pid)) for pid in pids if pid.isdecimal()}
        return {pid: name for pid, name in names.items() if name}


def _name_of(pid: int) -> str:
    """The name of a worker, such as ``api-1``; empty if the process is none, or has ended."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        words = command[command.index(_PROGRAM.encode()) + 1 :]
    except (OSError, ValueError):
        return ""
    return "-".join(word.decode("ascii", "replace") for word in words)


tell_build()
