"""One attempt: what becomes of a snapshot for every answer that a source may give."""

from __future__ import annotations

import asyncio
import gzip
from email.utils import formatdate
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from switchboard.clocks import Clocks, boottime
from switchboard.config.resolve import resolve_sources
from switchboard.config.settings import Settings
from switchboard.config.sources import ColumnSettings, SourceSettings
from switchboard.errors import LeaseLost, PublishRefused, SourceError, StoreError, SwitchboardError
from switchboard.etl.pull.scrape import MOST_VALIDATOR_BYTES
from switchboard.model import Manifest, Outcome
from switchboard.snapshot.metrics import Kind
from switchboard.store import keys
from switchboard.store.embedded import EmbeddedRedis
from tests.etl.conftest import MOST_BYTES, Lab, body, new_lab
from tests.lab.processes import free_port
from tests.lab.servers import LAST_CHUNK, Step, Steps, chunked, eventually, http

TAGGED = [http(200, body(1), etag='"v1"')]
NOT_MODIFIED = [http(304)]
LIFE_MS = 3000


async def shorten(lab: Lab) -> None:
    """Let all keys of the snapshot live for at most LIFE_MS."""
    for name in await lab.data():
        await lab.client.pexpire(name, LIFE_MS)


def unnumbered(manifest: Manifest) -> Manifest:
    """A manifest without what a confirmation changes."""
    return replace(manifest, epoch=0, seq=0, data_age_ms=None)


# Publishing


async def test_a_body_becomes_a_snapshot(lab: Lab) -> None:
    """A 200 is parsed and published: the manifest says what is in it, and the rows can be read."""
    lab.serve([http(200, body(7) + b"1795460005,sw9,8,x\nbroken\n", etag='"v1"', last_modified="yesterday")])
    report = await lab.attempt()
    manifest, ttl_ms = await lab.store.snapshots.pointer(lab.source.name)
    assert report.outcome is Outcome.PUBLISHED
    assert report.manifest == manifest
    assert (manifest.rows, manifest.switches, manifest.values, manifest.blocks) == (4, 4, 7, 4)
    assert manifest.rejects == {"bad_number": 1, "columns": 1}
    assert manifest.last_time_updated == 1795460005
    assert (manifest.data_min_us, manifest.data_max_us) == (1795460000_000_000, 1795460005_000_000)
    assert (manifest.interval_ms, manifest.ttl_ms) == (400, 20_000)
    assert (manifest.etag, manifest.last_modified) == ('"v1"', "yesterday")
    assert manifest.snapshot.startswith(f"{manifest.scraped_ms}-")
    assert 0 < ttl_ms <= 20_000
    assert list((await lab.snapshot()).switches) == ["sw1", "sw2", "sw3", "sw9"]
    assert manifest.size_bytes == sum([await lab.client.strlen(name) for name in await lab.data() if b"/" in name])


async def test_keys_have_the_lives_of_the_design(lab: Lab) -> None:
    """With the defaults the pointer lives for 30 s at most, blocks and index for 45 s, and longer than the pointer."""
    (source,) = resolve_sources(Settings(sources=(SourceSettings(url=lab.web.url, name=lab.source.name),)))
    await lab.attempt(interval=source.interval, timeout=source.timeout, ttl=source.ttl)
    pointer = keys.pointer(lab.source.name).encode()
    for name in await lab.data():
        life_ms = await lab.client.pttl(name)
        if name == pointer:
            assert 25_000 < life_ms <= 30_000
        else:
            assert 38_000 < life_ms <= 45_000


async def test_every_snapshot_is_new(lab: Lab) -> None:
    """A changed body becomes a snapshot of its own; the one before stays as it was until it expires."""
    lab.serve([http(200, body(1))], [http(200, body(2))])
    first = (await lab.attempt()).manifest
    before = await lab.data()
    second = (await lab.attempt()).manifest
    assert first.snapshot != second.snapshot
    assert await lab.value() == 2
    pointer = keys.pointer(lab.source.name).encode()
    after = await lab.data()
    assert {name: after[name] for name in before if name != pointer} == {
        name: value for name, value in before.items() if name != pointer
    }


