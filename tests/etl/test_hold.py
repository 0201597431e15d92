"""A body that is held: asked for again within the tick, said once, and known to the API."""

from __future__ import annotations

import asyncio

import structlog

from switchboard.model import Outcome
from switchboard.store.embedded import EmbeddedRedis
from tests.etl.catalogue import FEW, GOOD, body, csv, rows
from tests.etl.harness import Answers, running_lab
from tests.etl.limits import source
from tests.lab.servers import Web, eventually

INTERVAL = 2.0


async def test_a_held_body_is_soon_asked_for_again(redis_server: EmbeddedRedis) -> None:
    """The second pull comes a quarter interval after the first at the earliest, and settles it."""
    async with (
        Web(Answers(csv(GOOD), FEW)) as web,
        running_lab(redis_server.url, source(web.url, interval=INTERVAL)) as lab,
    ):
        with structlog.testing.capture_logs() as logs:
            running = asyncio.create_task(lab.loop.run())

            async def settled() -> bool:
                status = await lab.store.sources.status(lab.source.name)
                return status is not None and status.rows == 40 and status.outcome is Outcome.PUBLISHED

            try:
                await eventually(settled, "fewer rows are published")
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        _, first, second = web.requests[:3]
        assert second.at - first.at >= INTERVAL / 4
        assert lab.counted("scrapes", outcome="held") == 1
        assert [line["log_level"] for line in logs if line["event"] == "scrape held"] == ["warning"]


async def test_a_body_that_stays_doubtful_is_said_once(redis_server: EmbeddedRedis) -> None:
    """As long as every pull differs from the one before it, nothing is published and one warning stands for all."""
    fewer = [csv(body(rows(count))) for count in (40, 30, 20, 10)]
    async with Web(Answers(csv(GOOD), *fewer)) as web, running_lab(redis_server.url, source(web.url)) as lab:
        before = (await lab.attempt()).snapshot
        with structlog.testing.capture_logs() as logs:
            for _ in fewer:
                status = await lab.attempt()
                assert (status.outcome, status.reason, status.snapshot) == (Outcome.HELD, "row_collapse", before)
        assert [line["event"] for line in logs] == ["scrape held"]
