"""Connections to Redis: how their failures are told, and when all of them are made anew."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
import uvloop
from redis.asyncio import Redis

from switchboard.config.redis import redis_access
from switchboard.config.settings import Settings
from switchboard.errors import LeaseLost, StoreError, StoreUnavailable
from switchboard.snapshot.index import Index
from switchboard.store import keys
from switchboard.store.connect import RECONNECT_SECONDS, Connections
from switchboard.store.server import LOOK_SECONDS
from switchboard.store.store import Store
from tests.lab.processes import free_port
from tests.lab.servers import RedisKind, eventually, redis_kinds, running_redis

SINGLE = [kind for kind in redis_kinds() if not kind.cluster]


def connections_to(url: str) -> Connections:
    return Connections(redis_access(Settings(redis_url=url)))


@contextlib.asynccontextmanager
async def replica(kind: RedisKind) -> AsyncIterator[tuple[Store, Any]]:
    """A store that has just used its connections, and a client to its server, which is the replica of nobody then."""
    async with (
        running_redis(kind) as server,
        Redis.from_url(server.url, protocol=2) as client,
        contextlib.aclosing(Store(server.url)) as store,
    ):
        assert await store.leases.take("lab", "me") is not None
        await client.replicaof("127.0.0.1", free_port())
        yield store, client


async def connections_of(client: Any) -> set[str]:
    """Ids of the connections that the server has, the client's own aside."""
    own = str(await client.client_id())
    return {each["id"] for each in await client.client_list()} - {own}


@pytest.mark.parametrize("kind", SINGLE, ids=lambda kind: kind.name)
async def test_a_server_that_is_no_primary_any_more_is_left(kind: RedisKind) -> None:
    """A write that is refused with READONLY, in a script or not, ends all connections; the next call makes new ones."""
    async with replica(kind) as (store, client):
        for write in (store.sources.register("lab", 0), store.leases.take("lab", "me")):
            before = await connections_of(client)
            await asyncio.sleep(RECONNECT_SECONDS)
            with pytest.raises(StoreError, match=r"(?i)read.?only"):
                await write
            assert await store.sources.names() == []
            assert not before & await connections_of(client)
        await client.replicaof("NO", "ONE")
        await store.sources.register("lab", 0)


@pytest.mark.parametrize("kind", SINGLE, ids=lambda kind: kind.name)
async def test_a_server_without_its_primary_is_left(kind: RedisKind) -> None:
    """So does a read that is refused with MASTERDOWN."""
    async with replica(kind) as (store, client):
        await client.config_set("replica-serve-stale-data", "no")
        before = await connections_of(client)
        with pytest.raises(StoreError):
            await store.snapshots.pointer("lab")
        with pytest.raises(StoreError):
            await store.snapshots.pointer("lab")
        await client.replicaof("NO", "ONE")
        assert await store.snapshots.pointer("lab") == (None, 0)
        assert not before & await connections_of(client)


async def test_who_listens_is_told(redis_server: Any) -> None:
    """The connection for hints ends with the others, and a new one hears what moves."""
    async with (
        contextlib.aclosing(Store(redis_server.url)) as store,
        Redis.from_url(redis_server.url) as client,
        contextlib.aclosing(store.snapshots.hints()) as hints,
    ):
        listening = asyncio.ensure_future(anext(hints))

        async def heard() -> bool:
            await client.publish(keys.MOVED, b"lab")
            return listening.done()

        await eventually(heard, "a hint")
        await store.reconnect()
        with pytest.raises(StoreUnavailable, match="given up"):
            assert [hint async for hint in hints] == []


async def test_connections_are_not_given_up_all_the_time() -> None:
    """However many calls fail for that reason, half a second lies between two times."""
    connections = connections_to(f"redis://127.0.0.1:{free_port()}/0")
    for _ in range(50):
        await connections.give_up()
    assert connections.given_up == 1
    await asyncio.sleep(RECONNECT_SECONDS)
    await connections.give_up()
    assert connections.given_up == 2


