"""What an attempt needed for a moment does not stay."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from switchboard.errors import BodyError
from switchboard.etl.memory import let_go
from tests.lab.servers import PATIENCE_SECONDS

GLIBC = os.name != "nt" and hasattr(ctypes.CDLL(None), "malloc_info")
THREADS = 8
HEAPS = f"""
import ctypes, sys, threading
import numpy as np
from switchboard.etl.memory import keep_one_heap

libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]

def heaps():
    file = libc.fopen(sys.argv[1].encode(), b"w")
    libc.malloc_info(0, file)
    libc.fclose(file)
    return open(sys.argv[1]).read().count("<heap nr=")

def work():
    np.ones(50_000, np.uint8)
    together.wait({PATIENCE_SECONDS})

if sys.argv[2] == "one":
    keep_one_heap()
before = heaps()
together = threading.Barrier({THREADS})
threads = [threading.Thread(target=work) for _ in range({THREADS})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(heaps() - before)
"""


class Piece(bytearray):
    """Something large that can be watched."""


@pytest.fixture
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collection")
async def test_an_error_lets_go_of_what_its_calls_held() -> None:
    """A piece goes although the error is still there, and although a task group and its errors name each other."""
    watched: list[weakref.ref[Piece]] = []

    async def parse() -> None:
        piece = Piece(1000)
        watched.append(weakref.ref(piece))
        await asyncio.sleep(0)
        raise BodyError("too_many_rows", f"{len(piece)} bytes are too many")

    async def attempt() -> None:
        piece = Piece(1000)
        watched.append(weakref.ref(piece))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(parse())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    with pytest.raises(BodyError) as raised:
        await attempt()
    assert [each() is None for each in watched] == [False, False]
    let_go(raised.value)
    assert [each() is None for each in watched] == [True, True]
    assert str(raised.value) == "1000 bytes are too many"


@pytest.mark.skipif(not GLIBC, reason="only glibc has a heap for every thread")
@pytest.mark.parametrize("kept", ["one", "many"])
def test_threads_have_no_heaps_of_their_own(tmp_path: Path, kept: str) -> None:
    """Threads that allocate make heaps that stay; once there is to be one, they make none."""
    command = [sys.executable, "-c", HEAPS, str(tmp_path / "info"), kept]
    more = int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS).stdout)
    assert more == 0 if kept == "one" else more > 0
