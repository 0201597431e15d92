"""Promises that are easily broken at the edges: young dates, late ends of attempts, clocks set back."""

from __future__ import annotations

import os
import signal
import time
from email.utils import formatdate

import pytest

from switchboard.clocks import Clocks
from switchboard.errors import SourceError
from switchboard.model import Outcome
from switchboard.store import keys
from switchboard.store.embedded import EmbeddedRedis
from tests.etl.conftest import Lab, body, new_lab
from tests.lab.servers import eventually, http

NOW = 1_795_460_000
MODIFIED = formatdate(NOW, usegmt=True)


@pytest.mark.parametrize(("age", "sent"), [(0, None), (1, None), (2, MODIFIED), (3600, MODIFIED)])
async def test_a_last_modified_tells_only_when_it_is_old(lab: Lab, age: int, sent: str | None) -> None:
    """A file may change twice in one second: its date is sent back only if it was 2 s old when we got the body."""
    date = formatdate(NOW + age, usegmt=True)
    lab.serve([http(200, body(1), last_modified=MODIFIED, date=date)])
    await lab.attempt()
    await lab.attempt()
    assert lab.web.requests[1].headers.get("if-modified-since") == sent


async def test_an_etag_vouches_for_a_young_last_modified(lab: Lab) -> None:
    """With an ETag both are sent back, whatever the date."""
    lab.serve([http(200, body(1), etag='"1"', last_modified=MODIFIED, date=MODIFIED)])
    await lab.attempt()
    await lab.attempt()
    assert lab.web.requests[1].headers["if-none-match"] == '"1"'


async def test_publishing_goes_on_when_the_clock_was_set_back(lab: Lab) -> None:
    """A snapshot scraped «earlier» than the current one, by a clock that was set back, is newer all the same."""
    lab.serve([http(200, body(1))], [http(200, body(2))])
    report = await lab.attempt()
    lab.restart()
    lab.clocks = Clocks(wall_ns=lambda: time.time_ns() - 3_600_000_000_000)
    later = await lab.attempt()
    assert later.outcome is Outcome.PUBLISHED
    assert later.manifest.scraped_ms == report.manifest.scraped_ms + 1
    assert later.manifest.published_ms < report.manifest.published_ms
    assert await lab.value() == 2


async def test_the_source_is_not_blamed_for_the_store(lab: Lab, redis_server: EmbeddedRedis) -> None:
    """While the store is silent the failure names the store: the source is not even asked."""
    async with new_lab(redis_server.url) as hung, hung.running(interval=3.0, timeout=0.4):
        await hung.until_status(Outcome.PUBLISHED)  # so it is a while to the next attempt
        assert redis_server.pid is not None
        os.kill(redis_server.pid, signal.SIGSTOP)
        failures = hung.metric("failures_total", reason="store")
        timeouts = hung.metric("failures_total", reason="timeout")
        try:

            async def failed() -> bool:
                return hung.metric("failures_total", reason="store") > failures

            await eventually(failed, "a failure of the store")
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
        assert hung.metric("failures_total", reason="timeout") == timeouts


async def test_a_304_without_a_snapshot_is_asked_for_once(lab: Lab) -> None:
    """There is nothing to fetch again: the source gets one request an attempt."""
    lab.serve([http(304)])
    with pytest.raises(SourceError):
        await lab.attempt()
    assert len(lab.web.requests) == 1


async def test_a_source_with_a_lease_is_not_forgotten(lab: Lab) -> None:
    """A source is known as long as somebody has its lease, a snapshot or an attempt of it."""
    name = lab.source.name
    assert not await lab.store.sources.is_known(name)
    lease = await lab.store.leases.take(name, "somebody")
    assert lease is not None
    assert await lab.store.sources.is_known(name)
    await lab.store.leases.release(lease)
    assert not await lab.store.sources.is_known(name)
    await lab.attempt()
    await lab.client.delete(keys.lease(name))
    assert await lab.store.sources.is_known(name), "a snapshot is left"


async def test_a_lease_keeps_the_source_registered(lab: Lab) -> None:
    """Who holds the lease registers the source again, whoever removed it."""
    keeper = lab.keeper()
    await keeper._step()
    assert await lab.store.sources.names() == [lab.source.name]
    await lab.store.sources.forget(lab.source.name)
    await keeper._step()
    assert await lab.store.sources.names() == [lab.source.name]


async def test_columns_may_come_and_go_between_scrapes(lab: Lab) -> None:
    """Each snapshot has the columns of its own body; a metric that has text for once stays a metric."""
    head = b"timestamp,switch_id,"
    bodies = [
        head + b"a,opcode\n1795460000,sw1,1,25\n",
        head + b"opcode,b\n1795460010,sw1,Thermal_shutdown,2.5\n",
        head + b"a,b,opcode\n1795460020,sw1,3,4,0\n",
    ]
    lab.serve(*([http(200, text)] for text in bodies))
    seen = []
    for _ in bodies:
        await lab.attempt()
        (part,) = (await lab.snapshot()).parts("sw1")
        seen.append((set(part.block.metrics), set(part.block.labels)))
    assert seen == [({"a", "opcode"}, set()), ({"b", "opcode"}, set()), ({"a", "b", "opcode"}, set())]
