"""A client that opens many connections and sends one byte of a header a second on each; cut ones are opened again.

Usage: python -m bench.slowloris PORT CONNECTIONS

Says when all are open. When a line with a number of seconds comes, it goes on until all of the first connections were
cut, or until those seconds are over; then it says as JSON how many were not (``uncut``), and how long the longest-lived
of all lived (``longest``, seconds).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

OPENING_SECONDS = 2.0
"""All are opened within this, at a steady pace, so that they do not trickle in step."""
HEAD = b"GET /telemetry/ListMetrics HTTP/1.1\r\nHost: slow\r\nX-Slow: "


class _Slow(asyncio.Protocol):
    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.lived: float | None = None
        self._again: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(HEAD)
        self._trickle()

    def _trickle(self) -> None:
        self._transport.write(b"x")
        self._again = asyncio.get_running_loop().call_later(1, self._trickle)

    def connection_lost(self, error: Exception | None) -> None:
        self.lived = time.monotonic() - self.begun
        if self._again is not None:
            self._again.cancel()

    def age(self) -> float:
        return time.monotonic() - self.begun if self.lived is None else self.lived


async def _attack(port: int, connections: int) -> None:
    loop = asyncio.get_running_loop()
    first: list[_Slow] = []
    for number in range(connections):
        await asyncio.sleep(
            number * OPENING_SECONDS / connections - (time.monotonic() - first[0].begun if first else 0)
        )
        first.append((await loop.create_connection(_Slow, "127.0.0.1", port))[1])
    print("all are open", flush=True)
    every, current = list(first), list(first)
    told = loop.run_in_executor(None, sys.stdin.readline)
    end: float | None = None
    while True:
        await asyncio.sleep(0.02)
        for at, slow in enumerate(current):
            if slow.lived is not None:
                current[at] = (await loop.create_connection(_Slow, "127.0.0.1", port))[1]
                every.append(current[at])
        if end is None and told.done():
            end = time.monotonic() + float(told.result())
        uncut = sum(slow.lived is None for slow in first)
        if end is not None and (not uncut or time.monotonic() > end):
            break
    print(json.dumps({"uncut": uncut, "longest": round(max(slow.age() for slow in every), 2)}))


if __name__ == "__main__":
    os.nice(19)  # what is measured is the server's trouble, not that of a good client on the same core
    asyncio.run(_attack(int(sys.argv[1]), int(sys.argv[2])))
