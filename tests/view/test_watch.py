"""The watcher on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import structlog
from redis.asyncio import Redis

from switchboard.api.answer import Answer, Request
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.respond import respond
from switchboard.clocks import boottime
from switchboard.model import Manifest, Outcome, State
from switchboard.query.sources import readiness as readiness_of
from switchboard.snapshot.index import Index
from switchboard.store import keys
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.store import Store
from switchboard.view.sources import SourceView
from switchboard.view.watch import KEEP_BYTES, UNLISTED_SECONDS, Watcher
from tests.lab.answers import headers_of
from tests.lab.fabric import row, status
from tests.lab.processes import RedisServer, free_port
from tests.lab.publisher import Publisher, until, until_true

LIST, GET = ENDPOINTS[1], ENDPOINTS[0]
READY = next(endpoint for endpoint in ENDPOINTS if endpoint.path == "/ready")


@pytest.fixture
async def store(redis_server: EmbeddedRedis) -> AsyncIterator[Store]:
    """The store with connections of its own, as a process has it."""
    store = Store(redis_server.url)
    yield store
    await store.aclose()


@pytest.fixture
async def redis(redis_server: EmbeddedRedis) -> AsyncIterator[Redis]:
    """A client for changes of the store that no ETL makes."""
    async with Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
async def publisher(store: Store) -> Publisher:
    """The ETL of one source."""
    publisher = Publisher(store)
    await publisher.start()
    return publisher


class Clock:
    """The watcher's clock, which the test may put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return boottime() + self.ahead


@contextlib.asynccontextmanager
async def watching(
    store: Store, *, poll_seconds: float = 0.02, clock: Clock | None = None, keep_bytes: int = KEEP_BYTES
) -> AsyncIterator[Watcher]:
    watcher = Watcher(store, clock=clock or Clock(), poll_seconds=poll_seconds, keep_bytes=keep_bytes)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watcher.run())
        yield watcher
        running.cancel()


def seen(watcher: Watcher, name: str = "fabric") -> SourceView:
    return next((source for source in watcher.view.sources if source.name == name), SourceView(name=name))


def snapshot_of(watcher: Watcher, name: str = "fabric") -> str | None:
    loaded = seen(watcher, name).loaded
    return None if loaded is None else loaded.snapshot.manifest.snapshot


def list_metrics(watcher: Watcher) -> Answer:
    return respond(LIST, watcher.view, watcher.clock(), Request())


def trouble(watcher: Watcher, name: str = "fabric") -> str:
    return seen(watcher, name).trouble


async def test_a_published_snapshot_comes_into_view(store: Store, publisher: Publisher) -> None:
    """What the pointer names is loaded and answers; when the pointer moves, the next one takes its place."""
    async with watching(store) as watcher:
        await until(lambda: watcher.view.store_answered_at is not None, "the store is asked")
        assert list_metrics(watcher).status == 503
        await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the first snapshot")
        assert list_metrics(watcher).body == b'[{"sw1":{"errors":1}}]\n'
        await publisher.publish([row("sw1", errors=2)])
        await until(lambda: snapshot_of(watcher) == "2-test", "the second snapshot")
        assert list_metrics(watcher).body == b'[{"sw1":{"errors":2}}]\n'


async def test_a_hint_is_enough(store: Store, publisher: Publisher, redis: Redis) -> None:
    """A moved pointer is followed at once when its hint arrives, however rarely the store is polled."""
    async with watching(store, poll_seconds=60.0) as watcher:

        async def listening() -> bool:
            return dict(await redis.pubsub_numsub(keys.MOVED)) != {keys.MOVED.encode(): 0}

        await until_true(listening, "the watcher listens")
        await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")


async def polled(watcher: Watcher, name: str = "fabric") -> None:
    """Return when the store was asked once more about a source, from now on."""
    asked_at = watcher.clock()
    await until(lambda: seen(watcher, name).answered_at > asked_at, "another poll")


