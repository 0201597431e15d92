"""The contract of the store, kept on every kind of Redis; see conftest.py for the kinds."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from itertools import count
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from switchboard.errors import LeaseLost, SnapshotGone, SnapshotSuperseded, StoreError, StoreUnavailable
from switchboard.model import FORMAT, Manifest, Outcome, Reject, SourceStatus
from switchboard.snapshot.reader import SnapshotReader
from switchboard.snapshot.snapshot import Snapshot
from switchboard.store import keys
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.leases import LEASE_MS, Lease
from switchboard.store.snapshots import BULK_COMMANDS
from switchboard.store.store import Store
from tests.lab.processes import free_port
from tests.lab.servers import eventually
from tests.lab.snapshots import Packed, pack, rows_of_switch

BODY = b"switch_id,port,note,a,b\n" + b"".join(
    f"{switch},{port},up,{port},{port}.5\n".encode() for switch in ("sw1", "sw2", "sw3") for port in (1, 2)
)
ODD_SWITCHES = ["a/b", "a%2Fb", "a~2", "a", "{x}", "*", "a b", "é", "?[y]", "..", "x" * 128]
BLOCK_MS = 43_000
_seqs = count(1)


def packed_as(lease: Lease, body: bytes = BODY, **manifest: str | int) -> Packed:
    """A snapshot that the holder of the lease may publish."""
    packed = pack(body)
    fields = {"source": lease.source, "format": FORMAT, "epoch": lease.epoch, "seq": next(_seqs), **manifest}
    return dataclasses.replace(packed, manifest=replace(packed.manifest, **fields))


async def taken(store: Store, owner: str = "me") -> Lease:
    lease = await store.leases.take("lab", owner)
    assert lease is not None
    return lease


async def renew(store: Store, lease: Lease) -> Lease:
    renewed = await store.leases.renew(lease)
    assert renewed is not None
    return renewed


async def write(store: Store, packed: Packed) -> None:
    """Blocks and index, without the pointer."""
    manifest = packed.manifest
    await store.snapshots.write_blocks(manifest.source, manifest.snapshot, packed.blocks, BLOCK_MS)
    await store.snapshots.write_index(manifest.source, manifest.snapshot, packed.index, BLOCK_MS)


async def publish(store: Store, packed: Packed, lease: Lease) -> None:
    await write(store, packed)
    await store.snapshots.move_pointer(packed.manifest, lease)


async def confirm(store: Store, packed: Packed, lease: Lease) -> Manifest:
    """Let a snapshot live on; its manifest as it is then."""
    await store.snapshots.extend_blocks(packed.manifest, packed.index.block_names(), BLOCK_MS)
    confirmed = replace(packed.manifest, epoch=lease.epoch, seq=next(_seqs))
    await store.snapshots.extend_pointer(confirmed, lease)
    return confirmed


async def read(store: Store, manifest: Manifest) -> Snapshot:
    """Read a snapshot back as the API does."""
    index = await store.snapshots.read_index(manifest)
    reader = SnapshotReader(manifest, index)
    async for payloads in store.snapshots.read_blocks(manifest, index):
        for payload in payloads:
            reader.add(payload)
    for _ in reader.steps():
        pass
    return reader.finish()


def key_names(packed: Packed) -> list[str]:
    """Keys of the blocks and of the index."""
    source, snapshot = packed.manifest.source, packed.manifest.snapshot
    return [keys.index(source, snapshot), *(keys.block(source, snapshot, *name) for name in packed.index.block_names())]


# Snapshots


async def test_what_is_written_can_be_read(store: Store) -> None:
    """A published snapshot is found through its pointer, and its rows are those that went in."""
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    manifest, ttl_ms = await store.snapshots.pointer("lab")
    assert manifest == packed.manifest
    assert 0 < ttl_ms <= manifest.ttl_ms
    snapshot = await read(store, manifest)
    assert [(row[2], row[4]) for row in rows_of_switch(snapshot, "sw2")] == [
        ("1", {"a": 1, "b": 1.5}),
        ("2", {"a": 2, "b": 2.5}),
    ]


async def test_any_name_of_a_switch_is_a_key_of_its_own(store: Store, client: Any) -> None:
    """Names with separators, globs, hash tags and numbers of blocks do not meet each other."""
    lease = await taken(store)
    body = b"switch_id,a\n" + b"".join(f"{switch},{at}\n".encode() for at, switch in enumerate(ODD_SWITCHES))
    packed = packed_as(lease, body)
    await publish(store, packed, lease)
    assert [await client.exists(name) for name in key_names(packed)] == [1] * (len(ODD_SWITCHES) + 1)
    snapshot = await read(store, packed.manifest)
    assert [rows_of_switch(snapshot, switch)[0][4]["a"] for switch in ODD_SWITCHES] == list(range(len(ODD_SWITCHES)))


async def test_many_keys_and_large_blocks(store: Store) -> None:
    """More keys than one pipeline takes and more bytes than one call takes come through whole."""
    lease = await taken(store)
    many = b"switch_id,a\n" + b"".join(b"sw%d,%d\n" % (at, at) for at in range(BULK_COMMANDS))
    columns = ",".join(f"m{at}" for at in range(100))
    values = ",".join("1" for _ in range(100))
    large = f"switch_id,{columns}\n".encode() + b"".join(b"sw%d,%s\n" % (at, values.encode()) for at in range(3000))
    for number, body in enumerate((many, large)):
        packed = packed_as(lease, body, snapshot=f"{number}-a", scraped_ms=number)
        await publish(store, packed, lease)
        await confirm(store, packed, lease)
        snapshot = await read(store, packed.manifest)
        assert len(snapshot.switches) == packed.manifest.switches
        await store.snapshots.discard("lab", packed.manifest.snapshot, packed.index.block_names())
        with pytest.raises(SnapshotGone):
            await store.snapshots.read_index(packed.manifest)


async def test_everything_of_a_snapshot_expires(store: Store, client: Any) -> None:
    """Blocks and index live as long as they were given, the pointer exactly for its TTL, which is shorter."""
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    for name in key_names(packed):
        assert BLOCK_MS - 5000 < await client.pttl(name) <= BLOCK_MS
    assert packed.manifest.ttl_ms - 5000 < await client.pttl(keys.pointer("lab")) <= packed.manifest.ttl_ms


async def test_a_key_is_never_written_twice(store: Store) -> None:
    """Two blocks of one name are a mistake, and so are two indexes: what is there stays."""
    packed = pack(BODY)
    await write(store, packed)
    with pytest.raises(StoreError, match="twice"):
        await store.snapshots.write_blocks("lab", packed.manifest.snapshot, packed.blocks[:1], BLOCK_MS)
    with pytest.raises(StoreError, match="twice"):
        await store.snapshots.write_index("lab", packed.manifest.snapshot, packed.index, BLOCK_MS)
    assert len((await read(store, packed.manifest)).switches) == 3


async def test_the_pointer_is_written_last(store: Store, client: Any) -> None:
    """As MONITOR sees it: all blocks, then the index, and only then the script that moves the pointer."""
    lease = await taken(store)
    packed = packed_as(lease)
    async with client.monitor() as monitor:
        await publish(store, packed, lease)
        await client.echo("the end")
        commands: list[str] = []
        while "the end" not in (commands[-1] if commands else ""):
            commands.append((await monitor.next_command())["command"])
    written = [command.split()[1] for command in commands if command.startswith("SET ")]
    index, *blocks = key_names(packed)
    assert sorted(written[:-2]) == sorted(blocks)
    assert written[-2:] == [index, keys.pointer("lab")]


async def test_discard_removes_all_that_was_written(store: Store, client: Any) -> None:
    """Blocks and index of a snapshot that will not be announced are gone; discarding them again does no harm."""
    packed = pack(BODY)
    await write(store, packed)
    for _ in range(2):
        await store.snapshots.discard("lab", packed.manifest.snapshot, packed.index.block_names())
        assert await client.keys("*") == []


# The pointer


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


def replaced(lease: Lease, *, owner: str | None = None, epoch: int | None = None) -> Lease:
    return Lease(lease.source, owner or lease.owner, epoch or lease.epoch)


async def test_the_pointer_never_goes_back(store: Store) -> None:
    """An older scrape of one epoch, and any scrape of an older epoch, is refused; the pointer stays."""
    lease = await taken(store)
    current = packed_as(lease, snapshot="5-a", scraped_ms=5).manifest
    await store.snapshots.move_pointer(current, lease)
    for older in (
        replace(current, snapshot="4-b", scraped_ms=4, seq=next(_seqs)),
        replace(current, snapshot="5-b", seq=next(_seqs)),
        replace(current, snapshot="6-b", scraped_ms=6),
        replace(current, snapshot="6-b", scraped_ms=6, seq=next(_seqs), epoch=lease.epoch - 1),
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


GARBAGE = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"5",
    b'"x"',
    b"{}",
    b'{"snapshot": 5}',
    b'{"source": "\xff"}',
    b"[" * 100_000,
]


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


# Extending


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
        replace(packed.manifest, snapshot="x", scraped_ms=scraped_ms, seq=next(_seqs)), lease
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


# Damage


@pytest.mark.parametrize("garbage", [None, b"", b"garbage", b"\xff" * 500])
async def test_an_index_that_is_garbage_is_no_snapshot(store: Store, client: Any, garbage: bytes | None) -> None:
    """An index that is missing or not what was written raises SnapshotGone."""
    packed = pack(BODY)
    await write(store, packed)
    name = key_names(packed)[0]
    await (client.delete(name) if garbage is None else client.set(name, garbage))
    with pytest.raises(SnapshotGone):
        await read(store, packed.manifest)


@pytest.mark.parametrize("garbage", [None, b"", b"garbage", b"\xff" * 500])
async def test_a_block_that_is_garbage_is_no_snapshot(store: Store, client: Any, garbage: bytes | None) -> None:
    """A block that is missing or not what was written raises SnapshotGone."""
    packed = pack(BODY)
    await write(store, packed)
    name = key_names(packed)[2]
    await (client.delete(name) if garbage is None else client.set(name, garbage))
    with pytest.raises(SnapshotGone):
        await read(store, packed.manifest)


# Leases


async def test_a_call_that_was_delayed_for_long_is_refused(store: Store) -> None:
    """A lease that was renewed once since is enough for a call, one that was renewed twice is not."""
    lease = await taken(store)
    manifest = packed_as(lease, snapshot="1-a", scraped_ms=1).manifest
    await store.snapshots.move_pointer(manifest, lease)
    renewed = await renew(store, lease)
    await store.snapshots.extend_pointer(replace(manifest, seq=next(_seqs)), lease)
    twice = await renew(store, renewed)
    with pytest.raises(LeaseLost):
        await store.snapshots.extend_pointer(replace(manifest, seq=next(_seqs)), lease)
    with pytest.raises(LeaseLost):
        await store.snapshots.move_pointer(packed_as(lease, snapshot="2-a", scraped_ms=2).manifest, lease)
    await store.snapshots.extend_pointer(replace(manifest, seq=next(_seqs)), renewed)
    await store.snapshots.move_pointer(packed_as(lease, snapshot="2-a", scraped_ms=2).manifest, twice)


async def test_every_renewal_changes_the_value(store: Store) -> None:
    """Who waits for a lease sees by its value whether it is alive; a renewal may be repeated, and not skipped."""
    lease = await taken(store)
    assert await store.leases.value("lab") == lease.text
    renewed = await renew(store, lease)
    assert await store.leases.value("lab") == renewed.text != lease.text
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


# Sources and statuses


async def test_sources_are_known_in_their_order(store: Store) -> None:
    """They stand at their places, however often they are registered, until they are forgotten."""
    assert await store.sources.names() == []
    for _ in range(2):
        for place, source in enumerate(("zebra", "ape", "é {x}")):
            await store.sources.register(source, place)
    assert await store.sources.names() == ["zebra", "ape", "é {x}"]
    await store.sources.forget("ape")
    await store.sources.forget("ape")
    assert await store.sources.names() == ["zebra", "é {x}"]


async def test_a_status_is_kept_for_ten_intervals(store: Store, client: Any) -> None:
    """What was written can be read, and ends; garbage is as good as none."""
    status = SourceStatus(
        source="lab",
        url="http://lab/",
        interval_ms=10_000,
        attempted_ms=5,
        outcome=Outcome.FAILED,
        duration_ms=1.5,
        reason="http_5xx",
        error="the source answers 500",
        rejects={"bad_number": 1},
        examples=[Reject(reason="bad_number", line=2, column="a", value="37C")],
    )
    assert await store.sources.status("lab") is None
    lease = await store.leases.take("lab", "me")
    assert lease is not None
    assert await store.sources.write_status(status, lease)
    assert await store.sources.status("lab") == status
    assert 90_000 < await client.pttl(keys.status("lab")) <= 100_000
    for garbage in GARBAGE:
        await client.set(keys.status("lab"), garbage)
        assert await store.sources.status("lab") is None


STATUS = SourceStatus(source="lab", url="", interval_ms=10_000, attempted_ms=5, outcome=Outcome.FAILED, duration_ms=1)


async def test_a_status_is_written_by_the_holder_of_the_lease_only(store: Store, client: Any) -> None:
    """Not by a writer that was overtaken, nor by one whose call was delayed for more than a renewal."""
    lease = await store.leases.take("lab", "me")
    assert lease is not None
    for held, written in (
        (lease.text, True),
        (f"me:{lease.epoch}:1", True),
        (f"me:{lease.epoch}:2", False),
        (f"me:{lease.epoch + 1}:0", False),
        (f"another:{lease.epoch}:0", False),
    ):
        await client.delete(keys.status("lab"))
        await client.set(keys.lease("lab"), held)
        assert await store.sources.write_status(STATUS, lease) is written, held
        assert await store.sources.status("lab") == (STATUS if written else None)


# Trouble


CALLS: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "ping": lambda store: store.ping(),
    "pointer": lambda store: store.snapshots.pointer("lab"),
    "sources": lambda store: store.sources.names(),
    "register": lambda store: store.sources.register("lab", 0),
    "status": lambda store: store.sources.status("lab"),
    "write_status": lambda store: store.sources.write_status(STATUS, Lease("lab", "me", 1)),
    "take_lease": lambda store: store.leases.take("lab", "me"),
    "renew_lease": lambda store: store.leases.renew(Lease("lab", "me", 1)),
    "move_pointer": lambda store: store.snapshots.move_pointer(pack(BODY).manifest, Lease("lab", "me", 1)),
    "lease_value": lambda store: store.leases.value("lab"),
    "extend_blocks": lambda store: store.snapshots.extend_blocks(pack(BODY).manifest, [], 1000),
    "extend_pointer": lambda store: store.snapshots.extend_pointer(pack(BODY).manifest, Lease("lab", "me", 1)),
    "write_blocks": lambda store: store.snapshots.write_blocks("lab", "1-a", pack(BODY).blocks, 1000),
    "write_index": lambda store: store.snapshots.write_index("lab", "1-a", pack(BODY).index, 1000),
    "discard": lambda store: store.snapshots.discard("lab", "1-a", [("sw1", 1)]),
    "read_index": lambda store: store.snapshots.read_index(pack(BODY).manifest),
    "read_blocks": lambda store: anext(aiter(store.snapshots.read_blocks(pack(BODY).manifest, pack(BODY).index))),
    "hints": lambda store: anext(aiter(store.snapshots.hints())),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_refused_connection_is_unavailable(call: str) -> None:
    """Every call says that the store does not answer, where it is, and nothing about the password."""
    store = Store(f"redis://someone:hunter2@127.0.0.1:{free_port()}/0")
    with pytest.raises(StoreUnavailable, match=r"redis://someone:\*\*\*@127\.0\.0\.1") as raised:
        await CALLS[call](store)
    assert "hunter2" not in str(raised.value)
    await store.aclose()


async def test_a_server_that_never_answers_is_unavailable(redis_server: EmbeddedRedis) -> None:
    """Calls of both kinds give up on a server that accepts and then says nothing, and work again when it does."""
    store = Store(redis_server.url)
    await store.ping()
    assert redis_server.pid is not None
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(8):  # by far more than either deadline, and less than redis-py's own
            calls = [CALLS[call](store) for call in ("ping", "pointer", "take_lease", "read_index")]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * len(calls)
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    await store.ping()
    assert await store.sources.names() == []
    await store.aclose()


async def test_a_wrong_password_is_not_shown(redis_server: EmbeddedRedis) -> None:
    """A server that refuses to let us in is a StoreError that says why, without the password."""
    async with Redis.from_url(redis_server.url) as client:
        await client.config_set("requirepass", "correct-horse")
    store = Store(f"unix://:hunter2@{redis_server.socket_path}")
    for call in ("ping", "pointer"):
        with pytest.raises(StoreError) as raised:
            await CALLS[call](store)
        assert "hunter2" not in str(raised.value)
    await store.aclose()


async def test_a_full_server_refuses(redis_server: EmbeddedRedis) -> None:
    """Out of memory is an answer that says no: no data is dropped for ours, and reading goes on."""
    store = Store(redis_server.url)
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    async with Redis.from_url(redis_server.url) as client:
        await client.config_set("maxmemory", 1)
    with pytest.raises(StoreError, match="refuses") as raised:
        await store.snapshots.write_blocks("lab", "2-a", packed.blocks, BLOCK_MS)
    assert not isinstance(raised.value, StoreUnavailable)
    assert len((await read(store, packed.manifest)).switches) == 3
    await store.aclose()


async def test_a_full_server_goes_on_with_what_is_there(store: Store, client: Any) -> None:
    """Whatever its version, it lets leases be taken and renewed, and snapshots be read and confirmed."""
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    await client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreError):
            await store.sources.register("lab", 0)
        lease = await renew(store, lease)
        assert await confirm(store, packed, lease) == (await store.snapshots.pointer("lab"))[0]
        lease = await taken(store)
        assert await confirm(store, packed, lease) == (await store.snapshots.pointer("lab"))[0]
        assert len((await read(store, packed.manifest)).switches) == 3
    finally:
        await client.config_set("maxmemory", 0)


async def test_a_server_that_forgot_the_scripts_gets_them_again(store: Store, client: Any) -> None:
    """Scripts are called by their hash, and sent again to a server that was restarted."""
    await taken(store)
    await client.script_flush()
    assert (await taken(store)).epoch > 0


async def test_no_cancellation_is_lost(store: Store) -> None:
    """Wherever in a call it comes, a task that is cancelled ends: asyncio and redis-py alone do not see to that."""
    await taken(store)

    async def call_and_wait(call: str) -> None:
        await CALLS[call](store)
        await asyncio.Event().wait()

    for turn in range(60):
        tasks = [asyncio.ensure_future(call_and_wait(call)) for call in ("ping", "status", "take_lease", "discard")]
        for _ in range(turn % 20):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        _, left = await asyncio.wait(tasks, timeout=5)
        assert not left


async def test_cancelled_calls_mix_no_answers(store: Store, client: Any) -> None:
    """A call that is cancelled in the middle leaves no answer behind for the next one, and no connection."""
    lease = await taken(store)
    for number in range(1, 4):
        manifest = packed_as(lease, snapshot=f"{number}-a", scraped_ms=number).manifest
        await store.snapshots.move_pointer(replace(manifest, source="lab"), lease)
    for turn in range(100):
        tasks = [
            asyncio.ensure_future(CALLS[call](store))
            for call in ("ping", "sources", "read_index", "discard", "write_blocks")
        ]
        for _ in range(turn % 5):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        found, _ = await store.snapshots.pointer("lab")
        assert found is not None
        assert found.snapshot == "3-a"

    async def few_connections() -> bool:
        return len(await client.client_list()) < 20

    await eventually(few_connections, "connections of cancelled calls are closed")
