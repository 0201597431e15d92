"""Clocks that are wrong, of one switch, of a source or ours, over a real socket: what is published and what is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from itertools import count
from typing import Any

import msgspec
import pytest
import structlog

from switchboard.clocks import Clocks
from switchboard.config.sources import Access, Source
from switchboard.errors import BodyError
from switchboard.model import Outcome
from switchboard.store.embedded import EmbeddedRedis
from tests.etl.conftest import Lab
from tests.etl.harness import Lab as Running
from tests.etl.harness import running_lab
from tests.etl.limits import source
from tests.lab.servers import Request, Steps, Web, eventually, http

HOUR = 3600
INTERVAL = 1.0


def csv(lines: list[str], header: str = "timestamp,switch_id,rx") -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def patient(url: str) -> Source:
    """A source with a short interval, which is the gate's measure, whose attempts may take their time."""
    return msgspec.structs.replace(source(url, interval=INTERVAL), timeout=60.0)


def now_and_then(wrong: Callable[[float], float], switches: int, *, ports: int = 1) -> Callable[[Request], Steps]:
    """A source of which one switch, sw1, has another time than the others; every body is another."""
    bodies = count()

    def answer(_: Request) -> Steps:
        now, value = time.time(), next(bodies)
        lines = [
            f"{wrong(now) if switch == 1 else now:.0f},sw{switch},{port},{value}"
            for switch in range(1, switches + 1)
            for port in range(1, ports + 1)
        ]
        return [http(200, csv(lines, "timestamp,switch_id,port,rx"), content_type="text/csv")]

    return answer


async def until_published(lab: Running) -> tuple[Any, list[str]]:
    """Attempts until one publishes: its status, and the reasons of those before it."""
    reasons: list[str] = []

    async def published() -> Any:
        status = await lab.attempt()
        if status.outcome is Outcome.PUBLISHED:
            return status
        reasons.append(status.reason)
        return None

    return await eventually(published, "a publication"), reasons


@pytest.mark.parametrize("switches", [2, 20, 2000])
@pytest.mark.parametrize("wrong", [lambda now: now + HOUR, lambda now: now - now + 77], ids=["ahead", "in 1970"])
async def test_an_impossible_time_of_one_switch_keeps_out_no_other(
    redis_server: EmbeddedRedis, wrong: Callable[[float], float], switches: int
) -> None:
    """The others are published by the first scrape, be it one or 1,999; the rows that are left out are named, once."""
    ports = 36 if switches < 2000 else 1
    async with (
        Web(now_and_then(wrong, switches, ports=ports)) as web,
        running_lab(redis_server.url, patient(web.url)) as lab,
    ):
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                assert (await lab.attempt()).outcome is Outcome.PUBLISHED
            status = await lab.attempt()
        assert status.rows == ports * (switches - 1)
        assert status.rejects.keys() <= {"future", "bad_timestamp"}
        assert sum(status.rejects.values()) == ports
        said = [line for line in logs if line["event"] == "published all the same"]
        if switches < 2000:  # where it is a part of the rows that is always tolerated, Rejects has it
            assert len(said) == 1
            assert f"{ports} of {ports * switches} rows" in said[0]["error"]
            assert "all are of switch 'sw1': check its clock" in said[0]["error"]
            assert (status.reason, "check its clock" in status.error) == ("clock", True)


@pytest.mark.parametrize("seconds", [-21, -HOUR, -30 * 86400, 300])
async def test_a_clock_that_is_off_for_good_is_published_at_the_second_look(
    redis_server: EmbeddedRedis, seconds: float
) -> None:
    """All rows are there from then on at every scrape; the switch is named, in the log once."""
    async with (
        Web(now_and_then(lambda now: now + seconds, 3)) as web,
        running_lab(redis_server.url, patient(web.url)) as lab,
    ):
        with structlog.testing.capture_logs() as logs:
            status, reasons = await until_published(lab)
            assert set(reasons) == {"torn"}
            for _ in range(3):
                assert (await lab.attempt()).outcome is Outcome.PUBLISHED
        assert len((await lab.snapshot()).switches) == 3
        assert status.reason == "torn"
        assert f"1 of 3 switches is {'ahead' if seconds > 0 else 'behind'}: 'sw1' by " in status.error
        assert len([line for line in logs if line["event"] == "published all the same"]) == 1


