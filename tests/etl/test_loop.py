"""One source on its schedule, over time: statuses, metrics, logs, retries, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from switchboard.model import Outcome, SourceStatus
from switchboard.store import keys
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.leases import Lease
from tests.etl.conftest import Lab, body, new_lab
from tests.lab.processes import free_port
from tests.lab.servers import Request, Step, Steps, eventually, http

GOOD = [http(200, body(1), etag='"v1"')]


async def test_a_success_is_told_to_the_store(lab: Lab) -> None:
    """The status has what came, when, and the first rejects, and the metrics count it."""
    bad = b"1795460000,sw9,x,1\n1795460000\n"
    lab.serve([http(200, body(1) + bad)])
    async with lab.running() as loop:
        status = await lab.until_status(Outcome.PUBLISHED)
    manifest, _ = await lab.store.snapshots.pointer(lab.source.name)
    assert manifest is not None
    assert (status.url, status.interval_ms, status.rows) == (lab.web.url, 400, 4)
    assert status.snapshot is not None
    assert status.confirmed_ms is not None
    assert status.confirmed_ms >= status.attempted_ms
    assert status.rejects == {"bad_number": 1, "columns": 1}
    assert [(each.reason, each.line) for each in status.examples] == [("columns", 6), ("bad_number", 5)]
    assert loop.last_success is not None
    assert lab.metric("scrapes_total", outcome="published") >= 1
    assert lab.metric("rows_total") >= 4
    assert lab.metric("rejects_total", reason="bad_number") >= 1
    assert (lab.metric("last_rows"), lab.metric("last_switches"), lab.metric("last_values")) == (4, 4, 7)
    assert lab.metric("last_expected_bytes") == lab.metric("last_received_bytes") == len(body(1) + bad)
    assert lab.metric("data_timestamp_seconds") == 1795460000
    assert lab.metric("last_success_timestamp_seconds") == pytest.approx(status.confirmed_ms / 1000, abs=5)
    assert lab.metric("stage_seconds_count", stage="total") >= 1


FAILURES: dict[str, tuple[list[bytes | Step], str]] = {
    "http_5xx": ([http(503)], "the source answers 503 Whatever"),
    "content_type": ([http(200, b"<html>", content_type="text/html")], "the body is text/html, not CSV"),
    "timeout": ([Step.HANG], "the scrape took longer than"),
    "truncated": ([http(200, body(2)[:-9], framed=False, content_length="999"), Step.CLOSE], "the body ends too early"),
    "empty": ([http(200)], "the body is empty"),
    "bad_http": ([b"\xff\xfe\xfd\r\n\r\n", Step.CLOSE], "the answer is not HTTP"),
}


@pytest.mark.parametrize("reason", FAILURES)
async def test_a_failure_is_told_to_the_store(lab: Lab, reason: str) -> None:
    """The status has reason and sentence, and still says what is current; the metrics count it by its reason."""
    steps, sentence = FAILURES[reason]
    lab.serve(GOOD)
    async with lab.running():
        good = await lab.until_status(Outcome.PUBLISHED)
        before = await lab.data()
        lab.serve(steps)
        failed = await lab.until_status(Outcome.FAILED, reason)
        assert failed.error.startswith(sentence)
        assert (failed.snapshot, failed.rows) == (good.snapshot, good.rows)
        assert failed.confirmed_ms is not None
        assert await lab.data() == before
        lab.serve(GOOD)
        await lab.until_status(Outcome.UNCHANGED)
    assert lab.metric("scrapes_total", outcome="failed") >= 1
    assert lab.metric("failures_total", reason=reason) >= 1


async def test_a_truncated_body_shows_in_the_bytes(lab: Lab) -> None:
    """Bytes expected and received differ after a body that was cut off, which is how people find such a source."""
    lab.serve([http(200, body(1)[:50], framed=False, content_length="999"), Step.CLOSE])
    async with lab.running():
        await lab.until_status(Outcome.FAILED, "truncated")
    assert (lab.metric("last_expected_bytes"), lab.metric("last_received_bytes")) == (999, 50)


async def test_words_of_a_source_that_are_no_text_do_no_harm(lab: Lab) -> None:
    """A source may put any bytes into its answers: they are shown, and nothing ends."""
    lab.serve([b"HTTP/1.1 500 \xff\xfe" + b"x" * 5000 + b"\r\nContent-Length: 0\r\n\r\n"])
    async with lab.running():
        status = await lab.until_status(Outcome.FAILED, "http_5xx")
        assert status.error.startswith("the source answers 500")
        assert len(status.error) < 1000
        lab.serve(GOOD)
        await lab.until_status(Outcome.PUBLISHED)


async def test_a_failure_that_lasts_is_said_once(lab: Lab, logs: list[Any]) -> None:
    """One error when it begins, one line when it is over, and none for each attempt between, whatever varies in it."""
    sizes = iter(range(1, 1000))

    def cut(_request: Request) -> Steps:
        return [http(200, body(1)[: next(sizes)], framed=False, content_length="999"), Step.CLOSE]

    lab.web.answer = cut
    async with lab.running(interval=5.0, timeout=5.0):  # none of them is to time out
        await lab.until_requests(4)
        lab.serve(GOOD)
        await lab.until_status(Outcome.PUBLISHED)
    events = [event["event"] for event in logs]
    assert events.count("scrape failed") == 1
    assert events.count("scrape recovered") == 1
    (failed,) = (event for event in logs if event["event"] == "scrape failed")
    assert (failed["log_level"], failed["reason"], failed["url"]) == ("error", "truncated", lab.web.url)


async def test_every_scrape_is_one_line(lab: Lab, logs: list[Any]) -> None:
    """At info, with what came; rejects are said at debug, with their place."""
    lab.serve([http(200, body(1) + b"1795460000,sw9,x,1\n")])
    async with lab.running():
        await lab.until_status(Outcome.PUBLISHED)
    first = next(event for event in logs if event["event"] == "scrape")
    assert (first["log_level"], first["outcome"], first["rows"], first["rejects"]) == ("info", "published", 4, 1)
    reject = next(event for event in logs if event["event"] == "reject")
    assert (reject["log_level"], reject["line"], reject["column"], reject["value"]) == ("debug", 5, "a", "x")


@pytest.mark.parametrize("date", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "x" * 1000, "-1", "1 Jan 1 -0000"])
async def test_odd_dates_do_no_harm(lab: Lab, date: str) -> None:
    """A source may say that it is any time: it is scraped all the same."""
    lab.serve([http(200, body(1), date=date, last_modified=date, retry_after=date)], [http(503, retry_after=date)])
    async with lab.running():
        await lab.until_status(Outcome.PUBLISHED)
        await lab.until_status(Outcome.FAILED, "http_5xx")


async def test_a_fault_of_ours_fails_one_scrape(lab: Lab, logs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever crashes, the attempt has failed, with the reason and a traceback, and the next one comes."""

    def crash(*_: object) -> None:
        raise ZeroDivisionError("what nobody thought of")

    lab.serve(GOOD)
    with monkeypatch.context() as patched:
        patched.setattr("switchboard.etl.cycle.data_age_ms", crash)
        async with lab.running():
            failed = await lab.until_status(Outcome.FAILED, "internal")
            assert failed.error == "the scrape crashed: ZeroDivisionError: what nobody thought of"
            patched.undo()
            await lab.until_status(Outcome.PUBLISHED)
    (said,) = [event for event in logs if event["event"] == "scrape failed"]
    assert isinstance(said["exc_info"], ZeroDivisionError)


