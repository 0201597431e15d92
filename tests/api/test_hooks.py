"""What the API does when its view changes, with a watcher on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from switchboard.api.answer import Answer, Request
from switchboard.api.bodies import BodyTable, Recipe
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.hooks import ApiHooks
from switchboard.api.respond import respond
from switchboard.clocks import boottime
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.store import Store
from switchboard.view.watch import Watcher
from tests.lab.fabric import row
from tests.lab.publisher import Publisher, until

LIST = ENDPOINTS[1]


@pytest.fixture
async def store(redis_server: EmbeddedRedis) -> AsyncIterator[Store]:
    """The store with connections of its own, as a process has it."""
    async with contextlib.aclosing(Store(redis_server.url)) as store:
        yield store


@pytest.fixture
async def publisher(store: Store) -> Publisher:
    """The ETL of one source."""
    publisher = Publisher(store)
    await publisher.start()
    return publisher


class Service:
    """A watcher, and the bodies that are kept of what it shows."""

    def __init__(self, store: Store) -> None:
        self.bodies = BodyTable()
        self.watcher = Watcher(store, poll_seconds=0.05, hooks=ApiHooks(self.bodies, boottime))

    def ask(self, query: bytes = b"") -> Answer:
        return respond(LIST, self.watcher.view, self.watcher.clock(), Request(query=query), self.bodies)

    @property
    def snapshot(self) -> str | None:
        loaded = [source.loaded for source in self.watcher.view.sources]
        return loaded[0].snapshot.manifest.snapshot if loaded and loaded[0] is not None else None


@contextlib.asynccontextmanager
async def running(store: Store) -> AsyncIterator[Service]:
    service = Service(store)
    watching = asyncio.create_task(service.watcher.run())
    try:
        yield service
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def test_what_was_asked_is_rendered_before_the_swap(store: Store, publisher: Publisher) -> None:
    """The whole list, and what clients asked of the previous snapshot, is in the table when a snapshot is shown."""
    async with running(store) as service:
        await publisher.publish([row("sw1", errors=1, drops=2)])
        await until(lambda: service.snapshot == "1-test", "the first snapshot")
        assert len(service.bodies) == 1
        assert service.ask(b"metric=drops").body == b'[{"sw1":{"drops":2}}]\n'
        assert len(service.bodies) == 2
        await publisher.publish([row("sw1", errors=3, drops=4)])
        await until(lambda: service.snapshot == "2-test", "the second snapshot")
        assert len(service.bodies) == 1  # nobody has asked for the whole list
        assert service.ask(b"metric=drops").body == b'[{"sw1":{"drops":4}}]\n'
        assert len(service.bodies) == 1


async def test_bodies_of_a_snapshot_that_has_expired_go(store: Store, publisher: Publisher) -> None:
    """Bodies of an expired snapshot are dropped: no client could use them, and they would hold memory."""
    async with running(store) as service:
        await publisher.publish([row("sw1", errors=1)], ttl_ms=300)
        await until(lambda: service.snapshot == "1-test", "the snapshot")
        assert len(service.bodies) == 1
        await until(lambda: service.snapshot is None, "its end")
        assert len(service.bodies) == 0


async def test_a_body_that_cannot_be_rendered_ahead_holds_nothing_up(
    store: Store, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure in what is rendered before a snapshot is shown is left to the request that asks for it."""

    def failing(*arguments: object) -> Answer:
        raise LookupError("no")

    monkeypatch.setattr("switchboard.api.hooks.RENDERED_FIRST", [Recipe(failing, None)])
    async with running(store) as service:
        await publisher.publish([row("sw1", errors=1)])
        await until(lambda: service.snapshot == "1-test", "the snapshot")
        assert service.ask().status == 200