@pytest.mark.parametrize(
    "steps",
    [
        [http(200, gzip.compress(body(5)), content_encoding="gzip")],
        [http(200, framed=False, transfer_encoding="chunked"), chunked(body(5)[:70], body(5)[70:]), LAST_CHUNK],
        [
            http(
                200, b"\xef\xbb\xbf" + body(5).replace(b"\n", b"\r\n").rstrip(), content_type="application/octet-stream"
            )
        ],
    ],
    ids=["gzip", "chunked", "BOM and CRLF"],
)
async def test_bodies_of_all_kinds(lab: Lab, steps: Steps) -> None:
    """Compressed, in chunks, or with foreign line ends: the snapshot is the same."""
    lab.serve(steps)
    await lab.attempt()
    assert await lab.value() == 5


async def test_a_large_body_is_streamed(lab: Lab) -> None:
    """Blocks of a body of several pieces are written while it comes, before anything points to them."""
    large = body(3, switches=60_000)
    assert len(large) > MOST_BYTES
    more = asyncio.Event()
    lab.serve([http(200, large[:-9], framed=False, content_length=str(len(large))), more, large[-9:]])
    attempt = asyncio.ensure_future(lab.attempt(most_bytes=len(large)))

    async def blocks() -> int:
        return len(await lab.data())

    await eventually(blocks, "blocks of a body that has not ended")
    assert await lab.store.snapshots.pointer(lab.source.name) == (None, 0)
    more.set()
    assert (await attempt).manifest.rows == 60_000
    assert await lab.value() == 3


# Confirming


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("again", [NOT_MODIFIED, TAGGED, [http(200, body(1))]], ids=["304", "200", "200 without ETag"])
async def test_an_unchanged_source_confirms_its_snapshot(lab: Lab, again: Steps, restarted: bool) -> None:
    """A 304, or a 200 with the body we have, gives all keys a new life, the pointer the next number, and changes
    nothing else.
    """
    lab.serve(TAGGED, again)
    first = await lab.attempt()
    before = await lab.snapshot_data()
    await shorten(lab)
    if restarted:
        lab.restart()
    report = await lab.attempt()
    assert report.outcome is Outcome.UNCHANGED
    assert report.manifest.order > first.manifest.order
    assert unnumbered(report.manifest) == unnumbered(first.manifest)
    assert (await lab.store.snapshots.pointer(lab.source.name))[0] == report.manifest
    assert await lab.snapshot_data() == before
    assert min(await lab.life_ms()) > LIFE_MS
    assert lab.web.requests[1].headers["if-none-match"] == '"v1"'


async def test_a_request_is_conditional_only_while_the_snapshot_lives(lab: Lab) -> None:
    """Without a pointer the source is asked for a body, whatever we remember of it."""
    lab.serve(TAGGED)
    await lab.attempt()
    await lab.client.delete(keys.pointer(lab.source.name))
    assert (await lab.attempt()).outcome is Outcome.PUBLISHED
    assert ["if-none-match" in request.headers for request in lab.web.requests] == [False, False]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("missing", ["block", "index"])
async def test_a_304_for_a_snapshot_that_is_gone_is_fetched_again(lab: Lab, missing: str, restarted: bool) -> None:
    """If any key was lost, the same attempt asks again without validators, and publishes what comes."""
    lab.serve(TAGGED, NOT_MODIFIED, TAGGED)
    first = await lab.attempt()
    names = {
        "block": keys.block(lab.source.name, first.manifest.snapshot, "sw2", 1),
        "index": keys.index(lab.source.name, first.manifest.snapshot),
    }
    await lab.client.delete(names[missing])
    if restarted:
        lab.restart()
    report = await lab.attempt()
    assert report.outcome is Outcome.PUBLISHED
    assert report.manifest.snapshot != first.manifest.snapshot
    assert await lab.value() == 1
    assert ["if-none-match" in request.headers for request in lab.web.requests] == [False, True, False]


async def test_an_unchanged_200_for_a_snapshot_that_is_gone_is_published(lab: Lab) -> None:
    """The body is there already, so it becomes a new snapshot at once."""
    lab.serve(TAGGED)
    first = await lab.attempt()
    await lab.client.delete(keys.block(lab.source.name, first.manifest.snapshot, "sw2", 1))
    assert (await lab.attempt()).outcome is Outcome.PUBLISHED
    assert await lab.value() == 1
    assert len(lab.web.requests) == 2


async def test_a_304_that_nobody_asked_for_confirms(lab: Lab) -> None:
    """A source without validators that answers 304 means the snapshot it gave us last."""
    lab.serve([http(200, body(1))], NOT_MODIFIED)
    first = await lab.attempt()
    await shorten(lab)
    report = await lab.attempt()
    assert (report.outcome, report.manifest.snapshot) == (Outcome.UNCHANGED, first.manifest.snapshot)
    assert min(await lab.life_ms()) > LIFE_MS