async def test_the_case_of_a_switch_that_is_behind(redis_server: EmbeddedRedis) -> None:
    """Of two switches one is 21 s behind for good: both are published, and it is named."""

    def answer(_: Request) -> Steps:
        now = int(time.time())
        return [http(200, csv([f"{now},sw1,1", f"{now - 21},sw2,2"]), content_type="text/csv")]

    async with Web(answer) as web, running_lab(redis_server.url, patient(web.url)) as lab:
        status, reasons = await until_published(lab)
        assert set(reasons) == {"torn"}
        assert await lab.cells("sw1") == {"rx": 1}
        assert await lab.cells("sw2") == {"rx": 2}
        assert "1 of 2 switches is behind: 'sw2' by 21 s" in status.error


def ours(seconds: float) -> Clocks:
    return Clocks(wall_ns=lambda: time.time_ns() + round(seconds * 1e9))


def rows_of_now(date: bool) -> Callable[[Request], Steps]:
    def answer(_: Request) -> Steps:
        content = csv([f"{time.time():.0f},sw{number},{number}" for number in range(1, 4)])
        reply = http(200, content, content_type="text/csv")
        return [reply if date else b"\r\n".join(at for at in reply.split(b"\r\n") if not at.startswith(b"Date:"))]

    return answer


@pytest.mark.parametrize("behind", [HOUR, 400 * 86400, time.time() - 5], ids=["an hour", "a year", "since 1970"])
async def test_rows_are_right_by_the_clock_of_their_source_when_ours_is_behind(
    lab: Lab, logs: list[Any], behind: float
) -> None:
    """Rows that agree with the source's Date are published, however far our own clock is behind; said once."""
    lab.web.answer = rows_of_now(date=True)
    lab.clocks = ours(-behind)
    for _ in range(3):
        report = await lab.attempt()
        assert (report.outcome in {Outcome.PUBLISHED, Outcome.UNCHANGED}, report.manifest.rejects) == (True, {})
        assert report.manifest.data_age_ms is not None
        assert report.manifest.data_age_ms < 60_000
    (warning,) = [line for line in logs if line["log_level"] == "warning"]
    assert "the clock of this host is behind" in warning["event"]
    assert warning["ahead_seconds"] == pytest.approx(behind, abs=30)


@pytest.mark.parametrize("ahead", [HOUR, 400 * 86400])
async def test_rows_of_now_are_not_too_old_when_our_clock_is_ahead(lab: Lab, logs: list[Any], ahead: float) -> None:
    """Nothing is refused for being old, and the age of data is counted by the source's clock."""
    lab.web.answer = rows_of_now(date=True)
    lab.clocks = ours(ahead)
    report = await lab.attempt()
    assert (report.outcome, report.manifest.rejects) == (Outcome.PUBLISHED, {})
    assert report.manifest.data_age_ms is not None
    assert report.manifest.data_age_ms < 60_000
    assert not [line for line in logs if line["log_level"] == "warning"]


async def test_without_a_date_the_sentence_says_whose_clock_it_may_be(lab: Lab) -> None:
    """A source without Date has no second clock: all its rows are refused, and both clocks are named."""
    lab.web.answer = rows_of_now(date=False)
    lab.clocks = ours(-HOUR)
    with pytest.raises(BodyError) as refused:
        await lab.attempt()
    assert refused.value.reason == "clock"
    assert "3 of 3 rows are more than 10 minutes in the future" in str(refused.value)
    assert "the source sends no Date" in str(refused.value)
    assert "the clock of this host is behind, else that of the source is ahead" in str(refused.value)


