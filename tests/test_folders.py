"""Private folders, over processes: who removes what, and what is said where none can be made."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from switchboard.errors import ConfigError
from switchboard.folders import PREFIX, PrivateFolder, remove_abandoned
from tests.lab.servers import PATIENCE_SECONDS

OWNER = """
import sys
from switchboard.folders import PrivateFolder
print(PrivateFolder().path, flush=True)
sys.stdin.read()
"""
STARTS = """
import sys
from switchboard.folders import PrivateFolder, remove_abandoned
for _ in range(200):
    remove_abandoned()
    folder = PrivateFolder()
    (folder.path / "file").touch()
    assert (folder.path / "file").exists()
    folder.remove()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files, also of child processes."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def owner() -> tuple[subprocess.Popen[str], Path]:
    """A process that has a private folder, until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_only_this_user_can_open_it() -> None:
    """It is gone after ``remove``, with all that is in it."""
    folder = PrivateFolder()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    (folder.path / "file").touch()
    folder.remove()
    assert not folder.path.exists()
    folder.remove()


def test_the_next_start_removes_what_a_killed_process_has_left() -> None:
    """And not what a living one has."""
    (alive, kept), (killed, left) = owner(), owner()
    with alive, killed:
        (left / "file").touch()
        assert remove_abandoned() == []
        killed.kill()
        killed.wait(PATIENCE_SECONDS)
        assert left.exists()
        assert remove_abandoned() == [left]
        assert not left.exists()
        assert kept.exists()
        alive.communicate("", timeout=PATIENCE_SECONDS)


def test_what_is_not_ours_stays(temporary: Path) -> None:
    """Folders with another name, files, links to folders, and folders of other users."""
    (temporary / "switchboard-abc").mkdir()  # of an earlier version, which may be running
    (temporary / f"{PREFIX}file").touch()
    (temporary / "elsewhere").mkdir()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "elsewhere")
    if os.geteuid() == 0:
        (temporary / f"{PREFIX}other").mkdir()
        os.chown(temporary / f"{PREFIX}other", 12345, 12345)
    before = sorted(temporary.iterdir())
    assert remove_abandoned() == []
    assert sorted(temporary.iterdir()) == before


def test_starts_at_the_same_time_leave_each_other_alone(temporary: Path) -> None:
    """Whoever finds a new folder that is not locked yet may remove it; its owner then has another."""
    starts = [subprocess.Popen([sys.executable, "-c", STARTS]) for _ in range(3)]
    assert [start.wait(PATIENCE_SECONDS) for start in starts] == [0, 0, 0]
    remove_abandoned()
    assert list(temporary.iterdir()) == []


def test_a_folder_that_is_taken_before_it_is_locked_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment between the two, by hand."""
    lock, taken = fcntl.flock, list[Path]()

    def take_first(descriptor: int, how: int) -> None:
        if not taken:
            taken.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            shutil.rmtree(taken[0])
        lock(descriptor, how)

    monkeypatch.setattr("fcntl.flock", take_first)
    folder = PrivateFolder()
    assert folder.path.exists()
    assert folder.path not in taken
    folder.remove()


def test_without_a_folder_for_temporary_files_the_sentence_says_what_helps(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is gone, and none at all."""
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "gone"))
    with pytest.raises(ConfigError, match=r"gone, cannot be written: mount a tmpfs at /tmp, or set TMPDIR"):
        PrivateFolder()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/proc"])
    with pytest.raises(ConfigError, match=r"cannot be written: mount a tmpfs at /tmp, or set TMPDIR"):
        PrivateFolder()
