"""Blocks and indexes, on every kind of Redis: written, read, discarded, and damaged."""

from __future__ import annotations

from typing import Any

import pytest

from switchboard.errors import SnapshotGone, StoreError
from switchboard.store import keys
from switchboard.store.snapshots import BULK_COMMANDS
from switchboard.store.store import Store
from tests.lab.snapshots import pack, rows_of_switch
from tests.store.harness import BLOCK_MS, BODY, confirm, key_names, packed_as, publish, read, taken, write

ODD_SWITCHES = ["a/b", "a%2Fb", "a~2", "a", "{x}", "*", "a b", "é", "?[y]", "..", "x" * 128]


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
