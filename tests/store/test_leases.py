"""Leases, on every kind of Redis: one owner, growing epochs, renewals."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from switchboard.errors import LeaseLost
from switchboard.store import keys
from switchboard.store.leases import LEASE_MS, Lease
from switchboard.store.store import Store
from tests.lab.servers import eventually
from tests.store.harness import packed_as, renew, seqs, taken


async def test_a_call_that_was_delayed_for_long_is_refused(store: Store) -> None:
    """A lease that was renewed once since is enough for a call, one that was renewed twice is not."""
    lease = await taken(store)
    manifest = packed_as(lease, snapshot="1-a", scraped_ms=1).manifest
    await store.snapshots.move_pointer(manifest, lease)
    renewed = await renew(store, lease)
    await store.snapshots.extend_pointer(replace(manifest, seq=next(seqs)), lease)
    twice = await renew(store, renewed)
    with pytest.raises(LeaseLost):
        await store.snapshots.extend_pointer(replace(manifest, seq=next(seqs)), lease)
    with pytest.raises(LeaseLost):
        await store.snapshots.move_pointer(packed_as(lease, snapshot="2-a", scraped_ms=2).manifest, lease)
    await store.snapshots.extend_pointer(replace(manifest, seq=next(seqs)), renewed)
    await store.snapshots.move_pointer(packed_as(lease, snapshot="2-a", scraped_ms=2).manifest, twice)


async def value_of(store: Store) -> str | None:
    held = await store.leases.held("lab")
    assert held is not None
    return held.value


async def test_every_renewal_changes_the_value(store: Store) -> None:
    """Who waits for a lease sees by its value whether it is alive; a renewal may be repeated, and not skipped."""
    lease = await taken(store)
    assert await value_of(store) == lease.text
    renewed = await renew(store, lease)
    assert await value_of(store) == renewed.text != lease.text
    assert await store.leases.renew(lease) == renewed
    await renew(store, renewed)
    assert await store.leases.renew(lease) is None


async def test_a_lease_that_is_not_renewed_is_taken(store: Store, client: Any) -> None:
    """Whatever its TTL: who has seen it unchanged for long enough gets it, unless it was renewed meanwhile."""
    for lifetime in ({}, {"px": 3_600_000}):
        await client.set(keys.lease("lab"), "gone:5:7", **lifetime)
        assert await store.leases.take("lab", "me") is None
        assert await store.leases.take("lab", "me", silent="gone:5:6") is None
        lease = await store.leases.take("lab", "me", silent="gone:5:7")
        assert lease is not None
        assert LEASE_MS - 2000 < await client.pttl(keys.lease("lab")) <= LEASE_MS


async def test_an_epoch_is_above_all_that_is_known(store: Store, client: Any) -> None:
    """Above the pointer's, which a fail-over may have kept while it lost the last epoch, and what the caller asks."""
    ahead = 2 * (await taken(store)).epoch
    lease = await taken(store)
    await store.snapshots.move_pointer(packed_as(lease, epoch=ahead).manifest, lease)
    await client.delete(keys.epoch("lab"))
    assert (await taken(store)).epoch == ahead + 1
    later = await store.leases.take("lab", "me", least_epoch=ahead + 10)
    assert later is not None
    assert later.epoch == ahead + 10
    for garbage in ("inf", "nan", "x", "1e300", "-5", ""):
        await client.set(keys.epoch("lab"), garbage)
        assert (await taken(store)).epoch > ahead


async def test_a_lease_has_one_owner(store: Store) -> None:
    """Who comes second gets it when the first gives it back, not before."""
    first = await taken(store, "first")
    assert await store.leases.take("lab", "second") is None
    first = await renew(store, first)
    await store.leases.release(first)
    second = await taken(store, "second")
    assert second.epoch > first.epoch
    assert not await store.leases.renew(first)
    await store.leases.release(first)
    assert await store.leases.renew(second)


async def test_the_same_owner_gets_a_new_epoch_at_once(store: Store) -> None:
    """A process that was restarted need not wait for the end of its own lease, and fences off what is left of it."""
    before = await taken(store)
    after = await taken(store)
    assert after.epoch > before.epoch
    assert not await store.leases.renew(before)
    assert await store.leases.renew(after)


async def test_owners_are_compared_whole(store: Store) -> None:
    """An owner's name may hold colons and pattern characters, and is no prefix of another's."""
    await taken(store, "host:1%d.*")
    for other in ("host", "host:1", "host:1%d", "host:1%d.*:2", ""):
        assert await store.leases.take("lab", other) is None
    await taken(store, "host:1%d.*")


async def test_a_lease_ends_unless_it_is_renewed(store: Store, client: Any) -> None:
    """It lives for LEASE_MS, a renewal begins that time anew, and after its end another may have it."""
    lease = await taken(store)
    assert LEASE_MS - 2000 < await client.pttl(keys.lease("lab")) <= LEASE_MS
    await client.pexpire(keys.lease("lab"), 500)
    assert await store.leases.renew(lease)
    assert LEASE_MS - 2000 < await client.pttl(keys.lease("lab")) <= LEASE_MS
    await client.pexpire(keys.lease("lab"), 1)

    async def other() -> Lease | None:
        return await store.leases.take("lab", "other")

    taken_over = await eventually(other, "the lease is free")
    assert taken_over.epoch > lease.epoch
    assert not await store.leases.renew(lease)


async def test_the_epoch_grows_even_over_a_flush(store: Store, client: Any) -> None:
    """A store that lost everything still gives out higher epochs, and epochs ahead of the clock go on growing."""
    before = await taken(store)
    await client.flushall()
    after = await taken(store)
    assert after.epoch >= before.epoch
    await client.set(keys.epoch("lab"), before.epoch + 10**9)
    assert (await taken(store)).epoch == before.epoch + 10**9 + 1
