"""A source that does what the test says, a real Redis, and the parts of the ETL between them."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import structlog
from msgspec import json
from msgspec.structs import replace
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from switchboard.clocks import SYSTEM_CLOCKS, Clocks
from switchboard.config.sources import ColumnSettings, Source
from switchboard.etl.cycle import Cycle, Report
from switchboard.etl.lease import LeaseKeeper
from switchboard.etl.loop import SourceLoop
from switchboard.etl.pull.scrape import new_session
from switchboard.log import ChangeLog
from switchboard.model import Manifest, Outcome, SourceStatus
from switchboard.snapshot.reader import SnapshotReader
from switchboard.snapshot.snapshot import Snapshot
from switchboard.store import keys
from switchboard.store.connect import Connections
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.leases import Lease
from switchboard.store.sources import Sources
from switchboard.store.store import Store
from tests.etl.limits import limits
from tests.lab.servers import Request, Steps, Web, eventually, http

MOST_BYTES = 1 << 20
_numbers = count(1)


def body(value: int, switches: int = 3) -> bytes:
    """A body in the generator's format in which every cell is ``value``."""
    lines = [f"1795460000,sw{number},{value},{value}.5\n" for number in range(1, switches + 1)]
    return ("timestamp,switch_id,a,b\n" + "".join(lines)).encode()


class RecordingSources(Sources):
    """Remembers each status that it has written: in Redis the next one replaces it."""

    def __init__(self, connections: Connections, statuses: deque[SourceStatus]) -> None:
        super().__init__(connections)
        self._statuses = statuses

    async def write_status(self, status: SourceStatus, lease: Lease) -> bool:
        written = await super().write_status(status, lease)
        if written:
            self._statuses.append(status)
        return written


