"""The whole ETL: its sources, its start without a store, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from switchboard.config.settings import Settings
from switchboard.config.sources import SourceSettings
from switchboard.errors import ConfigError
from switchboard.etl.run import run_etl
from switchboard.model import Outcome, SourceStatus
from switchboard.store import keys
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.store import Store
from tests.etl.conftest import Lab, body
from tests.lab.processes import get
from tests.lab.servers import Step, Web, eventually, http


def settings(redis_url: str, **urls: str) -> Settings:
    sources = [SourceSettings(name=name, url=url, interval=0.4, timeout=0.4, ttl=20) for name, url in urls.items()]
    return Settings(redis_url=redis_url, sources=tuple(sources))


@contextlib.asynccontextmanager
async def running(settings: Settings, owner: str = "test", sock: socket.socket | None = None) -> AsyncIterator[None]:
    """The ETL, until the context ends; then it stops as its process would."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_etl(settings, owner=owner, stop=stop, sock=sock))
        try:
            yield
        finally:
            stop.set()


async def until_published(store: Store, source: str) -> None:
    async def published() -> bool:
        return (await store.snapshots.pointer(source))[0] is not None

    await eventually(published, f"{source} is published")


async def until_failed(store: Store, source: str) -> None:
    async def failed() -> bool:
        status = await store.sources.status(source)
        return status is not None and status.outcome is Outcome.FAILED

    await eventually(failed, f"{source} fails")


async def test_sources_do_not_wait_for_each_other(lab: Lab) -> None:
    """One that hangs fails by itself; the others are scraped, and all are known in their order."""
    async with (
        Web(lambda _request: [Step.HANG]) as hanging,
        running(settings(lab.redis_url, zebra=lab.web.url, hanging=hanging.url, ape=lab.web.url)),
    ):
        for source in ("zebra", "ape"):
            await until_published(lab.store, source)
        await until_failed(lab.store, "hanging")
        assert await lab.store.sources.names() == ["zebra", "hanging", "ape"]


async def test_the_end_is_complete(lab: Lab) -> None:
    """Leases are given back, nothing goes on, and what was published stays until it expires."""
    before = asyncio.all_tasks()
    async with running(settings(lab.redis_url, one=lab.web.url)):
        await until_published(lab.store, "one")
        assert await lab.client.exists(keys.lease("one"))
    assert not await lab.client.exists(keys.lease("one"))
    manifest, ttl_ms = await lab.store.snapshots.pointer("one")
    assert manifest is not None
    assert ttl_ms > 0

    async def ended() -> bool:
        return asyncio.all_tasks() <= before

    await eventually(ended, "all tasks, and the connections of the source, have ended")


async def test_two_ingesters_share_the_work(lab: Lab) -> None:
    """Each source has one of them at a time, and when that ends the other goes on."""
    values = iter(range(1, 10_000))
    lab.web.answer = lambda _request: [http(200, body(next(values)))]
    both = settings(lab.redis_url, one=lab.web.url)
    async with contextlib.AsyncExitStack() as later:
        async with running(both, "first"):
            await until_published(lab.store, "one")
            holder = (await lab.client.get(keys.lease("one"))).rpartition(b":")[0]
            await later.enter_async_context(running(both, "second"))
            await lab.until_requests(len(lab.web.requests) + 6)
            assert (await lab.client.get(keys.lease("one"))).rpartition(b":")[0] == holder
            assert lab.web.most_busy == 1
        number = len(lab.web.requests)
        await lab.until_requests(number + 2)
        assert (await lab.client.get(keys.lease("one"))).startswith(b"second:")


async def test_starts_without_a_store(logs: list[Any]) -> None:
    """A store that comes later is used as soon as it is there."""
    redis = EmbeddedRedis()
    async with Web(lambda _request: [http(200, body(1))]) as web, running(settings(redis.url, one=web.url)):

        async def said() -> bool:
            return "store failed" in [event["event"] for event in logs]

        await eventually(said, "the missing store is said")
        async with redis, contextlib.aclosing(Store(redis.url)) as store:
            await until_published(store, "one")


async def test_sources_that_nobody_scrapes_are_forgotten(lab: Lab) -> None:
    """One that left all configurations, and of which nothing was heard for long; not one that another scrapes."""
    await lab.store.sources.register("gone", 0)
    await lab.store.sources.register("elsewhere", 1)
    lease = await lab.store.leases.take("elsewhere", "another")
    assert lease is not None
    status = SourceStatus(
        source="elsewhere", url="", interval_ms=10_000, attempted_ms=1, outcome=Outcome.FAILED, duration_ms=1
    )
    assert await lab.store.sources.write_status(status, lease)
    async with running(settings(lab.redis_url, one=lab.web.url)):

        async def forgotten() -> bool:
            return "gone" not in await lab.store.sources.names()

        await eventually(forgotten, "the source is forgotten")
        await until_published(lab.store, "one")
        assert set(await lab.store.sources.names()) == {"elsewhere", "one"}


async def test_serves_its_door(lab: Lab) -> None:
    """With a socket it answers /health, /ready and /metrics there, and stops with the rest."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        async with running(settings(lab.redis_url, one=lab.web.url), sock=sock):

            async def ready() -> bool:
                return (await asyncio.to_thread(get, port, "/ready")).status == 200

            await eventually(ready, "ready")
            assert (await asyncio.to_thread(get, port, "/metrics")).status == 200


async def test_settings_are_checked_first(lab: Lab) -> None:
    """Nothing starts with settings that contradict each other."""
    wrong = Settings(redis_url=lab.redis_url, sources=(SourceSettings(url="ftp://host/"),))
    with pytest.raises(ConfigError):
        await run_etl(wrong, owner="test", stop=asyncio.Event(), sock=None)


async def test_a_password_of_the_store_is_nowhere(lab: Lab, logs: list[Any], redis_server: EmbeddedRedis) -> None:
    """Not in logs, and not in what a source's status says."""
    async with Redis.from_url(redis_server.url) as client:
        await client.config_set("requirepass", "correct-horse")
    url = f"unix://:hunter2@{redis_server.socket_path}"
    async with running(settings(url, one=f"{lab.web.url}?token=hunter2")):

        async def said() -> bool:
            return "store failed" in [event["event"] for event in logs]

        await eventually(said, "the refusal is said")
    assert "hunter2" not in repr(logs)