async def test_attempts_are_numbered(lab: Lab) -> None:
    """Within the epoch of the lease each status has the next number, whether the attempt succeeds or fails."""
    lab.serve(GOOD, [http(500)])
    async with lab.running():
        first = await lab.until_status(Outcome.PUBLISHED)
        second = await lab.until_status(Outcome.FAILED, "http_5xx")
    assert first.epoch == second.epoch > 0
    assert 0 < first.attempt < second.attempt


async def test_old_data_is_said_once(lab: Lab, logs: list[Any]) -> None:
    """One warning when the newest row has become too old, and one line when the data moves on."""
    lab.serve([http(200, body(1), etag='"v1"')])
    async with lab.running():
        await lab.until_status(Outcome.PUBLISHED)
        lab.serve([http(304)])
        await lab.until_status(Outcome.UNCHANGED)
        await lab.until_status(Outcome.UNCHANGED)
        now = int(time.time())
        lab.serve([http(200, body(2).replace(b"1795460000", b"%d" % now))])

        async def said() -> bool:
            return "data is current again" in [event["event"] for event in logs]

        await eventually(said, "the end is said")
    (warning,) = [event for event in logs if event["event"].startswith("data is old")]
    assert (warning["log_level"], warning["source"], warning["max_data_age"]) == ("warning", lab.source.name, 900)
    assert warning["data_age_seconds"] > 900


# Restarts and ends


async def test_a_body_without_times_is_said_once(lab: Lab, logs: list[Any]) -> None:
    """One line in the log and one reject name the columns; rows get the time of the scrape."""
    lab.serve(*[[http(200, f"time,switch_id,a\n1,sw1,{value}\n".encode())] for value in range(4)])
    async with lab.running():
        await lab.until_status(Outcome.PUBLISHED)
        await lab.until_status(Outcome.PUBLISHED)
        status = await lab.until_status(Outcome.PUBLISHED)
    assert status.rejects == {"no_times": 1}
    assert [(reject.line, reject.value) for reject in status.examples] == [(1, "time, switch_id, a")]
    (said,) = [line for line in logs if line["event"] == "column"]
    assert (said["log_level"], said["reason"]) == ("warning", "no_times")
    assert said["note"].startswith("the columns 'time, switch_id, a' have no times, so rows get the time of the ")