@contextlib.contextmanager
def answering(answer: bytes | None, first: bytes | None = b"+PONG\r\n") -> Iterator[tuple[str, list[int]]]:
    """A server that says the same to every command but PING, or resets every connection.

    Yields its URL and its connections; ``first`` is its answer to PING, None: the same as to all commands.
    """
    accepted: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if answer is None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            while request := connection.recv(65536):
                if b"PING" in request and first is not None:  # the greeting of a new connection
                    connection.sendall(first)
                    continue
                connection.sendall(answer * request.count(b"*"))  # one for each command

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, address = listener.accept()
                accepted.append(address[1])
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0", accepted
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


WRONG_SERVER = [
    b"-READONLY You can't write against a read only replica.",
    b"-ERR Error running script (call to f_1): @user_script:9: -READONLY You can't write against a read only replica.",
    b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    b"-LOADING Redis is loading the dataset in memory",
    b"-NOAUTH Authentication required.",
    b"-NOREPLICAS Not enough good replicas to write.",
]


@pytest.mark.parametrize("line", WRONG_SERVER, ids=lambda line: line.split()[0].decode() + str(len(line)))
async def test_answers_that_only_a_wrong_server_gives(line: bytes) -> None:
    """Each is a StoreError, and makes the next call connect anew."""
    with answering(line + b"\r\n") as (url, accepted):
        async with contextlib.aclosing(Store(url)) as store:
            with pytest.raises(StoreError):
                await store.sources.names()
            before = len(accepted)
            with pytest.raises(StoreError):
                await store.sources.names()
            assert len(accepted) > before


@pytest.mark.parametrize("line", [b"-WRONGTYPE Operation against a key", b"-OOM command not allowed", b"-NOPERM no"])
async def test_other_refusals_keep_the_connection(line: bytes) -> None:
    """What the right server says too is no reason to leave it."""
    with answering(line + b"\r\n") as (url, accepted):
        async with contextlib.aclosing(Store(url)) as store:
            for _ in range(3):
                with pytest.raises(StoreError):
                    await store.sources.names()
            assert len(accepted) == 1


def test_resets_are_unavailability_whoever_raises_them() -> None:
    """On uvloop, whose transports raise RuntimeError when they are reset in the middle of a call."""

    async def call_all(url: str) -> None:
        async with contextlib.aclosing(Store(url)) as store:
            for _ in range(60):
                calls = [
                    store.sources.names(),
                    store.snapshots.pointer("lab"),
                    store.leases.take("lab", "me"),
                    store.ping(),
                ]
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * len(calls)

    with answering(None) as (url, accepted), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(call_all(url))
        assert len(accepted) > 60


@pytest.mark.parametrize(
    "error", [RuntimeError("the handler is closed"), AttributeError("feed"), EOFError(), KeyError(1), OSError(9, "bad")]
)
async def test_any_other_failure_of_a_connection_is_unavailability(error: Exception) -> None:
    """Whatever a library raises, what comes out names the call and the server, and has the cause behind it."""
    connections = connections_to("redis://someone:hunter2@localhost:1/0")
    with pytest.raises(StoreUnavailable, match=r"cannot say PING: .*redis://someone:\*\*\*@localhost") as raised:
        async with connections.translated("say PING"):
            raise error
    assert raised.value.__cause__ is error


async def test_a_password_that_is_repeated_is_not_shown() -> None:
    """A server that knows no AUTH quotes what it was sent."""
    line = b"-ERR unknown command 'AUTH', with args beginning with: 's3cretpw' \r\n"
    with answering(line) as (url, _):
        async with contextlib.aclosing(Store(url.replace("//", "//:s3cretpw@"))) as store:
            with pytest.raises(StoreError, match="unknown command 'AUTH'") as raised:
                await store.sources.names()
            assert "s3cretpw" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["redis://alerts.invalid:1", "rediss://ssl.invalid:1", "unix:///nowhere/ssl/redis.sock"]
)
async def test_the_name_of_a_host_is_no_cause(url: str) -> None:
    """A host, or a folder, that is called like a word of TLS: what is wrong is that nobody answers."""
    async with contextlib.aclosing(Store(url)) as store:
        with pytest.raises(StoreUnavailable, match="does not answer") as raised:
            await store.ping()
        assert raised.value.cause == StoreUnavailable.usual_cause


async def test_our_own_errors_stay_what_they_are() -> None:
    """A refusal that was found in an answer is not translated again."""
    with pytest.raises(LeaseLost, match="mine"):
        async with connections_to("redis://localhost:1/0").translated("say PING"):
            raise LeaseLost("mine")


