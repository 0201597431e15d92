"""Private folders: temporary folders of one process, open to this user only, that do not outlive it for long.

The owner holds a lock (flock) on the folder itself. The system takes the lock away when the owner ends, however it ends
and whoever gets its process id next. So the next start finds the folders whose owner was killed, and removes them. A
clean-up of /tmp by systemd leaves a locked folder alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

from switchboard.errors import ConfigError

PREFIX = "switchboard-run-"
"""Earlier versions, which hold no lock, began their folders with another one: theirs are never removed."""
_MOST_ATTEMPTS = 10


class PrivateFolder:
    """A folder that ``remove`` removes, or the next process with ``remove_abandoned`` if this one is killed.

    Args:
        parent: the folder to make it in; default: the one for temporary files.

    Raises ConfigError if no folder can be made.
    """

    def __init__(self, parent: str | None = None) -> None:
        for _ in range(_MOST_ATTEMPTS):
            self.path = _new_folder(parent)
            self._lock: int | None = None  # on a file system without locks: then nobody takes it for abandoned
            try:
                self._lock = _lock(self.path)
            except (BlockingIOError, FileNotFoundError):
                continue  # another process has taken the new folder for an abandoned one before it was locked
            except OSError:
                pass
            return
        raise ConfigError(f"folders that are made in {self.path.parent} are removed at once: set TMPDIR to another one")

    def remove(self) -> None:
        """Remove the folder and everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def remove_abandoned() -> list[Path]:
    """Remove this user's private folders whose owner is gone; return them."""
    removed = []
    for parent in {_temporary(), "/tmp"}:  # noqa: S108 - where long paths of sockets are avoided
        with contextlib.suppress(OSError), os.scandir(parent) as entries:
            for entry in entries:
                if entry.name.startswith(PREFIX) and _is_of_this_user(entry):
                    with contextlib.suppress(OSError):  # its owner lives, or another process is removing it
                        lock = _lock(Path(entry.path))
                        shutil.rmtree(entry.path, ignore_errors=True)
                        os.close(lock)
                        removed.append(Path(entry.path))
    return removed


def _new_folder(parent: str | None) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent or _temporary()))
    except OSError as error:
        raise _unwritable(parent or _temporary(), error) from error


def _temporary() -> str:
    """The folder for temporary files. Raises ConfigError if there is none that can be written."""
    try:
        return tempfile.gettempdir()
    except OSError as error:
        raise _unwritable(os.environ.get("TMPDIR") or "/tmp", error) from error  # noqa: S108


def _unwritable(folder: str, error: OSError) -> ConfigError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    trouble = "is full: make room there," if full else "cannot be written: mount a tmpfs at /tmp,"
    return ConfigError(f"the folder for temporary files, {folder}, {trouble} or set TMPDIR to another folder")


def _is_of_this_user(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return False


def _lock(folder: Path) -> int:
    """Lock a folder until the returned file descriptor is closed.

    Raises BlockingIOError if another process has the lock, FileNotFoundError if another one has removed the folder, and
    another OSError if the file system has no such locks.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), folder.lstat()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