async def test_a_restarted_loop_goes_on_where_it_was(lab: Lab) -> None:
    """All that matters is in the store: after a restart the first request is conditional, and its 304 confirms."""
    lab.serve(GOOD, [http(304)])
    async with lab.running():
        first = await lab.until_status(Outcome.PUBLISHED)
    lab.store.statuses.clear()
    lab.web.requests.clear()
    async with lab.running():
        second = await lab.until_status(Outcome.UNCHANGED)
    assert second.snapshot == first.snapshot
    assert second.rows == 3
    assert lab.web.requests[0].headers["if-none-match"] == '"v1"'


async def test_the_end_leaves_nothing_half_done(lab: Lab) -> None:
    """Stopped in the middle of a body, it removes what it wrote, and only then gives the lease back."""
    large = body(2, switches=60_000)
    lab.serve([http(200, large[:1_100_000], framed=False, content_length=str(len(large))), Step.HANG])

    async def blocks() -> int:
        return len(await lab.data())

    async with lab.running(interval=30.0, timeout=20.0, most_bytes=len(large)):
        await eventually(blocks, "blocks of the snapshot")
        assert await lab.client.exists(keys.lease(lab.source.name))
    assert await lab.data() == {}
    assert not await lab.client.exists(keys.lease(lab.source.name))


@contextlib.asynccontextmanager
async def overtaken(lab: Lab, answer: Steps) -> AsyncIterator[SourceStatus]:
    """A loop whose lease another writer has taken during a scrape, and the status that this one has written.

    The scrape then ends with ``answer``.
    """
    taken = asyncio.Event()
    lab.serve([taken, *answer])
    theirs = SourceStatus(
        source=lab.source.name,
        url="http://elsewhere/",
        interval_ms=10_000,
        attempted_ms=1,
        outcome=Outcome.PUBLISHED,
        duration_ms=1,
    )
    async with lab.running(interval=30.0, timeout=20.0):
        await lab.until_requests(1)
        await lab.client.set(keys.lease(lab.source.name), "another:99:0", px=20_000)
        assert await lab.store.sources.write_status(theirs, Lease(lab.source.name, "another", 99))
        taken.set()
        yield theirs


async def until_noticed(lab: Lab, reason: str) -> None:
    """Wait until an attempt has failed so, and the keeper knows that the lease is lost."""

    async def noticed() -> bool:
        return lab.metric("failures_total", reason=reason) >= 1 and lab.metric("source_owned") == 0

    await eventually(noticed, f"a failure ({reason}), and a lost lease")


async def test_who_lost_the_lease_says_nothing(lab: Lab, logs: list[Any]) -> None:
    """A writer that was overtaken leaves the new owner's status alone, and its refused attempt is no failed scrape."""
    async with overtaken(lab, [http(200, body(1))]) as theirs:
        await until_noticed(lab, "lease")
        assert await lab.store.sources.status(lab.source.name) == theirs
    assert await lab.data() == {}
    assert {"scrape failed", "lease lost"} & {event["event"] for event in logs} == {"lease lost"}


async def test_a_failure_of_an_overtaken_writer_does_not_replace_the_new_owners_status(lab: Lab) -> None:
    """Its scrape fails before it notices that it was overtaken."""
    async with overtaken(lab, [http(500, b"")]) as theirs:
        await until_noticed(lab, "http_5xx")
        assert await lab.store.sources.status(lab.source.name) == theirs


async def test_two_owners_one_scrapes(lab: Lab) -> None:
    """Exactly one of two ingesters asks the source; when it stops, the other goes on at once."""
    async with contextlib.AsyncExitStack() as later:
        async with lab.running("first"):
            await lab.until_status(Outcome.PUBLISHED)
            second = await later.enter_async_context(lab.running("second"))
            await lab.until_requests(len(lab.web.requests) + 6)
            assert second.last_success is None
            assert lab.web.most_busy == 1

        async def taken_over() -> bool:
            return second.last_success is not None

        await eventually(taken_over, "the second one scrapes")


async def test_a_store_that_stops_and_comes_back(redis_server: EmbeddedRedis, logs: list[Any]) -> None:
    """While the store says nothing, that is said once; when it answers, and is empty, scraping goes on by itself."""
    assert redis_server.pid is not None
    async with new_lab(redis_server.url) as lab, lab.running():
        await lab.until_status(Outcome.PUBLISHED)
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:

            async def said() -> bool:
                return "store failed" in [event["event"] for event in logs]

            await eventually(said, "the failure is said")
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
        await lab.client.flushall()

        async def published() -> bool:
            return await lab.value() == 1

        await eventually(published, "the snapshot is published again")
        assert await lab.store.sources.names() == [lab.source.name]
    events = [event["event"] for event in logs]
    assert events.count("store failed") == 1
    assert events.count("store reached") == 1


async def test_a_source_that_is_not_there_yet(lab: Lab) -> None:
    """A refused connection is a failure like any other, and the first answer is published."""
    url = lab.web.url
    async with lab.running(url=f"http://127.0.0.1:{free_port()}/counters"):
        status = await lab.until_status(Outcome.FAILED, "refused")
        assert (status.snapshot, status.confirmed_ms) == (None, None)
    async with lab.running(url=url):
        await lab.until_status(Outcome.PUBLISHED)
