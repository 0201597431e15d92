"""Files of metrics: what prometheus_client reads, and what becomes of a worker whose metrics cannot be written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from switchboard.process.metric_files import MetricFile, forget_live_gauges
from tests.lab.servers import PATIENCE_SECONDS


def read(path: Path) -> dict[str, tuple[float, float]]:
    """What prometheus_client finds in the file."""
    entries = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
    return {key: (value, time) for key, value, time, _ in entries}


def never(path: Path, error: OSError | None) -> None:
    """No write is to fail."""
    assert error is None, path


def test_values_are_found_by_the_collector(tmp_path: Path) -> None:
    """Whatever the length of a key in bytes, and beyond the pages with which a mapped file begins."""
    path = tmp_path / "counter_1.db"
    file = MetricFile(path, never)
    assert read(path) == {}
    expected = {}
    for number in range(2000):
        key = json.dumps(["metric", f"é{'x' * (number % 40)}", {"number": number}, "help"], ensure_ascii=False)
        assert file.read_value(key) == (0.0, 0.0)
        file.write_value(key, number / 7, number)
        expected[key] = (number / 7, float(number))
    assert read(path) == expected
    assert {key: file.read_value(key) for key in expected} == expected


def test_a_process_with_the_id_of_a_dead_one_counts_on(tmp_path: Path) -> None:
    """Ids come again: what the dead process has counted is not lost, and its file not in the way."""
    path = tmp_path / "counter_1.db"
    first = MetricFile(path, never)
    first.write_value("a", 3, 0)
    first.close()
    second = MetricFile(path, never)
    assert second.read_value("a") == (3.0, 0.0)
    second.write_value("b", 1, 0)
    assert read(path) == {"a": (3.0, 0.0), "b": (1.0, 0.0)}


def test_a_broken_file_is_replaced(tmp_path: Path) -> None:
    """A head that says more than there is, or no head."""
    path = tmp_path / "counter_1.db"
    for content in (b"", b"\0", b"\xff" * 100, b"\x40\0\0\0\0\0\0\0"):
        path.write_bytes(content)
        MetricFile(path, never).write_value("a", 1, 0)
        assert read(path) == {"a": (1.0, 0.0)}


def test_a_file_that_somebody_has_removed_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is made anew, with all that was counted; without its folder, that is told."""
    monkeypatch.setattr("switchboard.process.metric_files.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("switchboard.process.metric_files.RETRY_SECONDS", 0.0)
    path = tmp_path / "folder" / "counter_1.db"
    path.parent.mkdir()
    told: list[str] = []
    file = MetricFile(path, lambda _, error: told.append("written" if error is None else os.strerror(error.errno or 0)))
    file.write_value("a", 1, 0)
    path.unlink()
    file.write_value("b", 2, 0)
    assert read(path) == {"a": (1.0, 0.0), "b": (2.0, 0.0)}
    shutil.rmtree(path.parent)
    file.write_value("b", 3, 0)
    assert told[-1] == "No such file or directory"
    path.parent.mkdir()
    file.write_value("b", 4, 0)
    assert told[-1] == "written"
    assert read(path) == {"a": (1.0, 0.0), "b": (4.0, 0.0)}


def test_dead_processes_are_forgotten_in_a_folder_that_is_gone(tmp_path: Path) -> None:
    """Only their live gauges are."""
    for name in ("gauge_livesum_7.db", "counter_7.db"):
        (tmp_path / name).touch()
    forget_live_gauges(7, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["counter_7.db"]
    forget_live_gauges(7, str(tmp_path / "gone"))


# A process that counts while the system lets it write no more than some bytes per file, and then more again.
COUNTS = textwrap.dedent("""
    import os, resource, sys, time
    from pathlib import Path
    folder = os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), most))
    from switchboard.log import configure_logging
    from switchboard.process.metric_files import keep_metrics_in_files
    configure_logging("counts", stream=open(1, "w"), form="json")  # a limit of file sizes holds for standard error too
    keep_metrics_in_files(folder)
    from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector
    def render():
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)
    counter = Counter("things", "Things", ["kind"])
    gauge = Gauge("level", "Level", ["kind"], multiprocess_mode="livemax")
    for number in range(100):
        counter.labels(str(number)).inc()
        gauge.labels(str(number)).set(number)
    render()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    deadline = time.monotonic() + 100
    while b'things_total{kind="99"} 1' not in render() or b'level{kind="99"} 9' not in render():
        assert time.monotonic() < deadline
        counter.labels("0").inc()
        gauge.labels("0").inc()
        time.sleep(0.05)
    assert b'things_total{kind="98"} 1.0' in render()
""")


def test_a_process_whose_metrics_cannot_be_written_counts_on(tmp_path: Path) -> None:
    """With room for nothing, a part of the head, some entries: it says so once, and when there is room all is there."""
    for room in (0, 4, 5000):
        folder = tmp_path / str(room)
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", COUNTS, str(folder), str(room)],
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done
        failed, again = map(json.loads, done.stdout.splitlines())
        assert failed["event"].startswith("metrics cannot be written")
        assert failed["reason"] == "File too large"
        assert failed["folder"] == str(folder)
        assert again["event"] == "metrics are written again"