@pytest.mark.parametrize("again", [NOT_MODIFIED, TAGGED, [http(200, body(2))]], ids=["304", "same body", "new body"])
async def test_what_comes_too_late_does_not_count(lab: Lab, again: Steps) -> None:
    """A process that stood still between answer and announcement neither confirms nor publishes: it may be old news."""
    lab.serve(TAGGED, again)
    await lab.attempt()
    before = await lab.data()
    with pytest.raises(SourceError, match="longer than its time") as raised:
        await lab.attempt(deadline=boottime())
    assert raised.value.reason == "timeout"
    assert await lab.data() == before


@pytest.mark.parametrize("again", [NOT_MODIFIED, [http(200, body(1))]], ids=["304", "200"])
async def test_a_full_store_keeps_a_snapshot_that_is_unchanged(redis_server: EmbeddedRedis, again: Steps) -> None:
    """It takes no block any more, but what is there is confirmed; a new body is refused, and nothing is lost by it."""
    async with new_lab(redis_server.url) as lab:
        lab.serve(TAGGED, again, [http(200, body(2))])
        first = await lab.attempt()
        await lab.client.config_set("maxmemory", 1)
        await shorten(lab)
        report = await lab.attempt()
        assert report.outcome is Outcome.UNCHANGED
        assert report.manifest.order > first.manifest.order
        assert min(await lab.life_ms()) > LIFE_MS
        with pytest.raises(StoreError, match="maxmemory"):
            await lab.attempt()
        assert await lab.value() == 1


async def test_a_304_without_a_snapshot_is_a_failure(lab: Lab) -> None:
    """A source that says «unchanged» to somebody who has nothing to compare with has failed."""
    lab.serve(NOT_MODIFIED)
    with pytest.raises(SourceError) as raised:
        await lab.attempt()
    assert raised.value.reason == "unasked_304"
    assert await lab.data() == {}


async def test_what_is_known_of_the_columns_is_stored_with_the_snapshot(lab: Lab) -> None:
    """Readers get names, kinds and units with the rows; a body that stays the same is read again if more is known."""
    lab.serve([http(200, b"switch_id,packet_errors,a\nsw1,1,2\n")])
    await lab.attempt()
    snapshot = await lab.snapshot()
    assert [column.original for column in snapshot.columns] == ["switch_id", "packet_errors", "a"]
    assert (snapshot.info("packet_errors").kind, snapshot.info("a").kind) == (Kind.COUNTER, Kind.UNKNOWN)
    report = await lab.attempt(columns=ColumnSettings(counters=("a",), units={"a": "By"}))
    assert report.outcome is Outcome.PUBLISHED
    info = (await lab.snapshot()).info("a")
    assert (info.kind, info.unit) == (Kind.COUNTER, "By")


async def test_other_settings_make_another_snapshot(lab: Lab) -> None:
    """What was made with other columns, times or from another URL is not confirmed: it is fetched and made again."""
    lab.serve(TAGGED)
    await lab.attempt()
    others: list[dict[str, Any]] = [{"columns": ColumnSettings(labels=("a",))}, {"ttl": 21.0}, {"interval": 0.5}]
    for other in others:
        assert (await lab.attempt(**other)).outcome is Outcome.PUBLISHED
        assert (await lab.attempt(**other)).outcome is Outcome.UNCHANGED
    assert ["if-none-match" in request.headers for request in lab.web.requests] == [False, *[False, True] * 3]


async def test_odd_validators_do_no_harm(lab: Lab) -> None:
    """A source whose ETag is too long, or no text, is a source without one."""
    for etag in ("x" * (MOST_VALIDATOR_BYTES + 1), "\xff\xfe", '"é"'):
        lab.serve([http(200, body(len(etag)), etag=etag, last_modified=etag)])
        manifest = (await lab.attempt()).manifest
        assert (manifest.etag, manifest.last_modified) == (None, None)


async def test_a_pointer_that_is_garbage_is_replaced(lab: Lab) -> None:
    """What stands there is no snapshot: the source is asked for a body, and its snapshot published."""
    await lab.client.set(keys.pointer(lab.source.name), b"\xff{", px=10_000)
    await lab.attempt()
    assert await lab.value() == 1


# The age of the data


