"""Memory that a body needed for a moment goes back to the system, and does not stay with threads and tracebacks.

Arrow and numpy take what they need from the C library. Glibc gives threads heaps of their own, and each keeps
what it needed most: a chunk's worth for every thread that ever parsed one, and more where there are more processors.
One heap is enough where the GIL lets one thread work at a time.
"""

from __future__ import annotations

import ctypes
import os
import traceback
from collections.abc import Iterator

import pyarrow as pa

LARGE_BYTES = 1 << 20
"""What is larger has pages of its own, which go back as soon as it is freed."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of glibc's malloc.h

_libc = None if os.name == "nt" else ctypes.CDLL(None)


def keep_one_heap() -> None:
    """Let all threads allocate from one heap: Arrow's too, and what is allocated from now on. Call once, early."""
    # As fast here as Arrow's own allocator, and it keeps 10 to 20 MiB less of what a body needed for a moment.
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:  # other C libraries have neither the function nor a heap a thread
        mallopt(_M_ARENA_MAX, 1)
        # By itself glibc takes what was large once for what will be needed again, up to 32 MiB, and keeps it.
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def trim_heap() -> None:
    """Give free memory back to the system, where the C library does so only when it is asked."""
    malloc_trim = getattr(_libc, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def let_go(error: BaseException) -> None:
    """Let go of the variables of all calls that have ended with an error, and with those that led to it.

    An error group and its errors refer to each other: until the next full garbage collection they would keep the
    pieces, blocks and buffers of a refused body, and the next body would come on top.
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