class RecordingStore(Store):
    """A store with the statuses that were written through it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.statuses: deque[SourceStatus] = deque()
        self.sources = RecordingSources(self._connections, self.statuses)


@dataclass
class Lab:
    """One source of its own name on the server ``web``, and all that scrapes it."""

    web: Web
    redis_url: str
    client: Any
    store: RecordingStore
    session: aiohttp.ClientSession
    source: Source
    changes: ChangeLog
    clocks: Clocks = SYSTEM_CLOCKS
    _cycles: dict[bytes, Cycle] = field(default_factory=dict)

    def serve(self, *steps: Steps) -> None:
        """Answer the next requests so, one each; the last answer stays."""
        left = list(steps)
        self.web.answer = lambda _request: left.pop(0) if len(left) > 1 else left[0]

    async def attempt(self, *, most_bytes: int = MOST_BYTES, deadline: float = math.inf, **changes: Any) -> Report:
        """One attempt with the lease; ``changes`` are those to the source."""
        source = self._changed(most_bytes, changes)
        settings = json.encode(source)
        if settings not in self._cycles:
            keeper = self.keeper()
            keeper.lease = await self.store.leases.take(source.name, "test")
            self._cycles[settings] = Cycle(source, self.store, self.session, keeper, clocks=self.clocks)
        return await self._cycles[settings].attempt(deadline)

    def restart(self) -> None:
        """Forget all that is in memory, as a new process would."""
        self._cycles.clear()

    def _changed(self, most_bytes: int, changes: dict[str, Any]) -> Source:
        limits = replace(self.source.limits, max_body_mib=math.ceil(most_bytes / (1 << 20)))
        return replace(self.source, **{"limits": limits} | changes)

    def keeper(self, owner: str = "test") -> LeaseKeeper:
        return LeaseKeeper(self.store, self.source.name, owner, self.changes)

    @contextlib.asynccontextmanager
    async def running(
        self, owner: str = "test", *, most_bytes: int = MOST_BYTES, **changes: Any
    ) -> AsyncIterator[SourceLoop]:
        """The loop of the source with its lease, as `run.py` starts and stops them."""
        source = self._changed(most_bytes, changes)
        keeper = self.keeper(owner)
        cycle = Cycle(source, self.store, self.session, keeper, clocks=self.clocks)
        loop = SourceLoop(cycle, self.store, keeper, self.changes, clocks=self.clocks)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop.run()), group.create_task(keeper.run())]
            try:
                yield loop
            finally:
                for task in tasks:
                    task.cancel()
                    await asyncio.wait([task])

    async def snapshot(self) -> Snapshot:
        """The current snapshot, read whole."""
        manifest = await self.manifest()
        reader = SnapshotReader(manifest, await self.store.snapshots.read_index(manifest))
        async for payloads in self.store.snapshots.read_blocks(manifest, reader.index):
            for payload in payloads:
                reader.add(payload)
        for _ in reader.steps():
            pass
        return reader.finish()

    async def manifest(self) -> Manifest:
        """The current snapshot's."""
        manifest, _ = await self.store.snapshots.pointer(self.source.name)
        assert manifest is not None
        return manifest

    async def value(self) -> float | None:
        """The value of all cells of the current snapshot; None if there is none. See ``body``."""
        if await self.client.get(keys.pointer(self.source.name)) is None:
            return None
        snapshot = await self.snapshot()
        values = {
            block.rows.column(2).to_pylist()[first]
            for switch in snapshot.switches
            for block, first, _ in snapshot.parts(switch)
        }
        (value,) = values
        return float(value)

    async def data(self) -> dict[bytes, bytes]:
        """Pointer, index and blocks in the store, byte for byte."""
        names = sorted(await self.client.keys("*"))
        small = (keys.lease, keys.epoch, keys.status)
        names = [name for name in names if name not in {key(self.source.name).encode() for key in small}]
        return {name: await self.client.get(name) for name in names if name != keys.SOURCES.encode()}

    async def snapshot_data(self) -> dict[bytes, bytes]:
        """Index and blocks in the store, byte for byte."""
        return {name: value for name, value in (await self.data()).items() if not name.endswith(b":pointer")}

    async def life_ms(self) -> list[int]:
        """What is left of the lives of those keys."""
        return [await self.client.pttl(name) for name in await self.data()]

    async def until_status(self, outcome: Outcome, reason: str = "") -> SourceStatus:
        """The next attempt that ended so, after the one that this returned last."""

        async def found() -> SourceStatus | None:
            while self.store.statuses:
                status = self.store.statuses.popleft()
                if (status.outcome, status.reason) == (outcome, reason):
                    return status
            return None

        return await eventually(found, f"a status {outcome.value} {reason}")

    async def until_requests(self, number: int) -> list[Request]:
        """Wait until so many requests have arrived."""

        async def enough() -> bool:
            return len(self.web.requests) >= number

        await eventually(enough, f"{number} requests")
        return self.web.requests

    def metric(self, name: str, **labels: str) -> float:
        """What a metric of the source says; 0 if nothing was counted yet."""
        return REGISTRY.get_sample_value(f"switchboard_etl_{name}", {"source": self.source.name, **labels}) or 0.0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_redis() -> AsyncIterator[EmbeddedRedis]:
    """One server for all tests that do it no harm."""
    async with EmbeddedRedis() as server:
        yield server


@pytest.fixture
async def lab(shared_redis: EmbeddedRedis) -> AsyncIterator[Lab]:
    """A lab on the shared Redis, which is emptied before."""
    async with new_lab(shared_redis.url) as lab:
        await lab.client.flushall()
        yield lab


@contextlib.asynccontextmanager
async def new_lab(redis_url: str) -> AsyncIterator[Lab]:
    """A lab whose source answers 200 with ``body(1)``."""
    async with (
        Web(lambda _request: [http(200, body(1), content_type="text/csv")]) as web,
        Redis.from_url(redis_url, protocol=2) as client,
        contextlib.aclosing(RecordingStore(redis_url)) as store,
        new_session() as session,
    ):
        source = Source(
            name=f"lab-{next(_numbers)}",
            url=web.url,
            interval=0.4,
            timeout=0.4,
            ttl=20,
            columns=ColumnSettings(),
            limits=limits(),
        )
        yield Lab(web, redis_url, client, store, session, source, ChangeLog(structlog.get_logger()))


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """All that is logged, as structlog's events."""
    with structlog.testing.capture_logs() as captured:
        yield captured
