"""A client that asks for /health every 50 ms, each time on a new connection.

Usage: python -m bench.health PORT

Says when it has begun, and ends when a line comes and all that it has asked is answered, or has failed. A request is
due every 50 ms whatever became of those before it, and its time counts from then. Then it says as JSON: ``asked``,
``failed``, and ``slowest_ms``, of those that were answered and of those that failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

INTERVAL_SECONDS = 0.05
TIMEOUT_SECONDS = 20.0


async def _ask_until_told(port: int) -> None:
    milliseconds: list[float] = []
    failed = 0

    async def ask(due: float) -> None:
        nonlocal failed
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(2)
            writer.close()
            failed += not head.startswith(b"HTTP/1.1 200 ") or body != b"OK"
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            failed += 1
        milliseconds.append((time.monotonic() - due) * 1000)

    told = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print("begun", flush=True)
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        number = 0
        while not told.done():
            due = begun + number * INTERVAL_SECONDS
            await asyncio.sleep(due - time.monotonic())
            group.create_task(ask(due))
            number += 1
    print(json.dumps({"asked": len(milliseconds), "failed": failed, "slowest_ms": max(milliseconds, default=0.0)}))


if __name__ == "__main__":
    asyncio.run(_ask_until_told(int(sys.argv[1])))
