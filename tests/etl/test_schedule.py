"""When a source is scraped: ticks, retries and timeouts, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

import pytest
import structlog
from prometheus_client import REGISTRY

from switchboard.config.sources import Source
from switchboard.errors import SourceError
from switchboard.etl.cycle import Cycle, Report
from switchboard.etl.lease import LeaseKeeper
from switchboard.etl.loop import LEAST_RETRY_SECONDS, SourceLoop
from switchboard.log import ChangeLog
from switchboard.model import Outcome
from switchboard.store.leases import Lease
from switchboard.store.store import Store
from tests.etl.limits import source
from tests.etl.test_gate import CURRENT
from tests.lab.virtual import in_virtual_time

INTERVAL, TIMEOUT = 10.0, 8.0
NO_RETRY = 60.0
"""A Retry-After that is longer than the interval: one attempt a tick."""
_numbers = count(1)

Attempt = Callable[[], Awaitable[None]]


async def good() -> None:
    """Succeed at once."""


async def slow() -> None:
    await asyncio.sleep(0.48 * INTERVAL)


async def hang() -> None:
    await asyncio.Event().wait()


async def unavailable() -> None:
    raise SourceError("http_5xx", "the source answers 503", retry_after=NO_RETRY)


async def broken() -> None:
    raise SourceError("connection", "the connection failed")


async def busy_for_a_second() -> None:
    raise SourceError("http_5xx", "the source answers 503", retry_after=1.0)


class Memory:
    """A store that takes everything, and gives the lease to whoever asks."""

    def __init__(self) -> None:
        self.sources = self.leases = self

    async def take(self, source: str, owner: str, **_: object) -> Lease:
        return Lease(source=source, owner=owner, epoch=1)

    async def renew(self, lease: Lease) -> Lease:
        return lease

    async def accept(self, *_: object) -> None:
        return None

    held = release = write_status = accept

    async def register(self, *_: object) -> bool:
        return True


@dataclass
class Attempts:
    """A cycle that does one thing after the other, the last one again and again, and notes when."""

    source: Source
    kinds: Sequence[Attempt]
    times: list[float] = field(default_factory=list)
    waits_for_store: bool = False
    rejects: None = None
    busy: int = 0
    most_busy: int = 0

    async def attempt(self, _deadline: float) -> Report:
        kind = self.kinds[min(len(self.times), len(self.kinds) - 1)]
        self.times.append(asyncio.get_running_loop().time())
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            await kind()
        finally:
            self.busy -= 1
        return Report(Outcome.UNCHANGED, CURRENT)


async def attempts(*kinds: Attempt, seconds: float) -> Attempts:
    """Run a loop whose attempts do that for so long."""
    cycle = Attempts(
        source("http://lab/", name=f"schedule-{next(_numbers)}", interval=INTERVAL, timeout=TIMEOUT), kinds
    )
    store, changes = cast(Store, Memory()), ChangeLog(structlog.get_logger())
    keeper = LeaseKeeper(store, cycle.source.name, "test", changes)
    loop = SourceLoop(cast(Cycle, cycle), store, keeper, changes)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(keeper.run())
            group.create_task(loop.run())
    return cycle


def ticks_of(cycle: Attempts) -> list[float]:
    """The attempts that were begun exactly at a tick, in intervals."""
    return [at / INTERVAL for at in cycle.times if at / INTERVAL == pytest.approx(round(at / INTERVAL), abs=1e-6)]


def skipped(cycle: Attempts) -> Any:
    return REGISTRY.get_sample_value("switchboard_etl_skipped_ticks_total", {"source": cycle.source.name}) or 0


@in_virtual_time
async def test_the_schedule_is_steady() -> None:
    """A slow source is still scraped at multiples of the interval: what one scrape takes delays no later one."""
    cycle = await attempts(slow, seconds=100.5 * INTERVAL)
    assert cycle.times == pytest.approx([INTERVAL * tick for tick in range(101)])
    assert cycle.most_busy == 1


@in_virtual_time
async def test_a_failure_skips_no_tick() -> None:
    """An attempt that fails or hangs until its timeout takes nothing from the tick after it."""
    cycle = await attempts(*[unavailable, hang, good, broken, good] * 10, seconds=40.5 * INTERVAL)
    assert ticks_of(cycle) == pytest.approx(list(range(41)))
    assert skipped(cycle) == 0
    assert cycle.most_busy == 1


@in_virtual_time
async def test_a_source_that_hangs_is_asked_at_every_tick() -> None:
    """An attempt that ends with its tick does not cost the next one: every tick begins with a request of its own."""
    cycle = await attempts(hang, seconds=40.5 * INTERVAL)
    assert ticks_of(cycle) == pytest.approx(list(range(41)))
    assert skipped(cycle) == 0


@in_virtual_time
async def test_a_failure_is_retried_within_the_interval() -> None:
    """A source that fails once is asked again long before its next tick, and not at once."""
    cycle = await attempts(broken, good, seconds=INTERVAL - 1)
    first, second = cycle.times
    assert LEAST_RETRY_SECONDS <= second - first <= INTERVAL / 4


@in_virtual_time
async def test_retry_after_is_heard() -> None:
    """A source that asks for a second gets it; one that asks for more than is left is asked at the next tick."""
    cycle = await attempts(busy_for_a_second, good, seconds=INTERVAL - 1)
    assert cycle.times == pytest.approx([0.0, 1.0])
    cycle = await attempts(unavailable, seconds=3.5 * INTERVAL)
    assert [at - cycle.times[0] for at in cycle.times] == pytest.approx([0, INTERVAL, 2 * INTERVAL, 3 * INTERVAL])
