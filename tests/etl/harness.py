"""One source of a real ETL, attempt by attempt: a server that the test controls, a real Redis, and what is in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from switchboard.config.sources import ColumnSettings, Source
from switchboard.errors import PublishRefused, SourceError, StoreError
from switchboard.etl.cycle import Cycle
from switchboard.etl.lease import LeaseKeeper
from switchboard.etl.loop import SourceLoop
from switchboard.etl.pull.scrape import new_session
from switchboard.log import ChangeLog
from switchboard.model import Manifest, SourceStatus
from switchboard.snapshot.index import encode_index
from switchboard.snapshot.snapshot import Snapshot
from switchboard.store.store import Store
from tests.lab.servers import Request, Steps
from tests.lab.snapshots import rows_of_switch, unpack


class Answers:
    """What a server says to one request after the other; the last answer again and again."""

    def __init__(self, *answers: Steps) -> None:
        self.queue: Iterator[Steps] = iter(())
        self.last: Steps = []
        self.then(answers)

    def then(self, answers: Sequence[Steps]) -> None:
        """From now on these."""
        self.queue = iter(answers)

    def __call__(self, _request: Request) -> Steps:
        self.last = next(self.queue, self.last)
        return self.last


@dataclass
class Lab:
    """A source, the loop that scrapes it, and the store."""

    source: Source
    loop: SourceLoop
    keeper: LeaseKeeper
    store: Store
    redis: Any

    async def attempt(self) -> SourceStatus:
        """Scrape once, and return what the status says then."""
        await self.keeper.wait()
        deadline = asyncio.get_running_loop().time() + self.source.timeout
        with contextlib.suppress(SourceError, StoreError, PublishRefused):
            await self.loop.attempt(deadline)
        status = await self.store.sources.status(self.source.name)
        assert status is not None
        return status

    async def manifest(self) -> Manifest:
        """The current snapshot's."""
        manifest, _ = await self.store.snapshots.pointer(self.source.name)
        assert manifest is not None
        return manifest

    async def snapshot(self) -> Snapshot:
        """The current snapshot, as a reader gets it."""
        manifest = await self.manifest()
        index = await self.store.snapshots.read_index(manifest)
        payloads = [payload async for some in self.store.snapshots.read_blocks(manifest, index) for payload in some]
        return unpack(manifest, encode_index(index), payloads)

    async def cells(self, switch: str) -> dict[str, Any] | None:
        """Labels and metrics of a switch with one row; None if there is none."""
        rows = rows_of_switch(await self.snapshot(), switch)
        if not rows:
            return None
        (_, _, _, labels, metrics), *_ = rows  # of several rows the first counts
        return {**labels, **metrics}

    async def keys(self) -> dict[str, bytes]:
        """All keys of the source's snapshots with their values: pointer, indexes and blocks."""
        name = self.source.name
        keys = [key async for key in self.redis.scan_iter(match=f"sb:{name}:*", count=1000)]
        keys.append(f"sb:{{{name}}}:pointer".encode())
        return {key.decode(): await self.redis.get(key) for key in keys}

    def counted(self, metric: str, **labels: str) -> float:
        """The value of one of the ETL's counters for this source."""
        return REGISTRY.get_sample_value(f"switchboard_etl_{metric}_total", {"source": self.source.name, **labels}) or 0


@contextlib.asynccontextmanager
async def running_lab(redis_url: str, source: Source, columns: ColumnSettings | None = None) -> AsyncIterator[Lab]:
    """An ETL for one source; its keys and counters are told from others by its name."""
    source = msgspec.structs.replace(source, columns=columns or source.columns)
    changes = ChangeLog(structlog.get_logger())
    async with contextlib.AsyncExitStack() as stack:
        store = Store(redis_url)
        stack.push_async_callback(store.aclose)
        redis: Any = await stack.enter_async_context(Redis.from_url(redis_url, protocol=2))
        session = await stack.enter_async_context(new_session())
        keeper = LeaseKeeper(store, source.name, "test", changes)
        keeping = asyncio.create_task(keeper.run())
        try:
            await keeper.wait()
            loop = SourceLoop(Cycle(source, store, session, keeper), store, keeper, changes)
            yield Lab(source, loop, keeper, store, redis)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
