"""The right to write a source: who has it, who waits, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from switchboard.clocks import boottime
from switchboard.errors import KeyUnusable, LeaseLost
from switchboard.etl.lease import TOLD_SECONDS, LeaseKeeper
from switchboard.store import keys
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.leases import LEASE_MS, Lease
from tests.etl.conftest import Lab, new_lab
from tests.lab.servers import eventually


class Clock:
    """A clock that the test puts forward, and that knows how often it was read."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return self.ahead

    async def is_read(self, times: int) -> None:
        """Return when it was read that many times more."""
        least = self.reads + times

        async def enough() -> bool:
            return self.reads >= least

        await eventually(enough, "the clock is read")


@contextlib.asynccontextmanager
async def keeping(lab: Lab, owner: str, clock: Callable[[], float] = boottime) -> AsyncIterator[LeaseKeeper]:
    """A keeper that runs until the context ends."""
    keeper = LeaseKeeper(lab.store, lab.source.name, owner, lab.changes, clock=clock)
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
        assert keeper.lease.holder.encode() in await lab.client.get(keys.lease(lab.source.name))

        async def registered() -> bool:
            return await lab.store.sources.names() == [lab.source.name]

        await eventually(registered, "the source is registered")
        assert lab.metric("source_owned") == 1
        assert lab.metric("lease_changes_total", change="taken") == 1


async def test_gives_the_lease_back(lab: Lab) -> None:
    """Who ends leaves the lease free, so that the next one need not wait for its end."""
    async with keeping(lab, "me") as keeper:
        await keeper.wait()
    assert not await lab.client.exists(keys.lease(lab.source.name))


async def test_renews_before_the_end(lab: Lab) -> None:
    """The lease is given a new life again and again, each time with a greater number."""
    async with keeping(lab, "me") as keeper:
        await keeper.wait()
        lease = keeper.lease
        assert lease is not None
        await lab.client.pexpire(keys.lease(lab.source.name), 3000)

        async def renewed() -> bool:
            return bool(await lab.client.pttl(keys.lease(lab.source.name)) > 3000)

        await eventually(renewed, "the lease is renewed")

        async def noted() -> bool:
            return keeper.lease is not None and keeper.lease.n > lease.n

        await eventually(noted, "the keeper knows its number")
        assert keeper.lease is not None
        assert keeper.lease.epoch == lease.epoch


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
        assert second.lease.holder.encode() in await lab.client.get(keys.lease(lab.source.name))


async def test_takes_the_lease_of_a_dead_owner_whatever_its_ttl(lab: Lab) -> None:
    """A value that stands unchanged for a lease's lifetime on our own clock is nobody's; one that changes is left."""
    clock, name = Clock(), keys.lease(lab.source.name)
    await lab.client.set(name, "dead:7:0", px=3_600_000)
    async with keeping(lab, "me", clock) as keeper:
        for renewals in range(1, 4):
            await clock.is_read(3)  # at least one look at the lease lies between two of these
            assert keeper.lease is None
            await lab.client.set(name, f"dead:7:{renewals}", px=3_600_000)
            clock.ahead += LEASE_MS / 1000 - 1
        await clock.is_read(3)
        clock.ahead += LEASE_MS / 1000
        await keeper.wait()
        assert (await lab.client.get(name)).startswith(b"me:")
        assert await lab.client.pttl(name) <= LEASE_MS


async def test_a_lease_without_an_end_is_taken_too(lab: Lab) -> None:
    """What somebody has put there without a TTL holds the source for one lifetime of a lease, not for ever."""
    clock = Clock()
    await lab.client.set(keys.lease(lab.source.name), b"\xff nonsense")
    async with keeping(lab, "me", clock) as keeper:
        await clock.is_read(3)
        assert keeper.lease is None
        clock.ahead += LEASE_MS / 1000
        await keeper.wait()


async def test_a_list_of_sources_of_another_type_is_replaced(lab: Lab, logs: list[Any]) -> None:
    """It holds no source, so the next keeper that registers its own begins it anew, and says so; no lease is lost."""
    await lab.client.set(keys.SOURCES, "not a sorted set")
    async with keeping(lab, "me") as keeper:
        await keeper.wait()

        async def registered() -> bool:
            with contextlib.suppress(KeyUnusable):
                return await lab.store.sources.names() == [lab.source.name]
            return False

        await eventually(registered, "the source is registered")
        lease = keeper.lease
        assert lease is not None
        await lab.client.delete(keys.SOURCES)
        await lab.client.rpush(keys.SOURCES, "a list")
        await eventually(registered, "again, with the next renewal")
        assert keeper.lease is not None
        assert keeper.lease.epoch == lease.epoch
    said = [event for event in logs if event["event"].startswith("list of sources replaced")]
    assert [(event["log_level"], event["key"]) for event in said] == [("warning", keys.SOURCES)] * 2


@pytest.mark.parametrize("command", ["rpush", "sadd"])
async def test_a_lease_of_another_type_is_replaced(lab: Lab, logs: list[Any], command: str) -> None:
    """Nobody can renew it, so it is nobody's: before the first lease, and in place of ours."""
    key = keys.lease(lab.source.name)
    await getattr(lab.client, command)(key, "something")
    async with keeping(lab, "me") as keeper:
        await keeper.wait()
        before = keeper.lease
        assert before is not None
        await lab.client.delete(key)
        await getattr(lab.client, command)(key, "something")

        async def taken_again() -> bool:
            return keeper.lease is not None and keeper.lease.epoch > before.epoch

        await eventually(taken_again, "a new lease")
    said = [event for event in logs if event["event"].startswith("lease replaced")]
    assert [(event["log_level"], event["key"]) for event in said] == [("warning", key)] * 2


