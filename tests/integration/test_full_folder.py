"""The folder for temporary files while Switchboard runs: full, full from the start, and gone."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.processes import Switchboard, wait_for

OPTIONS = ["--workers", "2", "--interval", "1", "--ttl", "5"]
COUNTS_NOT = "metrics cannot be written"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory that holds 2 MiB; other than a quota it is what a container has at /tmp."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, *, but: int = 0) -> Path:
    """Fill the file system, but for so many bytes, with one file."""
    path = folder / "fill"
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - but)
    return path


def counts(system: Switchboard) -> bool:
    """Whether new counts of both workers and of the ETL are in /metrics."""
    text = system.get("/metrics").text
    return all(word in text for word in ("switchboard_etl_scrapes_total{", 'endpoint="/telemetry/ListSwitches"'))


@pytest.mark.parametrize("room", [0, 12 << 10], ids=["later", "from the start"])
def test_a_full_folder_costs_metrics_and_nothing_else(small: Path, room: int) -> None:
    """No process dies, every answer comes, each process says it once, and with room again the metrics are there.

    Later: workers that count already write into what they have, so new ones take their places.
    """
    full = fill(small, but=room) if room else small / "fill"
    with Switchboard(OPTIONS, environ={"TMPDIR": str(small)}) as system:
        if not room:
            before = set(system.pids("api"))
            fill(small)
            system.kill("api")
            wait_for(lambda: len(now := system.pids("api")) == 2 and not before & set(now), "new workers")
            wait_for(lambda: system.get("/ready").status == 200, "new workers answer")
        pids, died = system.children().keys(), system.log.count("child died")

        def told() -> set[str]:
            assert system.get("/telemetry/ListSwitches").status == 200
            assert system.get("/metrics").status == 200
            return {line["service"] for line in system.log_lines if line["event"].startswith(COUNTS_NOT)}

        wait_for(lambda: any(name.startswith("api") for name in told()), "a worker says that it cannot count")
        full.unlink()
        wait_for(lambda: "metrics are written again" in system.log and told() and counts(system), "metrics are back")
        assert system.children().keys() == pids
        assert system.log.count("child died") == died
        assert "Traceback" not in system.log
        said = [line["service"] for line in system.log_lines if line["event"].startswith(COUNTS_NOT)]
        assert len(said) == len(set(said))


def test_a_folder_that_is_gone_costs_metrics_of_others_and_nothing_else(tmp_path: Path) -> None:
    """As after a clean-up of /tmp: no process dies, and /metrics shows those of the worker that answers."""
    with Switchboard(OPTIONS, environ={"TMPDIR": str(tmp_path)}) as system:
        pids = set(system.pids("api"))
        (folder,) = (path for path in tmp_path.iterdir() if list(path.glob("*.db")))
        shutil.rmtree(folder)
        for _ in range(20):
            assert system.get("/telemetry/ListSwitches").status == 200
            assert "switchboard_api_store_up 1.0" in system.get("/metrics").text
        system.kill("api")
        wait_for(lambda: len(pids_now := system.pids("api")) == 2 and not pids & set(pids_now), "new workers")
        wait_for(lambda: system.get("/ready").status == 200, "new workers answer")
        for _ in range(20):
            assert system.get("/telemetry/ListSwitches").status == 200
            assert "switchboard_api_store_up 1.0" in system.get("/metrics").text
        assert system.log.count("child died") == 2
        assert "the folder is gone" in system.log
        assert "Traceback" not in system.log
