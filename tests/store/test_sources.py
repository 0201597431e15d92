"""The list of sources and their statuses, on every kind of Redis."""

from __future__ import annotations

from typing import Any

import pytest

from switchboard.errors import KeyUnusable
from switchboard.model import Outcome, Reject, SourceStatus
from switchboard.store import keys
from switchboard.store.store import Store
from tests.store.harness import GARBAGE, STATUS


async def test_sources_are_known_in_their_order(store: Store) -> None:
    """They stand at their places, however often they are registered, until they are forgotten."""
    assert await store.sources.names() == []
    for _ in range(2):
        for place, source in enumerate(("zebra", "ape", "x.y_z-1")):
            await store.sources.register(source, place)
    assert await store.sources.names() == ["zebra", "ape", "x.y_z-1"]
    await store.sources.forget("ape")
    await store.sources.forget("ape")
    assert await store.sources.names() == ["zebra", "x.y_z-1"]


async def test_a_status_is_kept_for_ten_intervals(store: Store, client: Any) -> None:
    """What was written can be read, and ends; garbage is as good as none."""
    status = SourceStatus(
        source="lab",
        url="http://lab/",
        interval_ms=10_000,
        attempted_ms=5,
        outcome=Outcome.FAILED,
        duration_ms=1.5,
        reason="http_5xx",
        error="the source answers 500",
        rejects={"bad_number": 1},
        examples=[Reject(reason="bad_number", line=2, column="a", value="37C")],
    )
    assert await store.sources.status("lab") is None
    lease = await store.leases.take("lab", "me")
    assert lease is not None
    assert await store.sources.write_status(status, lease)
    assert await store.sources.status("lab") == status
    assert 90_000 < await client.pttl(keys.status("lab")) <= 100_000
    for garbage in GARBAGE:
        await client.set(keys.status("lab"), garbage)
        assert await store.sources.status("lab") is None


async def test_a_status_is_written_by_the_holder_of_the_lease_only(store: Store, client: Any) -> None:
    """Not by a writer that was overtaken, nor by one whose call was delayed for more than a renewal."""
    lease = await store.leases.take("lab", "me")
    assert lease is not None
    for held, written in (
        (lease.text, True),
        (f"me:{lease.epoch}:1", True),
        (f"me:{lease.epoch}:2", False),
        (f"me:{lease.epoch + 1}:0", False),
        (f"another:{lease.epoch}:0", False),
    ):
        await client.delete(keys.status("lab"))
        await client.set(keys.lease("lab"), held)
        assert await store.sources.write_status(STATUS, lease) is written, held
        assert await store.sources.status("lab") == (STATUS if written else None)


async def test_entries_that_are_no_names_are_told_apart(store: Store, client: Any) -> None:
    """Whatever stands in the list, readers see the names of sources, and the rest can be removed."""
    await store.sources.register("lab", 0)
    strays = [b"\xff\xfe", b"", b"a b", b"\x1b[2J", "é".encode(), b"x" * 65, b"sb:{lab}:lease"]
    for stray in strays:
        await client.zadd(keys.SOURCES, {stray: 1})
    assert await store.sources.names() == ["lab"]
    found = await store.sources.strays()
    assert sorted(found) == sorted(strays)
    for stray in found:
        await store.sources.forget(stray)
    assert await store.sources.strays() == []


async def test_a_list_of_another_type_is_begun_anew(store: Store, client: Any) -> None:
    """Reading it names the key; who registers a source is told that it was replaced."""
    await client.set(keys.SOURCES, "x")
    with pytest.raises(KeyUnusable, match="the key sb:sources holds another type of value"):
        await store.sources.names()
    assert not await store.sources.register("lab", 0)
    assert await store.sources.register("lab", 0)
    assert await store.sources.names() == ["lab"]
