"""The pointer, on every kind of Redis: moved and extended by the holder of the lease, and only forwards."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from switchboard.errors import LeaseLost, SnapshotGone, SnapshotSuperseded, StoreRefused
from switchboard.store import keys
from switchboard.store.leases import Lease
from switchboard.store.store import Store
from tests.lab.servers import eventually
from tests.lab.snapshots import pack
from tests.store.harness import (
    BLOCK_MS,
    BODY,
    GARBAGE,
    confirm,
    key_names,
    packed_as,
    publish,
    read,
    seqs,
    taken,
    write,
)


def replaced(lease: Lease, *, owner: str | None = None, epoch: int | None = None) -> Lease:
    return Lease(lease.source, owner or lease.owner, epoch or lease.epoch)


async def test_there_is_no_pointer_at_first(store: Store) -> None:
    """A source that was never scraped has none."""
    assert await store.snapshots.pointer("lab") == (None, 0)


async def test_the_pointer_needs_the_lease(store: Store) -> None:
    """Neither without a lease, nor with one that another has, nor with the epoch before."""
    packed = pack(BODY)
    with pytest.raises(LeaseLost):
        await store.snapshots.move_pointer(packed.manifest, Lease("lab", "me", 1))
    old = await taken(store)
    new = await taken(store)
    for lease in (old, replaced(new, owner="you"), replaced(new, epoch=new.epoch + 1)):
        with pytest.raises(LeaseLost):
            await store.snapshots.move_pointer(packed_as(lease).manifest, lease)
    assert await store.snapshots.pointer("lab") == (None, 0)


async def test_the_pointer_never_goes_back(store: Store) -> None:
    """An older scrape of one epoch, and any scrape of an older epoch, is refused; the pointer stays."""
    lease = await taken(store)
    current = packed_as(lease, snapshot="5-a", scraped_ms=5).manifest
    await store.snapshots.move_pointer(current, lease)
    for older in (
        replace(current, snapshot="4-b", scraped_ms=4, seq=next(seqs)),
        replace(current, snapshot="5-b", seq=next(seqs)),
        replace(current, snapshot="6-b", scraped_ms=6),
        replace(current, snapshot="6-b", scraped_ms=6, seq=next(seqs), epoch=lease.epoch - 1),
    ):
        with pytest.raises(SnapshotSuperseded):
            await store.snapshots.move_pointer(older, lease)
        assert (await store.snapshots.pointer("lab"))[0] == current


async def test_a_new_epoch_counts_for_more_than_the_clock(store: Store) -> None:
    """A writer that took over may publish, even if its clock is behind."""
    first = await taken(store)
    await store.snapshots.move_pointer(packed_as(first, snapshot="9-a", scraped_ms=9).manifest, first)
    second = await taken(store)
    manifest = packed_as(second, snapshot="5-b", scraped_ms=5).manifest
    await store.snapshots.move_pointer(manifest, second)
    assert (await store.snapshots.pointer("lab"))[0] == manifest


async def test_moving_the_pointer_may_be_repeated(store: Store) -> None:
    """A call whose answer was lost may be made again, even after the lease has gone."""
    lease = await taken(store)
    manifest = packed_as(lease).manifest
    await store.snapshots.move_pointer(manifest, lease)
    await store.snapshots.move_pointer(manifest, lease)
    await store.leases.release(lease)
    await store.snapshots.move_pointer(manifest, lease)
    assert (await store.snapshots.pointer("lab"))[0] == manifest


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:12]))
async def test_a_pointer_that_is_garbage_is_replaced(store: Store, client: Any, garbage: bytes) -> None:
    """It is no snapshot, it cannot be extended, and the next publication takes its place."""
    lease = await taken(store)
    manifest = packed_as(lease).manifest
    await client.set(keys.pointer("lab"), garbage, px=10_000)
    with pytest.raises(SnapshotGone):
        await store.snapshots.pointer("lab")
    with pytest.raises(SnapshotGone):
        await store.snapshots.extend_pointer(manifest, lease)
    await store.snapshots.move_pointer(manifest, lease)
    assert (await store.snapshots.pointer("lab"))[0] == manifest


async def test_a_pointer_of_another_kind_is_replaced(store: Store, client: Any) -> None:
    """JSON whose epoch or time is no number says nothing about what is newer."""
    lease = await taken(store)
    for epoch in ('"x"', "null", "[]", "{}", "true", "1e999", "-1", "0.5"):
        await client.set(keys.pointer("lab"), f'{{"snapshot": "x", "epoch": {epoch}, "scraped_ms": {epoch}}}')
        await store.snapshots.move_pointer(packed_as(lease).manifest, lease)


async def test_without_the_right_to_publish_nothing_changes(store: Store, client: Any) -> None:
    """Whoever is refused takes its blocks away again, so the pointer must not name them."""
    lease = await taken(store)
    current = packed_as(lease)
    await publish(store, current, lease)
    await client.execute_command("ACL", "SETUSER", "default", "-publish")
    try:
        with pytest.raises(StoreRefused, match=r"cannot move a pointer: .*NOPERM"):
            await store.snapshots.move_pointer(
                packed_as(lease, snapshot="9-a", scraped_ms=current.manifest.scraped_ms + 1).manifest, lease
            )
    finally:
        await client.execute_command("ACL", "SETUSER", "default", "+publish")
    manifest, _ = await store.snapshots.pointer("lab")
    assert manifest == current.manifest


async def test_hints_say_which_pointer_moved(store: Store) -> None:
    """Who listens hears the source of every pointer that moves, and nothing of one that was refused."""
    lease = await taken(store)
    async with aclosing(store.snapshots.hints()) as hints:
        listening = asyncio.ensure_future(anext(hints))
        number = 0

        async def heard() -> bool:
            nonlocal number
            number += 1
            await store.snapshots.move_pointer(
                packed_as(lease, snapshot=f"{number}-a", scraped_ms=number).manifest, lease
            )
            return listening.done()

        await eventually(heard, "a hint")
        assert await listening == "lab"


async def test_extending_gives_all_keys_a_new_life(store: Store, client: Any) -> None:
    """Blocks, index and pointer live as long again as when they were written."""
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    for name in (*key_names(packed), keys.pointer("lab")):
        await client.pexpire(name, 3000)
    await confirm(store, packed, lease)
    assert all([await client.pttl(name) > BLOCK_MS - 5000 for name in key_names(packed)])
    assert packed.manifest.ttl_ms - 5000 < await client.pttl(keys.pointer("lab")) <= packed.manifest.ttl_ms


async def test_extending_what_is_not_whole_fails(store: Store, client: Any) -> None:
    """With any key gone the snapshot is gone, and the pointer keeps its old end."""
    lease = await taken(store)
    for number, missing in enumerate((0, 1, -1), 1):
        packed = packed_as(lease, snapshot=f"{number}-a", scraped_ms=number)
        await publish(store, packed, lease)
        await client.pexpire(keys.pointer("lab"), 3000)
        await client.delete(key_names(packed)[missing])
        with pytest.raises(SnapshotGone):
            await confirm(store, packed, lease)
        assert await client.pttl(keys.pointer("lab")) <= 3000


async def test_extending_another_snapshot_than_the_pointers_fails(store: Store, client: Any) -> None:
    """What the pointer does not name any more is not confirmed, and nothing is if there is no pointer."""
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    scraped_ms = packed.manifest.scraped_ms + 1
    await store.snapshots.move_pointer(
        replace(packed.manifest, snapshot="x", scraped_ms=scraped_ms, seq=next(seqs)), lease
    )
    with pytest.raises(SnapshotGone):
        await confirm(store, packed, lease)
    await client.delete(keys.pointer("lab"))
    with pytest.raises(SnapshotGone):
        await confirm(store, packed, lease)


async def test_extending_needs_the_lease(store: Store, client: Any) -> None:
    """Only who holds the lease may let a snapshot live on."""
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    await client.pexpire(keys.pointer("lab"), 3000)
    await store.leases.release(lease)
    with pytest.raises(LeaseLost):
        await confirm(store, packed, lease)
    assert await client.pttl(keys.pointer("lab")) <= 3000


async def test_a_confirmation_is_said_by_its_number(store: Store, client: Any) -> None:
    """The pointer has the number of the last confirmation, all else as it was announced, byte for byte."""
    lease = await taken(store)
    packed = packed_as(lease, data_min_us=1795460000123456)
    await publish(store, packed, lease)
    confirmed = await confirm(store, packed, lease)
    assert confirmed.order > packed.manifest.order
    assert await client.get(keys.pointer("lab")) == msgspec.json.encode(confirmed).decode()
    found, ttl_ms = await store.snapshots.pointer("lab")
    assert found == confirmed
    assert 0 < ttl_ms <= confirmed.ttl_ms


async def test_a_confirmation_never_goes_back(store: Store, client: Any) -> None:
    """A number that is not greater is refused, and gives the pointer no new life; a repeated call is no error."""
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    confirmed = await confirm(store, packed, lease)
    await client.pexpire(keys.pointer("lab"), 3000)
    await store.snapshots.extend_pointer(confirmed, lease)
    for earlier in (replace(confirmed, seq=confirmed.seq - 1), replace(confirmed, rows=0)):
        with pytest.raises(SnapshotSuperseded):
            await store.snapshots.extend_pointer(earlier, lease)
    assert await client.pttl(keys.pointer("lab")) <= 3000
    assert (await store.snapshots.pointer("lab"))[0] == confirmed


async def test_a_new_holder_confirms_what_another_has_published(store: Store) -> None:
    """The first number of a higher epoch is greater than all before."""
    first = await taken(store)
    packed = packed_as(first, seq=1000)
    await store.snapshots.move_pointer(packed.manifest, first)
    second = await taken(store)
    confirmed = replace(packed.manifest, epoch=second.epoch, seq=1)
    await store.snapshots.extend_pointer(confirmed, second)
    assert (await store.snapshots.pointer("lab"))[0] == confirmed


@pytest.mark.parametrize("command", ["rpush", "sadd"])
async def test_a_pointer_of_another_type_is_named_and_replaced(store: Store, client: Any, command: str) -> None:
    """By the holder of the lease, with a publication; a confirmation finds its snapshot gone."""
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    await client.delete(keys.pointer("lab"))
    await getattr(client, command)(keys.pointer("lab"), "x")
    with pytest.raises(SnapshotGone, match=r"the pointer sb:\{lab\}:pointer holds another type of value"):
        await store.snapshots.pointer("lab")
    with pytest.raises(SnapshotGone):
        await confirm(store, packed, lease)
    after = packed_as(lease, snapshot="9-a", scraped_ms=packed.manifest.scraped_ms + 1)
    await publish(store, after, lease)
    manifest, _ = await store.snapshots.pointer("lab")
    assert manifest == after.manifest


async def test_index_and_blocks_of_another_type_are_named(store: Store, client: Any) -> None:
    """Such a snapshot cannot be read, and the error says which key is at fault."""
    lease = await taken(store)
    for number in range(len(key_names(packed_as(lease)))):
        packed = packed_as(lease, snapshot=f"{number}-b")
        await write(store, packed)
        key = key_names(packed)[number]
        await client.delete(key)
        await client.rpush(key, "x")
        with pytest.raises(SnapshotGone, match=f"{re.escape(key)} holds another type of value"):
            await read(store, packed.manifest)
