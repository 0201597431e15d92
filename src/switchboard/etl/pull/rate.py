"""The least rate of a body: without it, a source that sends a little at a time would last until the timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from switchboard.errors import SourceError

WINDOW_SECONDS = 2.0


class LeastRate:
    """Counts the bytes per window of 2 s. Only time spent waiting counts.

    While we parse or write, between two reads, the source is not slow.
    """

    def __init__(self, least_bytes_per_second: int, window_seconds: float = WINDOW_SECONDS) -> None:
        self._least = round(least_bytes_per_second * window_seconds)
        self._window = window_seconds
        self._bytes = 0
        self._waited = 0.0

    async def wait(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """The result of ``read``, which may be cancelled and called again. Raises SourceError for a slow body."""
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            data = None
            timeout = asyncio.timeout(self._window - self._waited)
            try:
                async with timeout:
                    data = await read()
            except TimeoutError:
                if not timeout.expired():
                    raise
            self._waited += clock() - begun
            if data == b"":
                return data  # the end of the body, which has no least rate
            self._bytes += len(data or b"")
            if self._waited >= self._window:
                self._close_window()
            if data is not None:
                return data

    def _close_window(self) -> None:
        if self._bytes < self._least:
            raise SourceError("slow", f"only {self._bytes} bytes came in {self._waited:.1f} s (min_rate_kib)")
        self._bytes, self._waited = 0, 0.0
