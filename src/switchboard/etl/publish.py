"""Publications: a snapshot is written as blocks, then index, then pointer; without the pointer nobody can see it."""

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
"""Gives a manifest its number, and the lease to send it with; called right before sending. Raises if it is too late."""

DISCARD_SECONDS = 2.0


class Publication:
    """The writing of one snapshot. Leaving the context before the snapshot is announced removes its keys.

    Keys without a pointer expire, so a process that is killed in between does no harm. The keys also stay if the store
    did not answer whether it has moved the pointer: removing them could leave a pointer to nothing.
    """

    def __init__(self, snapshots: Snapshots, source: str, snapshot: str, ttl_ms: int) -> None:
        self.written: list[tuple[str, int]] = []
        self._snapshots = snapshots
        self._source = source
        self._snapshot = snapshot
        self._ttl_ms = ttl_ms
        self.refused: StoreError | None = None
        """Why the store refused blocks, although it answers; after a refusal no more blocks are written."""
        self._announced = False
        self._writing: asyncio.Future[None] | None = None

    async def write(self, blocks: Sequence[EncodedBlock]) -> None:
        """Write blocks, unless the store has refused some already. Raises StoreUnavailable.

        A refusal is kept in ``refused`` and not raised yet: a full store refuses blocks, but the body may turn out to
        equal the current snapshot, which can still be confirmed.
        """
        if self.refused is not None:
            return
        self.written += [(block.switch, block.number) for block in blocks]
        # Not cancelled with its caller: blocks that were sent will arrive, and must not arrive after they were removed.
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
        """Write the index and announce the snapshot; return the manifest that was announced.

        Raises PublishRefused and StoreError, also the error with which the store has refused blocks; then nothing has
        changed. After StoreUnavailable the snapshot may be announced or not.
        """
        if self.refused is not None:
            raise self.refused
        await self._snapshots.write_index(self._source, self._snapshot, index, self._ttl_ms)
        manifest, lease = numbered(manifest)
        self._announced = True  # possibly, from the moment at which the request is sent
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
        # If this fails, the keys stay until they expire.
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS):
                if self._writing is not None:
                    with contextlib.suppress(StoreError):
                        await self._writing
                await self._snapshots.discard(self._source, self._snapshot, self.written)