async def test_other_keys_of_another_type_keep_no_lease_back(lab: Lab) -> None:
    """Epoch and pointer of any type or content: a lease is taken, with an epoch above what can be read."""
    for name in (keys.epoch(lab.source.name), keys.pointer(lab.source.name)):
        for value in (b"inf", b"nan", b"-1", b"1e999", b"\xff\xfe", b'{"epoch": -5}', b"9" * 400, None):
            await lab.client.delete(name)
            await (lab.client.rpush(name, "x") if value is None else lab.client.set(name, value))
            lease = await lab.store.leases.take(lab.source.name, "me")
            assert lease is not None
            assert 0 < lease.epoch < 2**53


async def test_who_has_the_lease_is_said(lab: Lab, logs: list[Any]) -> None:
    """Once for each holder, with the key; and as a warning if no keeper can have put it there like that."""
    clock, key = Clock(), keys.lease(lab.source.name)
    await lab.client.set(key, "other:7:0", px=4000)
    async with keeping(lab, "me", clock) as keeper:
        await clock.is_read(6)
        assert keeper.other == f"the lease {key} is held by 'other' (epoch 7)"
        await lab.client.set(key, "other:8:1")
        await clock.is_read(6)
        assert keeper.other == f"the lease {key} is held by 'other' (epoch 8), with no TTL"
        await lab.client.set(key, b"\x1b[2J\xff", px=3_600_000)
        await clock.is_read(6)
        assert keeper.other.startswith(f"the lease {key} is held by nobody (it holds '\\x1b[2J\\udcff')")
    said = [event for event in logs if event["event"] == "another writer has the source"]
    assert [(event["log_level"], event["key"]) for event in said[1:]] == [("warning", key)] * 2
    assert said[1]["ttl_seconds"] is None
    assert 3500 < said[2]["ttl_seconds"] <= 3600
    assert (said[0]["log_level"], said[0]["holder"]) == ("info", "'other' (epoch 7)")


async def test_each_source_has_trouble_of_its_own(lab: Lab, logs: list[Any]) -> None:
    """Trouble of the server is said once however many sources meet it, and over when none does any more."""
    other = LeaseKeeper(lab.store, "other", "me", lab.changes)
    async with keeping(lab, "me") as keeper, asyncio.TaskGroup() as group:
        running = group.create_task(other.run())
        await asyncio.gather(keeper.wait(), other.wait())
        await lab.client.config_set("maxmemory", 1)
        try:

            async def both_in_trouble() -> bool:
                return keeper.trouble is not None and other.trouble is not None

            await eventually(both_in_trouble, "both cannot write")
        finally:
            await lab.client.config_set("maxmemory", 0)

        async def no_trouble() -> bool:
            return keeper.trouble is None and other.trouble is None

        await eventually(no_trouble, "both can write again")
        running.cancel()
    events = [(event["event"], event.get("reason")) for event in logs if event["event"].startswith("store ")]
    assert events == [("store failed", "full"), ("store reached", None)]


async def test_epochs_grow_although_the_store_has_lost_all_and_its_clock_too(lab: Lab) -> None:
    """A keeper remembers its last epoch: readers would not follow a lower one."""
    async with keeping(lab, "me") as keeper:
        await keeper.wait()
        await lab.client.flushall()
        ahead = 2**50
        await lab.client.set(keys.epoch(lab.source.name), ahead)

        async def epoch_above(least: int) -> bool:
            return keeper.lease is not None and keeper.lease.epoch > least

        await eventually(lambda: epoch_above(ahead), "an epoch far ahead of the clock")
        await lab.client.flushall()
        await eventually(lambda: epoch_above(ahead + 1), "a higher one, although nothing in the store tells of it")


def test_numbers_begin_with_an_epoch(lab: Lab) -> None:
    """Each claim has the next number; who claims with an epoch that has ended is refused."""
    keeper = lab.keeper()
    with pytest.raises(LeaseLost):
        keeper.claim(5)
    keeper.lease = Lease(lab.source.name, "me", 5)
    assert [keeper.claim(5).seq for _ in range(3)] == [1, 2, 3]
    with pytest.raises(LeaseLost):
        keeper.claim(4)


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
        assert await lab.store.sources.names() == [lab.source.name]
        assert lab.metric("lease_changes_total", change="lost") == 1


async def test_a_lease_that_is_lost_again_and_again_is_told_now_and_then(
    lab: Lab, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line at first, and later one with how often it came again, as where Redis evicts it at each renewal."""
    monkeypatch.setattr("switchboard.etl.lease.RENEW_SECONDS", 0.01)
    clock = Clock()
    async with keeping(lab, "me", clock) as keeper:

        async def lose() -> None:
            await keeper.wait()
            epoch = keeper.lease.epoch if keeper.lease else 0
            await lab.client.delete(keys.lease(lab.source.name))

            async def again() -> bool:
                return keeper.lease is not None and keeper.lease.epoch > epoch

            await eventually(again, "the lease is taken again")

        for _ in range(4):
            await lose()
        clock.ahead += TOLD_SECONDS
        await lose()
    told = [(event["event"], event.get("repeated")) for event in logs if event["log_level"] != "debug"]
    assert told == [
        *(("lease taken", None), ("lease lost", None), ("lease taken", None)),
        *(("lease lost", 3), ("lease taken", None)),
    ]


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

        async def said() -> bool:
            return "store reached" in [event["event"] for event in logs]

        await eventually(said, "the end of the silence is said")
    events = [event["event"] for event in logs]
    assert (events.count("store failed"), events.count("store reached")) == (1, 1)
