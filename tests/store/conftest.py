"""A store on every kind of Redis there is: one contract for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.store import Store
from tests.lab.servers import RedisKind, redis_kinds, running_redis


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=redis_kinds(), ids=lambda kind: kind.name)
async def any_redis(request: pytest.FixtureRequest) -> AsyncIterator[EmbeddedRedis]:
    """A server of each kind, shared by all tests."""
    kind: RedisKind = request.param
    async with running_redis(kind) as server:
        yield server


@pytest.fixture
async def client(any_redis: EmbeddedRedis) -> AsyncIterator[Any]:
    """A client to look behind the store; the server is empty when the test begins."""
    async with Redis.from_url(any_redis.url, protocol=2, decode_responses=True) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def store(client: Any, any_redis: EmbeddedRedis) -> AsyncIterator[Store]:
    store = Store(any_redis.url)
    yield store
    await store.aclose()
