"""One cell, asked for again and again: the answers over time, and a source that can die behind them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.lab.processes import Switchboard
from tests.lab.telemetry import Answer, Failure

TARGET = "/telemetry/GetMetric?switch_id=sw1&metric=rx&verbose=true"
PAUSE_SECONDS = 0.05


@dataclass
class Pulse:
    """A source of one cell that counts up, every second time that it is asked; ``dead`` ends that."""

    dead: bool = False
    asked: int = 0
    last_at: float = 0.0
    """When it last gave a good answer, on the monotonic clock."""

    @property
    def value(self) -> int:
        return self.asked // 2

    def __call__(self, target: str) -> Answer:
        if self.dead:
            return Failure(503)
        self.asked += 1
        self.last_at = time.monotonic()
        return b"switch_id,rx\nsw1,%d\n" % self.value


@dataclass(frozen=True)
class Seen:
    """An answer."""

    at: float
    """When it was asked for, on the monotonic clock: what it says was said no earlier."""
    state: str
    """Of the snapshot; or the status, where that is not 200."""
    value: int = -1
    age: float = 0.0


def ask(system: Switchboard) -> Seen:
    """The cell as it is now."""
    at = time.monotonic()
    reply = system.get(TARGET)
    if reply.status != 200:
        return Seen(at, str(reply.status))
    cell = reply.json()
    return Seen(at, reply.headers["x-snapshot-state"], cell["value"], cell["age_seconds"])


def watch(system: Switchboard, until: float) -> list[Seen]:
    """The answers until a moment of the monotonic clock: at least one, also if that moment is over."""
    seen = [ask(system)]
    while time.monotonic() < until:
        time.sleep(PAUSE_SECONDS)
        seen.append(ask(system))
    return seen