async def test_only_a_greater_number_confirms(store: Store, publisher: Publisher, redis: Redis) -> None:
    """The age counts on our own clock from the last confirmation that the ETL has numbered, whatever becomes of the
    pointer's TTL meanwhile; times in the data count for nothing.
    """
    clock = Clock()
    async with watching(store, clock=clock) as watcher:
        await publisher.report(status())
        written = await publisher.publish([row("sw1", time=5, errors=1)], scraped_ms=7, published_ms=8)
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
        before = seen(watcher)
        assert before.state(clock()) is State.FRESH
        assert before.expires_at - before.confirmed_at == pytest.approx(30.0, abs=0.001)
        for ttl_ms in (12_000, 3_600_000):
            await redis.pexpire(keys.pointer("fabric"), ttl_ms)
            await polled(watcher)
            assert (seen(watcher).confirmed_at, seen(watcher).expires_at) == (before.confirmed_at, before.expires_at)
        clock.ahead = 18.0
        await until(lambda: seen(watcher).state(clock()) is State.LATE, "it is late")
        await publisher.report(status(outcome=Outcome.FAILED, reason="timeout", error="it took too long"))
        await until(lambda: seen(watcher).state(clock()) is State.STALE, "the failed scrape is noticed")
        confirmed_after = clock()
        await publisher.confirm(written)
        await until(lambda: seen(watcher).state(clock()) is State.FRESH, "the confirmation is noticed")
        assert confirmed_after - 1.0 < seen(watcher).confirmed_at <= clock()


async def test_nothing_is_shown_beyond_its_ttl_however_long_the_pointer_lives(
    store: Store, publisher: Publisher, redis: Redis
) -> None:
    """A pointer that somebody lets live for an hour confirms nothing: 503 at the end of the TTL, and from then on."""
    clock = Clock()
    async with watching(store, clock=clock) as watcher:
        written = await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
        await redis.pexpire(keys.pointer("fabric"), 3_600_000)
        for clock.ahead in (30.0, 60.0, 600.0):
            await polled(watcher)
            assert snapshot_of(watcher) is None
            assert list_metrics(watcher).status == 503
        await publisher.confirm(written)
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot is shown again once it is confirmed")
        assert seen(watcher).state(clock()) is State.FRESH


async def test_at_first_sight_the_age_is_what_is_gone_of_the_ttl(
    store: Store, publisher: Publisher, redis: Redis
) -> None:
    """A process that has just started believes the pointer's remaining TTL, if it is possible."""
    await publisher.publish([row("sw1", errors=1)])
    await redis.pexpire(keys.pointer("fabric"), 12_000)
    clock = Clock()
    async with watching(store, clock=clock) as watcher:
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
        fabric = seen(watcher)
        assert clock() - fabric.confirmed_at >= 17.0
        assert fabric.expires_at - fabric.confirmed_at == pytest.approx(30.0, abs=0.001)
        assert fabric.state(clock()) is not State.FRESH


@pytest.mark.parametrize("ttl_ms", [None, 3_600_000])
async def test_at_first_sight_an_impossible_ttl_tells_no_age(
    store: Store, publisher: Publisher, redis: Redis, ttl_ms: int | None
) -> None:
    """Without a TTL, or with more than the whole of it, there is no answer until the ETL confirms once more."""
    written = await publisher.publish([row("sw1", errors=1)])
    await (redis.persist(keys.pointer("fabric")) if ttl_ms is None else redis.pexpire(keys.pointer("fabric"), ttl_ms))
    async with watching(store) as watcher:
        await until(lambda: "is not known yet" in trouble(watcher), "it is said")
        await polled(watcher)
        answer = list_metrics(watcher)
        assert answer.status == 503
        assert b"the age of snapshot 1-test is not known yet" in bytes(answer.body)  # type: ignore[arg-type]
        await publisher.confirm(written)
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
        assert seen(watcher).state(watcher.clock()) is State.FRESH


async def test_a_pointer_of_an_older_etl_is_followed_by_its_ttl(
    store: Store, publisher: Publisher, redis: Redis
) -> None:
    """Without numbers, the remaining TTL tells each confirmation, never more than the whole TTL; it is logged once."""
    old = publisher.write([row("sw1", errors=1)])
    await publisher.store_blocks(old)
    fields = msgspec.json.decode(msgspec.json.encode(old.manifest))
    text = msgspec.json.encode({name: value for name, value in fields.items() if name not in NEW_IN_FORMAT_2})
    clock = Clock()
    with structlog.testing.capture_logs() as logs:
        async with watching(store, clock=clock) as watcher:
            await redis.set(keys.pointer("fabric"), text, px=30_000)
            await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
            assert seen(watcher).state(clock()) is State.FRESH
            clock.ahead = 18.0
            await redis.pexpire(keys.pointer("fabric"), 12_000)
            await until(lambda: seen(watcher).confirmed_at < clock() - 17.0, "the TTL is noticed")
            await redis.pexpire(keys.pointer("fabric"), 3_600_000)
            await until(lambda: seen(watcher).state(clock()) is State.FRESH, "the longer life is noticed")
            assert seen(watcher).expires_at <= clock() + 30.0
            await publisher.publish([row("sw1", errors=2)], epoch=old.manifest.epoch + 1)
            await until(lambda: snapshot_of(watcher) == "2-test", "the snapshot of an ETL that was upgraded")
    assert len([line for line in logs if "older version" in line["event"]]) == 1


