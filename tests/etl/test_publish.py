"""A snapshot is announced, or leaves nothing behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from switchboard.errors import PublishRefused, StoreUnavailable
from switchboard.etl.publish import Publication
from switchboard.model import FORMAT, Manifest
from switchboard.store import keys
from switchboard.store.leases import Lease
from switchboard.store.store import Store
from tests.etl.conftest import Lab
from tests.lab.servers import MuteProxy
from tests.lab.snapshots import Packed, pack

BLOCK_MS = 30_000


@dataclass
class Work:
    """A packed snapshot, and a lease to publish it with."""

    packed: Packed
    manifest: Manifest
    lease: Lease

    def publication(self, store: Store) -> Publication:
        return Publication(store.snapshots, self.manifest.source, self.manifest.snapshot, BLOCK_MS)

    async def publish(self, store: Store, *, error: Exception | None = None) -> None:
        """Write blocks, then raise ``error`` or commit."""
        async with self.publication(store) as publication:
            await publication.write(self.packed.blocks)
            if error is not None:
                raise error
            await publication.commit(self.packed.index, self.manifest, self.numbered)

    def numbered(self, manifest: Manifest) -> tuple[Manifest, Lease]:
        return replace(manifest, format=FORMAT, seq=1), self.lease


@pytest.fixture
async def work(lab: Lab) -> Work:
    packed = pack(b"switch_id,a\n" + b"".join(b"sw%d,%d\n" % (at, at) for at in range(50)))
    lease = await lab.store.leases.take(lab.source.name, "test")
    assert lease is not None
    return Work(packed, replace(packed.manifest, source=lab.source.name, epoch=lease.epoch), lease)


async def test_what_is_committed_stays(lab: Lab, work: Work) -> None:
    """After the commit the snapshot can be read, and leaving the context removes nothing."""
    async with work.publication(lab.store) as publication:
        await publication.write(work.packed.blocks[:20])
        await publication.write(work.packed.blocks[20:])
        assert publication.written == work.packed.index.block_names()
        announced = await publication.commit(work.packed.index, work.manifest, work.numbered)
    assert (await lab.store.snapshots.pointer(lab.source.name))[0] == announced
    assert len((await lab.snapshot()).switches) == 50


async def test_what_is_not_committed_is_removed(lab: Lab, work: Work) -> None:
    """Leaving the context without a commit leaves no key behind, whether by an error or not."""
    async with work.publication(lab.store) as publication:
        await publication.write(work.packed.blocks)
        assert len(await lab.data()) == 50
    assert await lab.data() == {}
    with pytest.raises(ZeroDivisionError):
        await work.publish(lab.store, error=ZeroDivisionError())
    assert await lab.data() == {}


async def test_a_refused_snapshot_is_removed(lab: Lab, work: Work) -> None:
    """Without the lease the pointer stays where it is, and blocks and index are gone."""
    await lab.store.leases.release(work.lease)
    with pytest.raises(PublishRefused):
        await work.publish(lab.store)
    assert await lab.data() == {}


async def test_a_cancelled_publication_is_removed(lab: Lab, work: Work) -> None:
    """Who is cancelled between blocks and pointer removes the blocks before it ends."""
    written = asyncio.Event()

    async def publish() -> None:
        async with work.publication(lab.store) as publication:
            await publication.write(work.packed.blocks)
            written.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(publish())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await lab.data() == {}


async def test_a_write_on_its_way_is_removed_too(lab: Lab, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is cancelled while blocks are on their way to the store removes them after they have arrived, not before."""
    under_way = asyncio.Event()
    write_blocks = lab.store.snapshots.write_blocks

    async def slow_network(*arguments: Any) -> None:
        async def arrive() -> None:
            under_way.set()
            await asyncio.sleep(0.05)
            await write_blocks(*arguments)

        await asyncio.shield(asyncio.ensure_future(arrive()))  # what was sent is not called back

    monkeypatch.setattr(lab.store.snapshots, "write_blocks", slow_network)
    task = asyncio.ensure_future(work.publish(lab.store))
    await under_way.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.1)
    assert await lab.data() == {}


async def test_a_lost_answer_leaves_a_whole_snapshot(lab: Lab, work: Work, shared_redis: Any) -> None:
    """If the store moved the pointer, and nobody heard of it, the pointer must not name what was removed."""
    async with MuteProxy(shared_redis.socket_path, after=b"EVALSHA") as proxy:
        store = Store(proxy.url)
        await store.ping()
        with pytest.raises(StoreUnavailable):
            await work.publish(store)
        await store.aclose()
    assert await lab.client.exists(keys.pointer(lab.source.name))
    assert len((await lab.snapshot()).switches) == 50
