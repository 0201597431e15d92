"""The sweep: looks at the deadlines of all connections twice a second, instead of one timer per connection."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import structlog

log = structlog.get_logger()

SLICE = 8
"""Overdue connections that are dealt with before others have their turn: two thousand at once would stop the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds that a client has. The sweep notices a missed deadline up to ``sweep`` seconds later; that of a handshake
    is kept by the event loop.
    """

    handshake: float = 10.0
    """For the handshake of TLS, from the beginning of the connection."""
    head: float = 5.0
    """For the headers, from their first byte."""
    request: float = 10.0
    """For a whole request, its body included, from its first byte."""
    idle: float = 30.0
    """Between requests, and before the first."""
    unread: float = 24.0
    """To take something of what it is sent. A missed deadline is noticed up to ``look`` later."""
    linger: float = 2.0
    """To end its side after a refusal, or TLS after the last answer; closed at once, an answer is lost to a client that
    is still sending."""
    sweep: float = 0.5

    @property
    def look(self) -> float:
        """Time between two looks whether it has taken something."""
        return self.unread / 6


class Watched(Protocol):
    """A connection as the sweep sees it."""

    deadline: float
    transport: asyncio.Transport

    def overdue(self, now: float) -> None:
        """The deadline has passed."""


async def sweep(connections: Collection[Watched], seconds: float) -> None:
    """Tell every connection whose ``deadline`` (event loop's clock) has passed, every ``seconds``, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds)
        overdue = overdue_connections(connections, loop.time())
        for start in range(0, len(overdue), SLICE):
            for connection in overdue[start : start + SLICE]:
                if connection in connections:
                    try:
                        connection.overdue(loop.time())
                    except Exception as error:  # the deadlines of all others must go on
                        log.error("a deadline was missed", exc_info=error)
                        connection.transport.abort()
            await asyncio.sleep(0)


def overdue_connections(connections: Collection[Watched], now: float) -> list[Watched]:
    """The connections whose deadline has passed."""
    return [connection for connection in connections if connection.deadline <= now]