NEW_IN_FORMAT_2 = {"format", "seq", "data_age_ms", "max_data_age_ms", "longest_period_ms"}


async def test_a_pointer_of_a_newer_format_is_left_alone(store: Store, publisher: Publisher, redis: Redis) -> None:
    """The view keeps its snapshot to the end of its TTL, and says which process has to be upgraded."""
    clock = Clock()
    async with watching(store, clock=clock) as watcher:
        await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
        await redis.set(keys.pointer("fabric"), b'{"format":3,"source":{"name":"fabric"}}', px=30_000)
        await until(lambda: "has format 3" in trouble(watcher), "it is said")
        assert list_metrics(watcher).status == 200
        readiness = respond(READY, watcher.view, watcher.clock(), Request())
        assert b"reads formats up to 2: upgrade this process" in bytes(readiness.body)  # type: ignore[arg-type]
        clock.ahead = 30.0
        await until(lambda: snapshot_of(watcher) is None, "the snapshot expires")
        assert list_metrics(watcher).status == 503


@pytest.mark.parametrize("field", ["ttl_ms", "data_age_ms", "max_data_age_ms", "interval_ms"])
async def test_numbers_that_no_float_can_hold_do_no_harm(
    store: Store, publisher: Publisher, redis: Redis, field: str
) -> None:
    """A pointer or a status with a number of 400 digits is garbage: said, and survived."""
    async with watching(store) as watcher:
        await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the first snapshot")
        fields = msgspec.json.decode(msgspec.json.encode(publisher.write([row("sw1", errors=2)]).manifest))
        await redis.set(keys.pointer("fabric"), json.dumps(fields | {field: 10**400}), px=30_000)
        await redis.set(keys.status("fabric"), json.dumps(msgspec.to_builtins(status()) | {"interval_ms": 10**400}))
        await until(lambda: "cannot be read" in trouble(watcher), "it is said")
        assert list_metrics(watcher).status == 200
        await publisher.publish([row("sw1", errors=3)])
        await until(lambda: snapshot_of(watcher) == "3-test", "the next snapshot")


async def test_a_status_that_cannot_be_read_takes_nothing_from_the_pointer(
    store: Store, publisher: Publisher, redis: Redis
) -> None:
    """What the ETL confirms is fresh, although the key beside it is of another type."""
    async with watching(store) as watcher:
        await redis.rpush(keys.status("fabric"), "x")
        await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the first snapshot")
        await polled(watcher)
        assert seen(watcher).state(watcher.clock()) is State.FRESH
        assert seen(watcher).status is None


async def test_a_store_that_refuses_all_is_not_ready(redis_server: EmbeddedRedis, redis: Redis) -> None:
    """A replica that has lost its primary refuses all: /ready says so of the store, and not of the sources only."""
    store = Store(redis_server.url)
    async with watching(store) as watcher:
        publisher = Publisher(store)
        await publisher.start()
        await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
        await redis.config_set("replica-serve-stale-data", "no")
        await redis.replicaof("127.0.0.1", free_port())

        def readiness() -> Any:
            return json.loads(bytes(respond(READY, watcher.view, watcher.clock(), Request()).body))  # type: ignore[arg-type]

        await until(lambda: not readiness()["store"]["ready"], "it is said")
        assert "refuses" in readiness()["store"]["trouble"]
    await store.aclose()