@pytest.mark.parametrize(
    ("headers", "least_seconds"),
    [
        ({"date": formatdate(1795460100, usegmt=True)}, 100),
        ({"date": formatdate(1795460100, usegmt=True), "age": "20"}, 120),  # a cache has kept it
        ({"date": formatdate(1795460100, usegmt=True), "age": "soon"}, 100),
        ({"date": formatdate(1795459000, usegmt=True)}, 0),
    ],
)
async def test_the_age_of_the_data_is_stored_with_each_confirmation(
    lab: Lab, headers: dict[str, Any], least_seconds: int
) -> None:
    """By the source's own clock: its Date less its newest row, at a 200 and at a 304."""
    lab.serve([http(200, body(1), etag='"v1"', **headers)], [http(304, **headers)])
    for _ in range(2):
        age_ms = (await lab.attempt()).manifest.data_age_ms
        assert age_ms is not None
        assert least_seconds * 1000 <= age_ms < least_seconds * 1000 + 60_000
        assert (await lab.manifest()).data_age_ms == age_ms


async def test_without_a_date_our_own_clock_tells_the_age(lab: Lab) -> None:
    """A source does not say what time it is: its rows are 50 s old by our clock, and 2 s later when that is told."""
    readings = iter((100.0, 102.0))
    lab.clocks = Clocks(wall_ns=lambda: (1577836800 + 50) * 1_000_000_000, boottime=lambda: next(readings))
    lab.serve([http(200, b"timestamp,switch_id,a\n1577836800,sw1,1\n", date="")])
    assert (await lab.attempt()).manifest.data_age_ms == 52_000


async def test_rows_without_times_have_no_age(lab: Lab) -> None:
    """They got the time of the scrape, which says nothing of the source: an age is not guessed, at a 304 neither."""
    lab.serve([http(200, b"switch_id,a\nsw1,1\n", etag='"v1"')], [http(304)])
    for _ in range(2):
        assert (await lab.attempt()).manifest.data_age_ms is None


async def test_the_limit_of_the_age_is_stored_too(lab: Lab) -> None:
    """Readers need no settings of the source; another limit makes no other snapshot."""
    lab.serve(TAGGED)
    assert (await lab.attempt()).manifest.max_data_age_ms == 900_000
    for seconds, limit_ms in ((50.0, 50_000), (0.0, 0)):
        report = await lab.attempt(max_data_age=seconds)
        assert (report.outcome, report.manifest.max_data_age_ms) == (Outcome.UNCHANGED, limit_ms)
        assert (await lab.manifest()).max_data_age_ms == limit_ms


async def test_the_longest_period_is_remembered(lab: Lab) -> None:
    """Over restarts and other settings, because it stands in the manifest, and over shorter periods."""
    lab.serve([http(200, body(1))], [http(200, body(2))], [http(200, body(3))])
    first = (await lab.attempt()).manifest
    text = msgspec.json.encode(replace(first, longest_period_ms=3_600_000))
    await lab.client.set(keys.pointer(lab.source.name), text, keepttl=True)
    others: list[dict[str, Any]] = [{}, {"ttl": 21.0}]
    for changes in others:
        lab.restart()
        manifest = (await lab.attempt(**changes)).manifest
        assert (manifest.longest_period_ms, manifest.max_data_age_ms) == (3_600_000, 10_800_000)


# Failing


