"""What every process tells about itself, and the lens under which pages of metrics are looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from switchboard import __version__, exposition
from tests.lab.promtext import lint, promtool_faults, samples
from tests.lab.servers import PATIENCE_SECONDS

GOOD = "# HELP a_total A.\n# TYPE a_total counter\na_total 1.0\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (GOOD + "b 1\n", "b has no TYPE"),
        ("# TYPE a_total counter\na_total 1.0\n", "a_total has no HELP"),
        (GOOD.replace("a_total", "a"), "a is a counter"),
        (GOOD.replace("counter", "gauge"), "a_total is a gauge"),
        (GOOD.replace("a_total", "a_milliseconds_total"), "a_milliseconds_total has another unit than a base unit"),
        (GOOD + "a_total 2.0\n", "a_total is there 2 times"),
        (GOOD + GOOD.replace("1.0", '{x="y"} 1.0'), "a_total has HELP 2 times"),
        (GOOD + "# HELP c C.\n# TYPE c gauge\n", "c has a TYPE and no sample"),
    ],
)
def test_the_lens_sees_faults(text: str, fault: str) -> None:
    """What the tests of pages rely on finds each kind of fault, and none where there is none."""
    assert list(lint(GOOD)) == []
    assert fault in list(lint(text))


def test_promtool_sees_faults() -> None:
    """The other lens does, too."""
    assert promtool_faults(GOOD) == ""
    assert promtool_faults(GOOD.replace("a_total", "a"))


def test_one_process_tells_of_itself() -> None:
    """Without a shared directory: the build, and the process."""
    found = samples(exposition.render().decode())
    assert found["process_resident_memory_bytes",] > 0
    assert [value for name, value in found.items() if name[0] == "switchboard_build_info"] == [1]
    assert any(f"version={__version__}" in name for name in found)


def test_processes_are_told_by_their_workers(tmp_path: Path) -> None:
    """Only living workers that share the directory: no process that has ended, and none that is no worker."""
    worker = [sys.executable, "-c", "input()", "-m", "switchboard.process.worker", "api", "7"]
    with (
        subprocess.Popen(worker, stdin=subprocess.PIPE) as living,
        subprocess.Popen(worker, stdin=subprocess.PIPE) as dead,
    ):
        dead.communicate(b"\n", timeout=PATIENCE_SECONDS)
        for pid in (living.pid, dead.pid, os.getpid()):
            (tmp_path / f"counter_{pid}.db").touch()
        (tmp_path / "other.db").touch()
        found = samples(_processes(tmp_path))
        living.communicate(b"\n", timeout=PATIENCE_SECONDS)
    assert {name[1:] for name in found} == {("worker=api-7",)}
    assert found["process_open_fds", "worker=api-7"] > 0
    assert samples(_processes(tmp_path)) == {}


def _processes(folder: Path) -> str:
    registry = CollectorRegistry()
    registry.register(exposition._Processes(folder))
    return generate_latest(registry).decode()
