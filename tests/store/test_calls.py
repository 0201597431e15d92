"""What every call of the store does in trouble: no answer, a refusal, a cancellation."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from switchboard.errors import StoreError, StoreUnavailable
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.leases import Lease
from switchboard.store.store import Store
from tests.lab.processes import free_port
from tests.lab.servers import eventually
from tests.lab.snapshots import pack
from tests.store.harness import BLOCK_MS, BODY, STATUS, confirm, packed_as, publish, read, renew, taken

CALLS: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "ping": lambda store: store.ping(),
    "pointer": lambda store: store.snapshots.pointer("lab"),
    "sources": lambda store: store.sources.names(),
    "register": lambda store: store.sources.register("lab", 0),
    "status": lambda store: store.sources.status("lab"),
    "write_status": lambda store: store.sources.write_status(STATUS, Lease("lab", "me", 1)),
    "take_lease": lambda store: store.leases.take("lab", "me"),
    "renew_lease": lambda store: store.leases.renew(Lease("lab", "me", 1)),
    "move_pointer": lambda store: store.snapshots.move_pointer(pack(BODY).manifest, Lease("lab", "me", 1)),
    "lease_value": lambda store: store.leases.held("lab"),
    "extend_blocks": lambda store: store.snapshots.extend_blocks(pack(BODY).manifest, [], 1000),
    "extend_pointer": lambda store: store.snapshots.extend_pointer(pack(BODY).manifest, Lease("lab", "me", 1)),
    "write_blocks": lambda store: store.snapshots.write_blocks("lab", "1-a", pack(BODY).blocks, 1000),
    "write_index": lambda store: store.snapshots.write_index("lab", "1-a", pack(BODY).index, 1000),
    "discard": lambda store: store.snapshots.discard("lab", "1-a", [("sw1", 1)]),
    "read_index": lambda store: store.snapshots.read_index(pack(BODY).manifest),
    "read_blocks": lambda store: anext(aiter(store.snapshots.read_blocks(pack(BODY).manifest, pack(BODY).index))),
    "hints": lambda store: anext(aiter(store.snapshots.hints())),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_refused_connection_is_unavailable(call: str) -> None:
    """Every call says that the store does not answer, where it is, and nothing about the password."""
    store = Store(f"redis://someone:hunter2@127.0.0.1:{free_port()}/0")
    with pytest.raises(StoreUnavailable, match=r"redis://someone:\*\*\*@127\.0\.0\.1") as raised:
        await CALLS[call](store)
    assert "hunter2" not in str(raised.value)
    await store.aclose()


async def test_a_server_that_never_answers_is_unavailable(redis_server: EmbeddedRedis) -> None:
    """Calls of both kinds give up on a server that accepts and then says nothing, and work again when it does."""
    store = Store(redis_server.url)
    await store.ping()
    assert redis_server.pid is not None
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(8):  # by far more than either deadline, and less than redis-py's own
            calls = [CALLS[call](store) for call in ("ping", "pointer", "take_lease", "read_index")]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * len(calls)
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    await store.ping()
    assert await store.sources.names() == []
    await store.aclose()


async def test_a_wrong_password_is_not_shown(redis_server: EmbeddedRedis) -> None:
    """A server that refuses to let us in is a StoreError that says why, without the password."""
    async with Redis.from_url(redis_server.url) as client:
        await client.config_set("requirepass", "correct-horse")
    store = Store(f"unix://:hunter2@{redis_server.socket_path}")
    for call in ("ping", "pointer"):
        with pytest.raises(StoreError) as raised:
            await CALLS[call](store)
        assert "hunter2" not in str(raised.value)
    await store.aclose()


async def test_a_full_server_refuses(redis_server: EmbeddedRedis) -> None:
    """Out of memory is an answer that says no: no data is dropped for ours, and reading goes on."""
    store = Store(redis_server.url)
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    async with Redis.from_url(redis_server.url) as client:
        await client.config_set("maxmemory", 1)
    with pytest.raises(StoreError, match=r"is full: raise its maxmemory.*OOM") as raised:
        await store.snapshots.write_blocks("lab", "2-a", packed.blocks, BLOCK_MS)
    assert not isinstance(raised.value, StoreUnavailable)
    assert len((await read(store, packed.manifest)).switches) == 3
    await store.aclose()


async def test_a_full_server_goes_on_with_what_is_there(store: Store, client: Any) -> None:
    """Whatever its version, it lets leases be taken and renewed, and snapshots be read and confirmed."""
    lease = await taken(store)
    packed = packed_as(lease)
    await publish(store, packed, lease)
    await client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreError):
            await store.sources.register("lab", 0)
        lease = await renew(store, lease)
        assert await confirm(store, packed, lease) == (await store.snapshots.pointer("lab"))[0]
        lease = await taken(store)
        assert await confirm(store, packed, lease) == (await store.snapshots.pointer("lab"))[0]
        assert len((await read(store, packed.manifest)).switches) == 3
    finally:
        await client.config_set("maxmemory", 0)


async def test_a_server_that_forgot_the_scripts_gets_them_again(store: Store, client: Any) -> None:
    """Scripts are called by their hash, and sent again to a server that was restarted."""
    await taken(store)
    await client.script_flush()
    assert (await taken(store)).epoch > 0


async def test_no_cancellation_is_lost(store: Store) -> None:
    """Wherever in a call it comes, a task that is cancelled ends: asyncio and redis-py alone do not see to that."""
    await taken(store)

    async def call_and_wait(call: str) -> None:
        await CALLS[call](store)
        await asyncio.Event().wait()

    for turn in range(60):
        tasks = [asyncio.ensure_future(call_and_wait(call)) for call in ("ping", "status", "take_lease", "discard")]
        for _ in range(turn % 20):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        _, left = await asyncio.wait(tasks, timeout=5)
        assert not left


async def test_cancelled_calls_mix_no_answers(store: Store, client: Any) -> None:
    """A call that is cancelled in the middle leaves no answer behind for the next one, and no connection."""
    lease = await taken(store)
    for number in range(1, 4):
        manifest = packed_as(lease, snapshot=f"{number}-a", scraped_ms=number).manifest
        await store.snapshots.move_pointer(replace(manifest, source="lab"), lease)
    for turn in range(100):
        tasks = [
            asyncio.ensure_future(CALLS[call](store))
            for call in ("ping", "sources", "read_index", "discard", "write_blocks")
        ]
        for _ in range(turn % 5):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        found, _ = await store.snapshots.pointer("lab")
        assert found is not None
        assert found.snapshot == "3-a"

    async def few_connections() -> bool:
        return len(await client.client_list()) < 20

    await eventually(few_connections, "connections of cancelled calls are closed")