CSV = body(2)
LARGE = body(2, switches=60_000)
FAILURES: dict[str, tuple[str, Steps]] = {
    "500": ("http_5xx", [http(500)]),
    "503": ("http_5xx", [http(503, retry_after="1")]),
    "redirect": ("redirect", [http(301, location="/elsewhere")]),
    "html": ("content_type", [http(200, b"<html>no</html>", content_type="text/html")]),
    "html as csv": ("html", [http(200, b"<html>no</html>", content_type="text/csv")]),
    "truncated": ("truncated", [http(200, CSV[:-9], framed=False, content_length=str(len(CSV))), Step.CLOSE]),
    "aborted chunks": ("truncated", [http(200, framed=False, transfer_encoding="chunked"), chunked(CSV), Step.CLOSE]),
    "unframed": ("unframed", [http(200, CSV, framed=False), Step.CLOSE]),
    "truncated gzip": ("truncated", [http(200, gzip.compress(CSV)[:-4], content_encoding="gzip")]),
    "gzip and more": ("bad_gzip", [http(200, gzip.compress(CSV) + b"\0", content_encoding="gzip")]),
    "brotli": ("encoding", [http(200, CSV, content_encoding="br")]),
    "empty": ("empty", [http(200, b"")]),
    "empty gzip": ("empty", [http(200, gzip.compress(b""), content_encoding="gzip")]),
    "header only": ("empty", [http(200, CSV.split(b"\n")[0])]),
    "no row": ("no_rows", [http(200, b"switch_id,a\n,1\n")]),
    "no switch": ("schema", [http(200, b"a,b\n1,2\n")]),
    "quote": ("unterminated_quote", [http(200, CSV + b'1795460000,"sw4,1,1\n')]),
    "lone CR": ("lone_cr", [http(200, CSV.replace(b"\n", b"\r"))]),
    "too large": ("too_large", [http(200, LARGE)]),
    "bomb": ("too_large", [http(200, gzip.compress(LARGE * 20, 1), content_encoding="gzip")]),
    "large and truncated": (
        "truncated",
        [http(200, LARGE[:1_100_000], framed=False, content_length=str(len(LARGE))), Step.CLOSE],
    ),
    "large and broken": ("unterminated_quote", [http(200, LARGE + b'1795460000,"sw0,1,1\n')]),
    "reset": ("connection", [Step.RESET]),
    "closed": ("connection", [Step.CLOSE]),
    "not HTTP": ("bad_http", [b"\xff\xfe\r\n\r\n", Step.CLOSE]),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_a_failed_scrape_leaves_the_snapshot_as_it_was(lab: Lab, case: str) -> None:
    """Byte for byte, and with nothing beside it of the one that failed; the next good body is published."""
    reason, steps = FAILURES[case]
    lab.serve(TAGGED)
    most_bytes = len(LARGE) + 100 if case.startswith("large") else MOST_BYTES
    await lab.attempt(most_bytes=most_bytes)
    before = await lab.data()
    lab.serve(steps)
    with pytest.raises(SourceError) as raised:
        await lab.attempt(most_bytes=most_bytes)
    assert raised.value.reason == reason
    assert await lab.data() == before
    assert await lab.value() == 1
    lab.serve([http(200, body(3))])
    await lab.attempt(most_bytes=most_bytes)
    assert await lab.value() == 3


async def test_a_refused_connection_leaves_the_snapshot_as_it_was(lab: Lab) -> None:
    """Nobody listens any more."""
    await lab.attempt()
    before = await lab.data()
    with pytest.raises(SourceError) as raised:
        await lab.attempt(url=f"http://127.0.0.1:{free_port()}/")
    assert raised.value.reason == "refused"
    assert await lab.data() == before


async def test_a_cancelled_scrape_leaves_nothing(lab: Lab) -> None:
    """Cancelled while blocks are being written, it removes them before it ends; the snapshot before is untouched."""
    lab.serve(TAGGED, [http(200, LARGE[:1_100_000], framed=False, content_length=str(len(LARGE))), Step.HANG])
    await lab.attempt(most_bytes=len(LARGE))
    before = await lab.data()
    attempt = asyncio.ensure_future(lab.attempt(most_bytes=len(LARGE)))

    async def more() -> bool:
        return len(await lab.data()) > len(before)

    await eventually(more, "blocks of the second snapshot")
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert await lab.data() == before


async def test_nothing_is_published_without_the_lease(lab: Lab) -> None:
    """A writer that lost its lease while it scraped is refused, and removes what it wrote."""
    lab.serve(TAGGED, [http(200, body(2))])
    await lab.attempt()
    before = await lab.data()
    await lab.client.delete(keys.lease(lab.source.name))
    assert await lab.store.leases.take(lab.source.name, "another") is not None
    with pytest.raises(LeaseLost):
        await lab.attempt()
    assert await lab.data() == before


async def test_an_older_snapshot_is_not_published(lab: Lab) -> None:
    """A pointer of a higher epoch stays, and the snapshot that came too late is removed."""
    lab.serve(TAGGED, [http(200, body(2))])
    manifest = (await lab.attempt()).manifest
    pointer = keys.pointer(lab.source.name)
    text = (await lab.client.get(pointer)).replace(
        f'"epoch":{manifest.epoch}'.encode(), f'"epoch":{manifest.epoch + 1}'.encode()
    )
    await lab.client.set(pointer, text, keepttl=True)
    before = await lab.data()
    with pytest.raises(PublishRefused):
        await lab.attempt()
    assert await lab.data() == before


async def test_without_a_lease_the_source_is_not_asked(lab: Lab) -> None:
    """Who stands by does not scrape."""
    await lab.client.set(keys.lease(lab.source.name), "another:1", px=10_000)
    with pytest.raises(SwitchboardError):
        await lab.attempt()
    assert lab.web.requests == []
