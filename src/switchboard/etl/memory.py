"""Memory of a scraped body: given back to the system, instead of being kept by heaps of threads and by tracebacks.

Arrow and numpy allocate from the C library. Glibc gives each thread a heap, and each heap keeps the most memory that
its thread ever needed: one chunk per thread that has parsed, and there are more threads where there are more
processors. One heap for all threads is enough, because the GIL lets one thread work at a time.
"""

from __future__ import annotations

import ctypes
import os
import traceback
from collections.abc import Iterator

import pyarrow as pa

LARGE_BYTES = 1 << 20
"""Larger allocations get pages of their own, which go back to the system as soon as they are freed."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of glibc's malloc.h

_libc = None if os.name == "nt" else ctypes.CDLL(None)


def keep_one_heap() -> None:
    """Let all threads allocate from one heap, Arrow's included. Call once, early: earlier allocations stay."""
    # As fast here as Arrow's own allocator, and it keeps 10 to 20 MiB less after a body.
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:  # other C libraries have neither the function nor a heap per thread
        mallopt(_M_ARENA_MAX, 1)
        # Without this, glibc raises the threshold to the largest allocation so far, up to 32 MiB, and keeps the memory.
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def trim_heap() -> None:
    """Give free memory back to the system; glibc does so only when it is asked."""
    malloc_trim = getattr(_libc, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def let_go(error: BaseException) -> None:
    """Clear the local variables in the tracebacks of an error, of its causes, and of the errors in a group.

    An error group and its errors refer to each other. Until the next full garbage collection their tracebacks would
    keep the pieces, blocks and buffers of a refused body, in addition to the memory of the next body.
    """
    for each in _chain(error, set()):
        traceback.clear_frames(each.__traceback__)


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        yield from _chain(other, seen)
