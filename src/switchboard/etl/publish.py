"""Load: blocks, then the index, then the pointer; or nothing that anybody can see."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from switchboard.errors import PublishRefused, StoreError, StoreUnavailable
from switchboard.model import Manifest
from switchboard.snapshot.builder import EncodedBlock
from switchboard.snapshot.index import Index
from switchboard.store.leases import Lease
from switchboard.store.snapshots import Snapshots

Numbered = Callable[[Manifest], tuple[Manifest, Lease]]
"""Gives a manifest its number, and the lease to send it with; asked right before it is sent. Raises what forbids it."""

DISCARD_SECONDS = 2.0


class Publication:
    """The writing of one snapshot. Leaving the context before it is announced removes what was written.

    A process that is killed in between leaves keys that nothing points to, and that expire. So does a store that did
    not say whether it moved the pointer: removing them could leave a pointer that names nothing.
    """

    def __init__(self, snapshots: Snapshots, source: str, snapshot: str, ttl_ms: int) -> None:
        self.written: list[tuple[str, int]] = []
        self._snapshots = snapshots
        self._source = source
        self._snapshot = snapshot
        self._ttl_ms = ttl_ms
        self.refused: StoreError | None = None
        """Why the store did not take the blocks, although it answers: then no more are written."""
        self._announced = False
        self._writing: asyncio.Future[None] | None = None

    async def write(self, blocks: Sequence[EncodedBlock]) -> None:
        """Store blocks, unless the store has refused some already. Raises StoreUnavailable.

        A refusal is remembered in ``refused``, and no error yet: a full store takes no block, but the body may turn
        out to be the one that is there, and that can still be confirmed.
        """
        if self.refused is not None:
            return
        self.written += [(block.switch, block.number) for block in blocks]
        # Not cancelled with its caller: what is on its way arrives, and must not arrive after it was removed.
        self._writing = asyncio.ensure_future(
            self._snapshots.write_blocks(self._source, self._snapshot, blocks, self._ttl_ms)
        )
        try:
            await asyncio.shield(self._writing)
        except StoreUnavailable:
            raise
        except StoreError as error:
            self.refused = error

    async def commit(self, index: Index, manifest: Manifest, numbered: Numbered) -> Manifest:
        """Store the index and announce the snapshot; return its manifest as it was announced.

        Raises PublishRefused and StoreError, also what the store has refused the blocks with: then nothing has changed,
        or with StoreUnavailable, perhaps everything.
        """
        if self.refused is not None:
            raise self.refused
        await self._snapshots.write_index(self._source, self._snapshot, index, self._ttl_ms)
        manifest, lease = numbered(manifest)
        self._announced = True  # as far as anybody knows, once the request is on its way
        try:
            await self._snapshots.move_pointer(manifest, lease)
        except (PublishRefused, StoreError) as error:
            self._announced = isinstance(error, StoreUnavailable)
            raise
        return manifest

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._announced or not self.written:
            return
        # At the worst the keys stay until they expire.
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS):
                if self._writing is not None:
                    with contextlib.suppress(StoreError):
                        await self._writing
                await self._snapshots.discard(self._source, self._snapshot, self.written)
