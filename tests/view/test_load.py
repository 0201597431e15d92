"""Loading and freeing in slices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from switchboard.errors import SnapshotGone
from switchboard.model import Manifest
from switchboard.snapshot.index import Index
from switchboard.view import load
from switchboard.view.load import Retired, load_snapshot
from tests.lab.fabric import Row, Value, Written, write


class Memory:
    """A store whose blocks are at hand."""

    def __init__(self, written: Written) -> None:
        self._index = written.index
        self.payloads: list[bytes | None] = [block.payload.to_pybytes() for block in written.blocks]

    async def read_index(self, manifest: Manifest) -> Index:
        return self._index

    async def read_blocks(self, manifest: Manifest, index: Index) -> AsyncIterator[list[bytes | None]]:
        yield self.payloads


CELLS: dict[str, Value] = {f"m{metric}": metric for metric in range(40)}
WRITTEN = write([Row(f"sw{number}", CELLS) for number in range(20_000)])


async def test_a_snapshot_is_loaded_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop may turn after every block and every few thousand switches; the result is the whole snapshot."""
    monkeypatch.setattr(load, "SLICE_SECONDS", 0.0)
    loading = asyncio.create_task(load_snapshot(Memory(WRITTEN), WRITTEN.manifest))
    turns = 0
    while not loading.done():
        turns += 1
        await asyncio.sleep(0)
    loaded = await loading
    assert turns > WRITTEN.manifest.blocks
    assert list(loaded.switches) == [f"sw{number}" for number in range(20_000)]
    assert sum(block.rows.num_rows for block in loaded.blocks) == 20_000


async def test_a_snapshot_is_freed_in_slices_and_only_when_nobody_reads_it() -> None:
    """While an answer holds a snapshot nothing of it is touched; afterwards its blocks and switches go."""
    loaded = await load_snapshot(Memory(WRITTEN), WRITTEN.manifest)
    blocks, switches = loaded.blocks, loaded.switches
    retired = Retired(loaded)
    assert await retired.free() is False
    assert (len(blocks), len(switches)) == (WRITTEN.manifest.blocks, 20_000)
    del loaded
    assert await retired.free() is True
    assert (blocks, switches) == ([], {})


@pytest.mark.parametrize("damage", ["missing", "changed", "short"])
async def test_a_damaged_block_stops_the_load(damage: str) -> None:
    """A block that is missing, changed or cut is never taken into a snapshot."""
    store = Memory(WRITTEN)
    payload = store.payloads[3]
    assert payload is not None
    store.payloads[3] = {"missing": None, "changed": payload[:-1] + b"\xff", "short": payload[:-8]}[damage]
    with pytest.raises(SnapshotGone, match="block 3"):
        await load_snapshot(store, WRITTEN.manifest)