async def test_what_was_loaded_too_late_is_not_shown(
    store: Store, publisher: Publisher, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fail-over loses the snapshot that is being loaded, and the one that is shown is confirmed: it stays."""
    async with watching(store) as watcher:
        first = await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the first snapshot")
        loading, go_on, read_index = asyncio.Event(), asyncio.Event(), store.snapshots.read_index

        async def slow_index(manifest: Manifest) -> Index:
            loading.set()
            await go_on.wait()
            return await read_index(manifest)

        monkeypatch.setattr(store.snapshots, "read_index", slow_index)
        await publisher.publish([row("sw1", errors=2)])
        await loading.wait()
        latest = msgspec.structs.replace(first.manifest, epoch=first.manifest.epoch + 1, seq=1)
        await redis.set(keys.pointer("fabric"), msgspec.json.encode(latest), px=30_000)
        confirmed_at = seen(watcher).confirmed_at
        await until(lambda: seen(watcher).confirmed_at > confirmed_at, "the confirmation of the first is noticed")
        go_on.set()
        for _ in range(5):
            await polled(watcher)
            assert snapshot_of(watcher) == "1-test"


async def test_a_list_that_cannot_be_read_stops_no_source(store: Store, publisher: Publisher, redis: Redis) -> None:
    """The sources that are known are followed on while the list of sources is unreadable."""
    async with watching(store) as watcher:
        await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the first snapshot")
        await redis.set(keys.SOURCES, "not a sorted set")
        await until(lambda: "WRONGTYPE" in watcher.view.store_trouble, "it is said")
        await publisher.publish([row("sw1", errors=2)])
        await until(lambda: snapshot_of(watcher) == "2-test", "the second snapshot")
        assert seen(watcher).state(watcher.clock()) is State.FRESH
        await redis.delete(keys.SOURCES)
        await publisher.start()
        await until(lambda: watcher.view.store_trouble == "", "the list is read again")


async def test_a_source_without_an_answer_is_its_own_trouble(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the keys of one source cannot be reached, as with a dead node of a cluster, the others go on."""
    publisher = Publisher(store, "dead", "alive")
    await publisher.start()
    reached = store.snapshots.pointer

    async def pointer(source: str) -> tuple[Manifest | None, int]:
        if source == "dead":
            await asyncio.Event().wait()
        return await reached(source)

    async with watching(store) as watcher:
        for source in ("dead", "alive"):
            await publisher.publish([row("sw1", errors=1)], source)
        await until(lambda: snapshot_of(watcher, "dead") and snapshot_of(watcher, "alive"), "both snapshots")
        monkeypatch.setattr(store.snapshots, "pointer", pointer)
        await until(lambda: "no answer about source 'dead'" in trouble(watcher, "dead"), "it is said")
        latest = await publisher.publish([row("sw1", errors=2)], "alive")
        await until(lambda: snapshot_of(watcher, "alive") == latest.manifest.snapshot, "the next snapshot of the other")
        await until(lambda: seen(watcher, "dead").state(watcher.clock()) is State.STALE, "the dead one turns stale")
        assert seen(watcher, "alive").state(watcher.clock()) is State.FRESH
        assert watcher.view.store_trouble == ""
        monkeypatch.setattr(store.snapshots, "pointer", reached)
        await until(lambda: seen(watcher, "dead").state(watcher.clock()) is State.FRESH, "it is reached again")


async def test_old_data_is_stale_and_answers_on(store: Store, publisher: Publisher) -> None:
    """A source that confirms rows of long ago is stale, with the reason; it is fresh again when its data moves on."""
    clock = Clock()
    async with watching(store, clock=clock) as watcher:
        limit: dict[str, Any] = {"max_data_age_ms": 900_000}
        written = await publisher.publish([row("sw1", errors=1)], data_age_ms=890_000, **limit)
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
        assert seen(watcher).state(clock()) is State.FRESH
        clock.ahead = 10.1  # it ages on our clock, between two confirmations
        assert seen(watcher).state(clock()) is State.STALE
        await publisher.confirm(written, data_age_ms=6 * 365 * 86_400_000, **limit)
        await until(lambda: (seen(watcher).data_age(clock()) or 0) > 1e8, "the confirmation is noticed")
        assert seen(watcher).state(clock()) is State.STALE
        answer = respond(READY, watcher.view, clock(), Request())
        assert answer.status == 200
        assert b"its newest row is 2,190 days old, more than 15 min (max_data_age)" in bytes(answer.body)  # type: ignore[arg-type]
        assert list_metrics(watcher).status == 200
        await publisher.publish([row("sw1", errors=2)], data_age_ms=1_000, **limit)
        await until(lambda: seen(watcher).state(clock()) is State.FRESH, "fresh again")


async def test_a_source_is_known_until_the_list_has_lacked_it_for_a_while(store: Store, redis: Redis) -> None:
    """Redis was emptied for longer than a TTL, and the sources are listed again one by one: none of them passes for one
    that does not exist. A source that nobody lists any more does not exist in the end.
    """
    clock = Clock()
    before = Publisher(store, "one", "two")
    await before.start()
    for source in before.sources:
        await before.publish([row(source, errors=1)], source)
    async with watching(store, clock=clock) as watcher:
        await until(lambda: snapshot_of(watcher, "two") is not None, "the snapshots")
        await redis.flushall()
        clock.ahead = 100.0
        await until(lambda: seen(watcher, "two").state(clock()) is None, "they expire")
        await polled(watcher, "two")
        after = Publisher(store, "one")
        await after.start()
        await after.publish([row("one", errors=2)], "one")
        await until(lambda: seen(watcher, "one").state(clock()) is State.FRESH, "the first source is back")
        assert [source.name for source in watcher.view.sources] == ["one", "two"]
        assert list_metrics(watcher).status == 200
        clock.ahead += UNLISTED_SECONDS
        await until(lambda: [source.name for source in watcher.view.sources] == ["one"], "the other one is forgotten")


async def test_without_a_pointer_a_snapshot_lives_to_its_own_end(
    store: Store, publisher: Publisher, redis: Redis
) -> None:
    """The store is emptied: a snapshot answers until its TTL is over on our clock, then 503; the next is shown."""
    clock = Clock()
    async with watching(store, clock=clock) as watcher:
        await publisher.publish([row("sw1", errors=1)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
        await redis.flushall()
        emptied_at = clock()
        await until(lambda: seen(watcher).answered_at > emptied_at, "the empty store is seen")
        assert seen(watcher).expires_at <= emptied_at + 30.0
        assert list_metrics(watcher).status == 200
        clock.ahead = 30.0
        answer = list_metrics(watcher)
        assert answer.status == 503
        assert b"expired" in bytes(answer.body)  # type: ignore[arg-type]
        await polled(watcher)
        assert list_metrics(watcher).status == 503
        await publisher.start()
        await publisher.publish([row("sw1", errors=2)])
        await until(lambda: snapshot_of(watcher) == "2-test", "the next snapshot")
        assert seen(watcher).state(clock()) is State.FRESH


async def test_a_pointer_that_goes_back_is_refused(store: Store, publisher: Publisher, redis: Redis) -> None:
    """An older pointer (say, of a replica that took over) is not followed while ours lives, and said once."""
    clock = Clock()
    first = await publisher.publish([row("sw1", errors=1)])
    old_pointer = await redis.get(keys.pointer("fabric"))
    assert old_pointer is not None
    with structlog.testing.capture_logs() as logs:
        async with watching(store, clock=clock) as watcher:
            await until(lambda: snapshot_of(watcher) == "1-test", "the first snapshot")
            await publisher.publish([row("sw1", errors=2)])
            await until(lambda: snapshot_of(watcher) == "2-test", "the second snapshot")
            await redis.set(keys.pointer("fabric"), old_pointer, px=60_000)
            await until(lambda: "older snapshot, 1-test" in trouble(watcher), "it is refused")
            polled_at = clock()
            await until(lambda: seen(watcher).answered_at > polled_at, "another poll")
            assert snapshot_of(watcher) == "2-test"
            assert seen(watcher).expires_at < clock() + 30.0
            # When ours is over, the older one is all there is: followed as soon as somebody confirms it.
            clock.ahead = 30.0
            await until(lambda: "is not known yet" in trouble(watcher), "its age is asked for")
            confirmed = msgspec.json.encode(msgspec.structs.replace(first.manifest, seq=3))
            await redis.set(keys.pointer("fabric"), confirmed, px=30_000)
            await until(lambda: snapshot_of(watcher) == first.manifest.snapshot, "it is followed after all")
    assert [line["event"] for line in logs].count("pointer refused") == 1


DAMAGE = [
    ("block gone", "2-test could not be loaded"),
    ("block changed", "2-test could not be loaded"),
    ("index gone", "2-test could not be loaded"),
    ("index garbage", "2-test could not be loaded"),
    ("pointer garbage", "cannot be read"),
    ("pointer of another source", "names a snapshot of 'other'"),
    ("pointer of another type", "WRONGTYPE"),
]


@pytest.mark.parametrize(("damage", "told"), DAMAGE)
async def test_damage_in_the_store_leaves_the_previous_snapshot(
    store: Store, publisher: Publisher, redis: Redis, damage: str, told: str
) -> None:
    """A snapshot that cannot be read whole is never shown: the previous one stays, the trouble is told once, and the
    next good one is taken.
    """
    with structlog.testing.capture_logs() as logs:
        async with watching(store) as watcher:
            await publisher.publish([row("sw1", errors=1)])
            await until(lambda: snapshot_of(watcher) == "1-test", "the first snapshot")
            bad = publisher.write([row("sw1", errors=2), row("sw2", errors=3)])
            await publisher.store_blocks(bad)
            block, index = keys.block("fabric", "2-test", "sw2", 1), keys.index("fabric", "2-test")
            if damage == "block gone":
                await redis.delete(block)
            elif damage == "block changed":
                await redis.setrange(block, 0, b"\0\0")
            elif damage == "index gone":
                await redis.delete(index)
            elif damage == "index garbage":
                await redis.set(index, b"\xc1 garbage")
            if damage == "pointer garbage":
                await redis.set(keys.pointer("fabric"), b'{"source":', px=30_000)
            elif damage == "pointer of another source":
                foreign = msgspec.structs.replace(bad.manifest, source="other")
                await redis.set(keys.pointer("fabric"), msgspec.json.encode(foreign), px=30_000)
            elif damage == "pointer of another type":
                await redis.delete(keys.pointer("fabric"))
                await redis.rpush(keys.pointer("fabric"), "x")
            else:
                await publisher.announce(bad)
            await until(lambda: told in trouble(watcher), "the trouble is told")
            assert snapshot_of(watcher) == "1-test"
            assert list_metrics(watcher).body == b'[{"sw1":{"errors":1}}]\n'
            await publisher.publish([row("sw1", errors=4)])
            await until(lambda: snapshot_of(watcher) == "3-test", "the next snapshot")
            assert trouble(watcher) == ""
    errors = [line["event"] for line in logs if line["log_level"] == "error"]
    assert errors in (["load failed"], ["source unreadable"])


async def test_a_load_that_failed_is_tried_again(store: Store, publisher: Publisher) -> None:
    """A snapshot whose blocks could not be read is shown when they can be."""
    async with watching(store) as watcher:
        written = publisher.write([row("sw1", errors=1)])
        await publisher.announce(written)
        await until(lambda: "could not be loaded" in trouble(watcher), "the load fails")
        await publisher.store_blocks(written)
        await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")


async def test_sources_are_asked_in_configured_order(store: Store) -> None:
    """The order in the store is the order of the view; one source's trouble is not the other's."""
    publisher = Publisher(store, "zeta", "alpha")
    await publisher.start()
    async with watching(store) as watcher:
        await publisher.publish([row("sw1", errors=1)], "alpha")
        await until(lambda: snapshot_of(watcher, "alpha") == "1-test", "alpha's snapshot")
        assert [source.name for source in watcher.view.sources] == ["zeta", "alpha"]
        assert snapshot_of(watcher, "zeta") is None
        assert headers_of(list_metrics(watcher))[b"x-snapshot-state"] == b"partial"
        await publisher.publish([row("sw1", errors=2)], "zeta")
        await until(lambda: snapshot_of(watcher, "zeta") == "2-test", "zeta's snapshot")
        assert list_metrics(watcher).body == b'[{"sw1":{"errors":2}}]\n'
        await store.sources.forget("zeta")
        await until(lambda: [s.name for s in watcher.view.sources] == ["alpha", "zeta"], "zeta is last")


async def test_a_dead_store_makes_answers_stale_and_nothing_else() -> None:
    """Redis is away from the start, comes, dies and comes back empty: the watcher goes on, answers are stale and then
    fresh again, and the outage is told once.
    """
    server = RedisServer(free_port())
    store = Store(server.url)
    clock = Clock()
    with structlog.testing.capture_logs() as logs:
        async with watching(store, clock=clock) as watcher:
            await until(lambda: watcher.view.store_trouble, "the store is missed")
            assert list_metrics(watcher).status == 503
            try:
                await asyncio.to_thread(server.start)
                publisher = Publisher(store)
                await publisher.start()
                await publisher.publish([row("sw1", errors=1)])
                await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
                await asyncio.to_thread(server.stop)
                await until(lambda: watcher.view.store_trouble, "the store is missed again")
                clock.ahead = 2.0
                answer = list_metrics(watcher)
                assert (answer.status, headers_of(answer)[b"x-snapshot-state"]) == (200, b"stale")
                await asyncio.to_thread(server.start)
                await publisher.start()
                await publisher.publish([row("sw1", errors=2)])
                await until(lambda: snapshot_of(watcher) == "2-test", "the next snapshot")
                assert headers_of(list_metrics(watcher))[b"x-snapshot-state"] == b"fresh"
            finally:
                await asyncio.to_thread(server.stop)
    await store.aclose()
    events = [line["event"] for line in logs if line["event"].startswith("store ")]
    assert events[0] == "store failed"
    assert events.count("store reached") == 2
    assert len(events) <= 8  # each reason once an outage, however often it was polled


@pytest.fixture
def _without_collector() -> Iterator[None]:
    """What refers to itself stays: the garbage collector may come late, and a snapshot has hundreds of MiB."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


QUESTIONS = [
    ("/telemetry/GetMetric", b"switch_id=sw1&metric=errors&verbose=true"),
    ("/telemetry/ListMetrics", b"metric=err*&where=errors%3E0&limit=1"),
    *(("/telemetry/ListMetrics", b"format=" + form) for form in (b"json", b"ndjson", b"csv", b"arrow")),
    ("/telemetry/TopMetrics", b"metric=errors"),
    ("/telemetry/ListSwitches", b""),
    ("/telemetry/ListSources", b""),
]


@pytest.mark.usefixtures("_without_collector")
async def test_a_retired_snapshot_is_freed(store: Store, publisher: Publisher) -> None:
    """A replaced snapshot that nothing may be kept of goes, as soon as no answer reads it, whatever was asked of it."""
    async with watching(store, keep_bytes=0) as watcher:
        await publisher.publish([row("sw1", errors=1), row("sw1", errors=2), row("sw2", errors=3)])
        await until(lambda: snapshot_of(watcher) == "1-test", "the first snapshot")
        for path, query in QUESTIONS:
            endpoint = next(each for each in ENDPOINTS if each.path == path)
            answer = respond(endpoint, watcher.view, watcher.clock(), Request(query=query))
            assert answer.status == 200, query
            if isinstance(answer.body, Iterator):
                assert list(answer.body)
            del answer
        loaded = seen(watcher).loaded
        assert loaded is not None
        blocks = loaded.snapshot.blocks
        await publisher.publish([row("sw1", errors=2)])
        await until(lambda: snapshot_of(watcher) == "2-test", "the second snapshot")
        polled_at = watcher.clock()
        await until(lambda: seen(watcher).answered_at > polled_at, "another poll")
        assert blocks
        del loaded
        await until(lambda: blocks == [], "its blocks are freed")


async def test_a_replaced_snapshot_answers_those_who_ask_for_it(store: Store, publisher: Publisher) -> None:
    """``snapshot=`` gets the old values after a swap, with its own tag, and 410 when its TTL is over."""
    clock = Clock()
    async with watching(store, clock=clock) as watcher:
        await publisher.publish([row("sw1", errors=1)], snapshot="100-old", ttl_ms=5_000)
        await until(lambda: snapshot_of(watcher) == "100-old", "the first snapshot")
        before = pinned(watcher, b"100-old")
        await publisher.publish([row("sw1", errors=2)], snapshot="200-new")
        await until(lambda: snapshot_of(watcher) == "200-new", "the second snapshot")
        after = pinned(watcher, b"100-old")
        assert (after.status, after.body) == (200, b'[{"sw1":{"errors":1}}]\n')
        assert headers_of(after) == headers_of(before)
        assert pinned(watcher, b"200-new").body == b'[{"sw1":{"errors":2}}]\n'
        assert (pinned(watcher, b"150-never").status, pinned(watcher, b"300-later").status) == (410, 404)
        old = next(kept.loaded for kept in seen(watcher).kept)
        blocks = old.snapshot.blocks
        del old
        clock.ahead = 5.1
        assert pinned(watcher, b"100-old").status == 410
        await until(lambda: blocks == [], "it is freed")
        assert seen(watcher).kept == ()


async def test_kept_snapshots_make_room_for_the_next(store: Store, publisher: Publisher) -> None:
    """What is kept and what is loaded share one bound: the oldest goes before the next is loaded, so that a swap of
    large snapshots takes no more memory than without any kept.
    """
    written = [publisher.write([row("sw1", errors=number)], snapshot=f"{number}00-x") for number in (1, 2, 3)]
    one = written[0].manifest.size_bytes
    async with watching(store, keep_bytes=one * 3 // 2) as watcher:
        for number, each in enumerate(written, 1):
            await publisher.store_blocks(each)
            await publisher.announce(each)
            await until(lambda number=number: snapshot_of(watcher) == f"{number}00-x", "the next snapshot")  # type: ignore[misc]
            statuses = [pinned(watcher, b"%d00-x" % earlier).status for earlier in range(1, number)]
            assert statuses == [[], [200], [410, 200]][number - 1]


def pinned(watcher: Watcher, snapshot: bytes) -> Answer:
    """The list of one snapshot."""
    return respond(LIST, watcher.view, watcher.clock(), Request(query=b"snapshot=" + snapshot))


def told(watcher: Watcher) -> str:
    """What /ready says of the source."""
    report = readiness_of(watcher.view, watcher.clock()).sources.get("fabric")
    return (report.trouble or "") if report else ""


async def test_an_odd_ttl_of_a_pointer_is_said(store: Store, publisher: Publisher, redis: Any) -> None:
    """A pointer that was made persistent, or that lives for too long, is named once, until the ETL replaces it."""
    with structlog.testing.capture_logs() as logs:
        async with watching(store) as watcher:
            await publisher.publish([row("sw1", errors=1)])
            await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
            await redis.persist(keys.pointer("fabric"))
            await until(lambda: "has no TTL in place of the" in told(watcher), "it is said")
            await redis.pexpire(keys.pointer("fabric"), 3_600_000)
            await until(lambda: "a TTL of 3600 s in place of the" in told(watcher), "so is another")
            await publisher.publish([row("sw1", errors=2)])
            await until(lambda: snapshot_of(watcher) == "2-test" and told(watcher) == "", "the next snapshot")
    warnings = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert warnings.count("pointer with an odd ttl") == 1


async def test_an_odd_ttl_is_said_where_the_age_is_not_known(store: Store, publisher: Publisher, redis: Any) -> None:
    """A process that has just started says why it does not show what is there."""
    await publisher.publish([row("sw1", errors=1)])
    await redis.persist(keys.pointer("fabric"))
    async with watching(store) as watcher:
        await until(lambda: "is not known yet" in told(watcher), "the age is not known")
        assert "somebody has made it persistent" in told(watcher)


async def test_a_block_that_may_have_been_evicted_is_said(store: Store, publisher: Publisher, redis: Any) -> None:
    """Where the server may evict keys, that is the likely reason for a key that is missing."""
    await redis.config_set("maxmemory-policy", "allkeys-lfu")
    async with watching(store) as watcher:
        await until(lambda: "'allkeys-lfu'" in watcher.view.store_warning, "the policy is seen")
        await publisher.announce(publisher.write([row("sw1", errors=1)]))
        await until(lambda: "could not be loaded" in trouble(watcher), "the load fails")
        assert "may evict keys of a snapshot: set it to noeviction" in trouble(watcher)


async def test_a_missing_right_to_listen_is_said(redis_server: EmbeddedRedis, publisher: Publisher, redis: Any) -> None:
    """Without hints the polls go on, and the log says once which right is missing."""
    rights = ("on", ">pw", "~sb:*", "resetchannels", "-@all", "+ping", "+zrange", "+get", "+pttl")
    await redis.execute_command("ACL", "SETUSER", "deaf", *rights)
    with structlog.testing.capture_logs() as logs:
        store = Store(redis_server.url.replace("unix://", "unix://deaf:pw@"))
        async with contextlib.aclosing(store), watching(store) as watcher:
            await publisher.publish([row("sw1", errors=1)])
            await until(lambda: snapshot_of(watcher) == "1-test", "the snapshot")
            await until(lambda: any(line["event"] == "hints lost" for line in logs), "it is said")
    said = [line for line in logs if (line["event"], line["log_level"]) == ("hints lost", "error")]
    assert len(said) == 1
    assert [
        word for word in ("'deaf'", "SUBSCRIBE", "sb:moved", "docs/operation.md") if word not in said[0]["error"]
    ] == []
