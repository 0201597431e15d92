"""Files of metrics: each worker writes its metrics to files, from which any API worker adds up those of all.

The format is that of prometheus_client's memory-mapped files, and its collector reads them. Only the writing is ours: a
write to mapped memory kills the process (SIGBUS) if the file system has no room for it, whereas ``os.pwrite`` returns
an error. All values are in memory too: without room, a worker goes on counting, says once that its metrics are not
written, and writes all of them when there is room again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import mark_process_dead

from switchboard.log import ChangeLog

RETRY_SECONDS = 1.0
"""Least time between a write that failed and the next attempt."""
LOOK_SECONDS = 10.0
"""Least time between two looks whether the file is still there: a write to a file that was removed does not fail."""

_HEAD = struct.Struct("ii")
"""How many bytes of the file are used, and padding."""
_VALUE = struct.Struct("dd")
"""A value and its time."""
_SUBJECT = "metrics"


def keep_metrics_in_files(folder: str) -> None:
    """Let all metrics that this process makes from now on be written to files of ``folder``."""
    changes = ChangeLog(structlog.get_logger())
    failing: set[Path] = set()

    def tell(path: Path, error: OSError | None) -> None:
        if error is not None:
            failing.add(path)
            changes.failed(
                "metrics cannot be written: /metrics does not show what this process counts; all else goes on",
                _SUBJECT,
                os.strerror(error.errno or errno.EIO),
                folder=folder,
                hint="the folder is gone: start anew" if error.errno == errno.ENOENT else "free space in this folder",
            )
        elif path in failing:
            failing.remove(path)
            if not failing:
                changes.recovered("metrics are written again", _SUBJECT)

    # prometheus_client calls this with a path where it would map a file.
    values.MmapedDict = lambda path: MetricFile(Path(path), tell)  # type: ignore[assignment, attr-defined, misc]


def forget_live_gauges(pid: int, folder: str) -> None:
    """Remove the files of a dead process whose values count only while it lives."""
    with contextlib.suppress(OSError):  # such gauges then stay as they were
        mark_process_dead(pid, path=folder)  # type: ignore[no-untyped-call]


class MetricFile:
    """Values of this process, by key, in a file; takes the place of prometheus_client's MmapedDict.

    After the head, the file has entries: the length of the key, the key with padding, the value and its time.

    Args:
        path: the file. If a process that had our id before has left one, its values are gone on from.
        tell: called with the path and the error when a write has failed, with None when everything is written.
    """

    def __init__(self, path: Path, tell: Callable[[Path, OSError | None], None]) -> None:
        self._path = path
        self._tell = tell
        self._descriptor = -1
        self._complete = False
        """Whether the file has all that is in memory."""
        self._retry_at = 0.0
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._data = bytearray(_HEAD.pack(_HEAD.size, 0))
        self._positions: dict[str, int] = {}
        with contextlib.suppress(OSError, UnicodeError, struct.error, RuntimeError):  # no such file, or a broken one
            self._read()
        self._write_everything()

    def read_value(self, key: str) -> tuple[float, float]:
        """Value and time of a key; zeros for a new key, which is then in the file too."""
        if key not in self._positions:
            self._add(key)
        value, timestamp = _VALUE.unpack_from(self._data, self._positions[key])
        return value, timestamp

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Set value and time of a key."""
        if key not in self._positions:
            self._add(key)
        begin = self._positions[key]
        end = begin + _VALUE.size
        packed = _VALUE.pack(value, timestamp)
        if self._data[begin:end] != packed or not self._complete:
            self._data[begin:end] = packed
            self._write((begin, end))

    def close(self) -> None:
        """Close the file; it stays where it is."""
        descriptor, self._descriptor = self._descriptor, -1
        self._complete = False
        if descriptor >= 0:
            os.close(descriptor)

    def _read(self) -> None:
        data = bytearray(self._path.read_bytes())
        used = _HEAD.unpack_from(data)[0]
        entries = MmapedDict.read_all_values_from_file(str(self._path))  # type: ignore[no-untyped-call]
        positions = {key: position for key, _, _, position in entries}
        end = max(positions.values()) + _VALUE.size if positions else _HEAD.size
        if end == used <= len(data):
            self._data, self._positions = data[:used], positions

    def _add(self, key: str) -> None:
        begin = len(self._data)
        encoded = key.encode()
        padding = b" " * (8 - (len(encoded) + 4) % 8)
        self._data += struct.pack("i", len(encoded)) + encoded + padding + _VALUE.pack(0.0, 0.0)
        self._positions[key] = len(self._data) - _VALUE.size
        _HEAD.pack_into(self._data, 0, len(self._data), 0)
        # The head comes last: whoever reads meanwhile sees no half of an entry.
        self._write((begin, len(self._data)), (0, _HEAD.size))

    def _write(self, *parts: tuple[int, int]) -> None:
        """Write these parts of the data, in order; or everything, if the file lacks more than these parts."""
        if not self._complete or self._is_removed():
            self._write_everything()
            return
        try:
            for begin, end in parts:
                self._put(begin, end)
        except OSError as error:
            self._failed(error)

    def _is_removed(self) -> bool:
        """Whether somebody has removed the file; it is closed then. The answer is as old as LOOK_SECONDS at most."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        if os.fstat(self._descriptor).st_nlink:
            return False
        self.close()
        return True

    def _write_everything(self) -> None:
        if time.monotonic() < self._retry_at:
            return
        try:
            if self._descriptor < 0:
                self._create()
            self._put(_HEAD.size, len(self._data))
            self._put(0, _HEAD.size)
        except OSError as error:
            self._failed(error)
        else:
            self._complete = True
            self._tell(self._path, None)

    def _create(self) -> None:
        """Make the file under another name at first: whoever reads it meanwhile expects a whole head."""
        unready = self._path.with_suffix(".new")
        self._descriptor = os.open(unready, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._put(0, len(self._data))
            unready.rename(self._path)
        except OSError:
            self.close()
            raise

    def _put(self, begin: int, end: int) -> None:
        while begin < end:  # a write that could do a part only says why when the rest is tried
            written = os.pwrite(self._descriptor, self._data[begin:end], begin)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            begin += written

    def _failed(self, error: OSError) -> None:
        self._complete = False
        self._retry_at = time.monotonic() + RETRY_SECONDS
        self._tell(self._path, error)
