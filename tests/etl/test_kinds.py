"""A column from scrape to scrape: the current snapshot says what it was, also to a process that has just started."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from switchboard.config.sources import ColumnSettings
from switchboard.model import Outcome
from switchboard.store.embedded import EmbeddedRedis
from switchboard.view.sources import Loaded
from tests.etl.harness import Answers, Lab, running_lab
from tests.etl.limits import source
from tests.lab import fabric
from tests.lab.servers import Steps, Web, http
from tests.query.test_lists import ask, body

NOW = int(time.time()) - 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis() -> AsyncIterator[EmbeddedRedis]:
    """A server for all tests: each has a source of its own."""
    async with EmbeddedRedis() as server:
        yield server


def scrape(number: int, cells: Sequence[str]) -> Steps:
    lines = [f'{NOW + number},s{at},"{cell}"' for at, cell in enumerate(cells)]
    return [http(200, "\n".join(["timestamp,switch_id,rx", *lines, ""]).encode(), content_type="text/csv")]


async def cells(lab: Lab) -> list[object]:
    """The cells of ``rx`` in the current snapshot."""
    snapshot = await lab.snapshot()
    found = [await lab.cells(switch) for switch in snapshot.switches]
    return [(each or {}).get("rx") for each in found]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "settings"), [("restart", ColumnSettings()), ("changed", ColumnSettings(gauges=("tx",)))]
)
async def test_a_metric_stays_one_over_a_restart_and_other_settings(
    redis: EmbeddedRedis, name: str, settings: ColumnSettings
) -> None:
    """The next process finds in the store what the columns were: text between numbers are rejects, and not labels."""
    async with Web(Answers(scrape(1, ["1", "2", "3"]), scrape(2, ["up", "down", "7"]))) as web:
        of_web = source(web.url, name=name)
        async with running_lab(redis.url, of_web) as lab:
            assert (await lab.attempt()).outcome is Outcome.PUBLISHED
        async with running_lab(redis.url, of_web, settings) as lab:
            status = await lab.attempt()
            assert (status.outcome, status.rejects) == (Outcome.PUBLISHED, {"bad_number": 2})
            assert await cells(lab) == [None, None, 7]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_change_is_said_once_and_the_settings_are_the_way_out(redis: EmbeddedRedis) -> None:
    """A metric that turns to text stays one and is said once; named in columns.labels, it is text."""
    texts = [scrape(number, ["up", "down", "up"]) for number in range(2, 6)]
    async with Web(Answers(scrape(1, ["1", "2", "3"]), *texts)) as web:
        of_web = source(web.url, name="turns")
        with capture_logs() as logs:
            async with running_lab(redis.url, of_web) as lab:
                for _ in range(4):
                    assert (await lab.attempt()).outcome is Outcome.PUBLISHED
                assert await cells(lab) == [None, None, None]
        notes = [line for line in logs if line["event"] == "column"]
        assert [(line["log_level"], line["reason"]) for line in notes] == [("warning", "no_number_left")]
        assert "'rx'" in notes[0]["note"]
        assert "columns.labels" in notes[0]["note"]
        async with running_lab(redis.url, of_web, ColumnSettings(labels=("rx",))) as lab:
            assert (await lab.attempt()).outcome is Outcome.PUBLISHED
            assert await cells(lab) == ["up", "down", "up"]


@pytest.mark.asyncio(loop_scope="module")
async def test_text_becomes_a_metric_when_nothing_but_numbers_is_left(redis: EmbeddedRedis) -> None:
    """It is said once, and the column does not turn back."""
    answers = [scrape(1, ["starting", "starting"]), scrape(2, ["5", "null"]), scrape(3, ["starting", "6"])]
    async with Web(Answers(*answers)) as web:
        with capture_logs() as logs:
            async with running_lab(redis.url, source(web.url, name="wakes")) as lab:
                seen = []
                for _ in answers:
                    await lab.attempt()
                    seen.append(await cells(lab))
        assert seen == [["starting", "starting"], [5, None], [None, 6]]
        assert [line["reason"] for line in logs if line["event"] == "column"] == ["text_no_more"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_unit_of_the_settings_reaches_the_reader(redis: EmbeddedRedis) -> None:
    """A raw counter of UFM whose unit nobody knows has the one that the settings say, in DescribeMetrics as well."""
    answer = http(200, b"node_guid,port_num,raw_counter_3\n0x1,1,5\n", content_type="text/csv")
    async with Web(Answers([answer])) as web:
        settings = ColumnSettings(units={"raw_counter_3": "4.By"}, counters=("raw_counter_3",))
        async with running_lab(redis.url, source(web.url, name="units"), settings) as lab:
            await lab.attempt()
            seen = replace(fabric.source("units", [fabric.row("sw")]), loaded=Loaded(await lab.snapshot(), NOW))
    (described,) = body(ask(fabric.view(seen), "DescribeMetrics"))
    assert described["metrics"] == [
        {"metric": "raw_counter_3", "column": "raw_counter_3", "kind": "counter", "unit": "4.By", "help": ""}
    ]