SENTENCES = [
    (b"-ERR max number of clients reached", "clients", "has as many clients as it takes: raise its maxclients"),
    (b"-DENIED Redis is running in protected mode because protected mode is enabled", "protected", "protected mode"),
    (b"-LOADING Redis is loading the dataset in memory", "loading", "is loading its data, and answers when"),
    (b"-OOM command not allowed when used memory > 'maxmemory'.", "full", "is full: raise its maxmemory"),
    (b"-MISCONF Redis is configured to save RDB snapshots, but", "disk", "cannot save to its disk"),
    (b"-BUSY Redis is busy running a script.", "busy", "is busy with a script of another client"),
    (b"-MOVED 3999 127.0.0.1:6381", "cluster", "is a node of a cluster"),
    (b"-CLUSTERDOWN Hash slot not served", "cluster", "is a node of a cluster"),
    (b"-WRONGPASS invalid username-password pair or user is disabled.", "password", "refuses the user or password"),
    (b"-NOAUTH Authentication required.", "password", "refuses the user or password"),
    (b"HTTP/1.1 400 Bad Request", "protocol", "does not speak the protocol of Redis"),
]


@pytest.mark.parametrize("first", [None, b"+PONG\r\n"], ids=["from the greeting on", "after the greeting"])
@pytest.mark.parametrize(("line", "cause", "sentence"), SENTENCES, ids=[cause for _, cause, _ in SENTENCES])
async def test_each_refusal_has_a_sentence(line: bytes, cause: str, sentence: str, first: bytes | None) -> None:
    """One word that stays the same, and what helps; in a pipeline, too."""
    with answering(line + b"\r\n", first) as (url, _):
        async with contextlib.aclosing(Store(url)) as store:
            for call in (store.sources.names, partial(store.snapshots.pointer, "lab"), store.ping):
                if call == store.ping and first is not None:
                    continue
                with pytest.raises(StoreError, match=sentence) as raised:
                    await call()
                assert raised.value.cause == cause


async def test_a_policy_is_not_known_without_the_right_to_ask(redis_server: Any) -> None:
    """A server that refuses INFO, or leaves the field out, is asked seldom and is no reason for a warning."""
    for line in (b"-NOPERM this user has no permissions to run the 'info' command", b"$2\r\n# \r\n", b"-ERR unknown"):
        with answering(line + (b"" if line.endswith(b"\n") else b"\r\n")) as (url, _):
            async with contextlib.aclosing(Store(url)) as store:
                await store.server.look()
                assert (store.server.policy, store.server.warning, await store.server.lately_evicted()) == ("", "", 0)


async def test_a_right_that_is_missing_is_one_cause_whatever_the_key() -> None:
    """Each attempt to write a snapshot has other keys; what helps is the same."""
    with answering(b"-NOPERM this user has no permissions to run the 'set' command\r\n") as (url, _):
        async with contextlib.aclosing(Store(url)) as store:
            causes = set()
            for snapshot in ("1-a", "2-b"):
                with pytest.raises(StoreError, match=f"run SET on sb:lab:{snapshot}") as raised:
                    await store.snapshots.write_index("lab", snapshot, Index([], [], [], b""), 1000)
                causes.add(raised.value.cause)
            assert causes == {"denied write an index"}


async def test_what_is_known_of_a_policy_outlasts_refusals_that_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the password is a wrong one, nothing new is known: the warning stays, and its end is seen at once."""
    now = 0.0
    monkeypatch.setattr("switchboard.store.server.boottime", lambda: now)
    async with (
        running_redis(SINGLE[0]) as server,
        Redis.from_url(server.url, protocol=2) as client,
        contextlib.aclosing(Store(server.url)) as store,
    ):
        await client.config_set("maxmemory-policy", "allkeys-lru")
        await store.server.look()
        assert "allkeys-lru" in store.server.warning
        await client.config_set("requirepass", "another")
        await client.client_kill_filter(_type="normal")
        now += LOOK_SECONDS
        with pytest.raises(StoreError, match="refuses the user or password"):
            await store.ping()
        await store.server.look()
        assert "allkeys-lru" in store.server.warning
        await client.config_set("requirepass", "")
        await client.config_set("maxmemory-policy", "noeviction")
        now += LOOK_SECONDS
        await store.server.look()
        assert store.server.policy == "noeviction"