async def test_rows_ahead_of_both_clocks_are_refused(lab: Lab) -> None:
    """A source whose rows are an hour ahead of its own Date and of us is told to look at where its times come from."""
    content = csv([f"{time.time() + HOUR:.0f},sw{number},1" for number in range(3)])
    lab.serve([http(200, content, content_type="text/csv")])
    with pytest.raises(BodyError, match=r"by the clock of this host and by the source's own \(Date\)") as refused:
        await lab.attempt()
    assert refused.value.reason == "clock"


async def test_a_date_of_another_age_is_no_witness(lab: Lab) -> None:
    """A Date in the year 9999 makes no row of that year true: readers could not even show it."""
    there = 253_402_300_000
    content = csv([f"{there},sw1,1", f"{there},sw2,1"])
    lab.serve([http(200, content, content_type="text/csv", date=formatdate(there, usegmt=True))])
    with pytest.raises(BodyError):
        await lab.attempt()


async def test_a_note_shows_no_secret(lab: Lab, logs: list[Any]) -> None:
    """A source that has our token as the name of a switch does not bring it into the log."""
    content = csv([f"{time.time():.0f},sw1,1", "77,not-for-the-log,2", "77,not-for-the-log,2"])
    lab.serve([http(200, content, content_type="text/csv")])
    report = await lab.attempt(access=Access(token="not-for-the-log"))
    assert report.note is not None
    assert report.note.reason == "clock"
    assert "not-for-the-log" not in report.note.sentence + str(logs)


async def test_a_source_whose_clock_is_ahead_is_not_kept_out(lab: Lab, logs: list[Any]) -> None:
    """Rows and Date an hour ahead of us: we cannot know whose clock is wrong, so its rows count, and we say so once.

    A row that is an hour ahead of that is left out.
    """
    there = time.time() + HOUR
    date = formatdate(there, usegmt=True)
    good = csv([f"{there:.0f},sw{number},1" for number in range(200)])
    bad = csv([*(f"{there:.0f},sw{number},2" for number in range(200)), f"{there + HOUR:.0f},sw200,2"])
    lab.serve(*([http(200, content, content_type="text/csv", date=date)] for content in (good, bad)))
    assert (await lab.attempt()).manifest.rejects == {}
    assert (await lab.attempt()).manifest.rejects == {"future": 1}
    assert len([line for line in logs if line["log_level"] == "warning"]) == 1


def unchanged(etag: str) -> Callable[[Request], Steps]:
    """A source whose body does not change; with an ``etag`` it answers 304 to who has it."""
    body = csv([*(f"1795460000,sw{switch},1" for switch in range(1, 200)), "1795461000,sw200,1"])
    tag: dict[str, Any] = {"etag": etag} if etag else {}

    def answer(request: Request) -> Steps:
        return [http(304) if etag and request.headers.get("if-none-match") == etag else http(200, body, date="", **tag)]

    return answer


@pytest.mark.parametrize("etag", ["", '"v1"'], ids=["200", "304"])
async def test_a_row_in_the_future_is_taken_when_its_time_has_come(lab: Lab, etag: str, logs: list[Any]) -> None:
    """Also if the body is the same as when it was left out; nobody is told that a tag was used for two bodies."""
    wall_seconds = 1795460000
    lab.clocks = Clocks(wall_ns=lambda: wall_seconds * 1_000_000_000)
    lab.web.answer = unchanged(etag)
    found = []
    for later in (0, 300, 200, 0):
        wall_seconds += later
        report = await lab.attempt(limits=msgspec.structs.replace(lab.source.limits, max_spread=2000.0))
        found.append((report.outcome, (await lab.manifest()).rows))
    assert found == [
        (Outcome.PUBLISHED, 199),
        (Outcome.UNCHANGED, 199),
        (Outcome.PUBLISHED, 200),
        (Outcome.UNCHANGED, 200),
    ]
    assert [log for log in logs if log["event"] == "etag reused"] == []
