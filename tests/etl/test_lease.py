"""The right to write a source: who has it, who waits, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

from switchboard.etl.lease import LeaseKeeper
from switchboard.store import keys
from switchboard.store.embedded import EmbeddedRedis
from tests.etl.conftest import Lab, new_lab
from tests.servers import eventually


@contextlib.asynccontextmanager
async def keeping(lab: Lab, owner: str) -> AsyncIterator[LeaseKeeper]:
    """A keeper that runs until the context ends."""
    keeper = lab.keeper(owner)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(keeper.run())
        try:
            yield keeper
        finally:
            task.cancel()


async def test_takes_a_free_lease_and_registers_the_source(lab: Lab) -> None:
    """A lease that nobody has is taken at once; the source exists from then on."""
    async with keeping(lab, "me") as keeper:
        await keeper.wait()
        assert keeper.lease is not None
        assert await lab.client.get(keys.lease(lab.source.name)) == keeper.lease.text.encode()
        assert await lab.store.sources() == [lab.source.name]
        assert lab.metric("source_owned") == 1
        assert lab.metric("lease_changes_total", change="taken") == 1


async def test_gives_the_lease_back(lab: Lab) -> None:
    """Who ends leaves the lease free, so that the next one need not wait for its end."""
    async with keeping(lab, "me") as keeper:
        await keeper.wait()
    assert not await lab.client.exists(keys.lease(lab.source.name))


async def test_renews_before_the_end(lab: Lab) -> None:
    """The lease is given a new life again and again."""
    async with keeping(lab, "me") as keeper:
        await keeper.wait()
        lease = keeper.lease
        await lab.client.pexpire(keys.lease(lab.source.name), 3000)

        async def renewed() -> bool:
            return bool(await lab.client.pttl(keys.lease(lab.source.name)) > 3000)

        await eventually(renewed, "the lease is renewed")
        assert keeper.lease == lease


async def test_waits_for_a_lease_that_another_has(lab: Lab) -> None:
    """The second one stands by, and takes over when the first is gone."""
    async with contextlib.AsyncExitStack() as later:
        async with keeping(lab, "first") as first:
            await first.wait()
            second = await later.enter_async_context(keeping(lab, "second"))
            # Renewed after the second one has asked at least once: it does so three times as often.
            await lab.client.pexpire(keys.lease(lab.source.name), 3000)

            async def renewed() -> bool:
                return bool(await lab.client.pttl(keys.lease(lab.source.name)) > 3000)

            await eventually(renewed, "the first one renews its lease")
            assert (await lab.client.get(keys.lease(lab.source.name))).startswith(b"first:")
        await second.wait()
        assert second.lease is not None
        assert await lab.client.get(keys.lease(lab.source.name)) == second.lease.text.encode()


async def test_takes_a_lost_lease_again(lab: Lab) -> None:
    """A store that was emptied, or a lease that ran out: there is a new one, with a new epoch, and the source again."""
    async with keeping(lab, "me") as keeper:
        await keeper.wait()
        before = keeper.lease
        assert before is not None
        await lab.client.flushall()

        async def taken() -> bool:
            return keeper.lease is not None and keeper.lease.epoch > before.epoch

        await eventually(taken, "a new lease")
        await keeper.wait()
        assert await lab.store.sources() == [lab.source.name]
        assert lab.metric("lease_changes_total", change="lost") == 1


async def test_claims_nothing_while_the_store_is_silent(redis_server: EmbeddedRedis, logs: list[Any]) -> None:
    """Without an answer the lease may have run out: it counts as lost until it is taken again."""
    assert redis_server.pid is not None
    async with new_lab(redis_server.url) as lab, keeping(lab, "me") as keeper:
        await keeper.wait()
        before = keeper.lease
        assert before is not None
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:

            async def lost() -> bool:
                return keeper.lease is None

            await eventually(lost, "the lease counts as lost")
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
        await keeper.wait()
        assert keeper.lease is not None
        assert keeper.lease.epoch > before.epoch
    events = [event["event"] for event in logs]
    assert (events.count("store failed"), events.count("store reached")) == (1, 1)
