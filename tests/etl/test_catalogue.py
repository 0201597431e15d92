"""Every variant of the catalogue of bad input, over a real socket, to a real ETL that holds a good snapshot."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from switchboard.model import Outcome
from switchboard.store.embedded import EmbeddedRedis
from tests.etl.catalogue import CASES, GOOD, GOOD_TIME, NEXT, Case, body, csv, rows
from tests.etl.harness import Answers, Lab, running_lab
from tests.etl.limits import source
from tests.lab.servers import Step, Web, eventually, http

CATALOGUE = (Path(__file__).parent.parent / "data" / "bad_input.md").read_text("utf-8")
ELSEWHERE = {
    "time going backwards and moving on": "test_time_going_backwards_is_believed_once_it_moves_on",
    "304 where keys are gone": "test_304_where_keys_are_gone_is_fetched_again",
    "pull longer than the interval": "test_a_pull_longer_than_the_interval_is_the_only_one",
    "another source's data": "test_data_of_another_source_touch_only_their_own",
}
"""Variants that need more than one answer after the other."""
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_redis() -> AsyncIterator[EmbeddedRedis]:
    """A server for all cases: each has a source of its own."""
    async with EmbeddedRedis() as server:
        yield server


def test_every_variant_of_the_catalogue_is_a_case() -> None:
    """No row of the table is without a case, no variant is left out, and no case is for something else."""
    table = re.findall(r"^\| (.*?) \| (.*) \|$", CATALOGUE, re.MULTILINE)[1:]
    variants = [variant.strip(" ") for inputs, _ in table for variant in re.split(r"; (?=\S)", inputs)]
    names = [case.name for case in CASES] + list(ELSEWHERE)
    assert len(table) > 35
    assert sorted(variants) == sorted(names)
    assert all(test in globals() for test in ELSEWHERE.values())


def without_pointer(keys: Mapping[str, bytes]) -> dict[str, bytes]:
    """Index and blocks: a confirmation gives the pointer its next number."""
    return {key: value for key, value in keys.items() if not key.endswith(":pointer")}


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.asyncio(loop_scope="module")
async def test_bad_input_gets_its_verdict(
    shared_redis: EmbeddedRedis, case: Case, request: pytest.FixtureRequest
) -> None:
    """Outcome, reason and reject counts are those of the table; the store has the new values, or what it had before."""
    if case.pending:
        request.applymarker(pytest.mark.xfail(reason=case.pending, strict=True))
    answers = Answers(case.good or [])
    async with Web(answers) as web:
        lab_source = source(web.url, timeout=case.timeout, name=f"case-{next(_numbers)}", **case.limits)
        lab_source = msgspec.structs.replace(lab_source, **case.source)
        async with running_lab(shared_redis.url, lab_source, case.columns) as lab:
            if case.good is not None:
                assert (await lab.attempt()).outcome is Outcome.PUBLISHED
            answers.then(case.answers)
            if not case.url:
                await _check(lab, case)
        if case.url:
            elsewhere = msgspec.structs.replace(lab_source, url=case.url)
            async with running_lab(shared_redis.url, elsewhere, case.columns) as lab:
                await _check(lab, case)


@pytest.mark.asyncio(loop_scope="module")
async def test_time_going_backwards_is_believed_once_it_moves_on(shared_redis: EmbeddedRedis) -> None:
    """A source that was restarted with an earlier clock is refused, and accepted when it has moved on for a while."""
    earlier = [csv(body(rows(at=GOOD_TIME - 3000 + second))) for second in range(1000)]
    async with Web(Answers(csv(GOOD), *earlier)) as web:
        # The gate counts intervals, which are short here; an attempt may take its time.
        lab_source = msgspec.structs.replace(source(web.url, name=f"case-{next(_numbers)}", interval=0.2), timeout=60.0)
        async with running_lab(shared_redis.url, lab_source) as lab:
            assert (await lab.attempt()).outcome is Outcome.PUBLISHED
            before = await lab.keys()
            assert (await lab.attempt()).reason == "regress"
            assert await lab.keys() == before

            async def published() -> bool:
                status = await lab.attempt()
                assert status.reason in {"", "regress"}
                return status.outcome is Outcome.PUBLISHED

            await eventually(published, "the earlier time is accepted")
            assert (await lab.manifest()).data_max_us < (GOOD_TIME - 2000) * 1_000_000


@pytest.mark.asyncio(loop_scope="module")
async def test_304_where_keys_are_gone_is_fetched_again(shared_redis: EmbeddedRedis) -> None:
    """A source that says «unchanged» about a snapshot that has lost a block is asked again, for the whole body."""
    gone = [[http(304)], csv(GOOD, etag='"good"')]
    async with Web(Answers(csv(GOOD, etag='"good"'), *gone)) as web:
        async with running_lab(shared_redis.url, source(web.url, name=f"case-{next(_numbers)}")) as lab:
            first = (await lab.attempt()).snapshot
            await lab.redis.delete(f"sb:{lab.source.name}:{first}/sw7")
            status = await lab.attempt()
            assert (status.outcome, status.snapshot == first) == (Outcome.PUBLISHED, False)
            assert await lab.cells("sw7") == {"a": 1007, "b": 7.5, "note": "n7"}
        assert [request.headers.get("if-none-match") for request in web.requests] == [None, '"good"', None]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_pull_longer_than_the_interval_is_the_only_one(shared_redis: EmbeddedRedis) -> None:
    """A scrape that would take longer is ended with its interval: no two of one source ever run at once."""
    async with Web(Answers([Step.HANG])) as web:
        lab_source = source(web.url, name=f"case-{next(_numbers)}", interval=0.2)
        async with running_lab(shared_redis.url, lab_source) as lab:
            running = asyncio.create_task(lab.loop.run())

            async def ended() -> bool:
                return lab.counted("failures", reason="timeout") >= 3

            try:
                await eventually(ended, "scrapes are ended")
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        assert web.most_busy == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_data_of_another_source_touch_only_their_own(shared_redis: EmbeddedRedis) -> None:
    """A source that serves the switches of another has them for itself; the other's snapshot stays as it was."""
    async with Web(Answers(csv(GOOD))) as one, Web(Answers(csv(NEXT))) as other:
        first, second = (source(web.url, name=f"case-{next(_numbers)}") for web in (one, other))
        async with running_lab(shared_redis.url, first) as good, running_lab(shared_redis.url, second) as impostor:
            await good.attempt()
            before = await good.keys()
            await impostor.attempt()
            assert await good.keys() == before
            assert (await good.cells("sw1"), await impostor.cells("sw1")) == (
                {"note": "n1", "a": 1001, "b": 1.5},
                {"note": "n1", "a": 1, "b": 1.5},
            )


@pytest.mark.asyncio(loop_scope="module")
async def test_a_reused_etag_is_counted_and_a_huge_one_forgotten(shared_redis: EmbeddedRedis) -> None:
    """A strong ETag on two bodies is counted, a weak one is not; one of more than 256 bytes is not sent back."""
    huge = '"' + "x" * 255 + '"'
    tags = ('"e"', '"e"', 'W/"w"', 'W/"w"', huge)
    bodies = [csv(body(rows(a=number)), etag=tag) for number, tag in enumerate(tags)]
    async with Web(Answers(*bodies)) as web:
        async with running_lab(shared_redis.url, source(web.url, name=f"case-{next(_numbers)}")) as lab:
            for _ in range(6):
                await lab.attempt()
            assert lab.counted("reused_etags") == 1
        asked = [request.headers.get("if-none-match") for request in web.requests]
        assert asked == [None, '"e"', '"e"', 'W/"w"', 'W/"w"', None]


async def _check(lab: Lab, case: Case) -> None:
    before = await lab.keys()
    status = None
    for number, outcome in enumerate(case.outcomes, 1):
        status = await lab.attempt()
        assert (status.outcome, number) == (outcome, number), status
        published_nothing = outcome in {Outcome.FAILED, Outcome.HELD}
        assert (status.reason == case.reason) if published_nothing else (status.reason == "")
        assert bool(status.error) is published_nothing
        if published_nothing:
            assert await lab.keys() == before
    last = case.outcomes[-1]
    if case.reason:
        failures = sum(outcome in {Outcome.FAILED, Outcome.HELD} for outcome in case.outcomes)
        assert lab.counted("failures", reason=case.reason) == failures
    assert status is not None
    assert status.rejects == case.rejects
    assert {example.reason for example in status.examples} == set(case.rejects)
    for reason, count in case.rejects.items():
        assert lab.counted("rejects", reason=reason) == count
    if last == Outcome.UNCHANGED and "published" not in case.outcomes:
        assert without_pointer(await lab.keys()) == without_pointer(before)
    if last == Outcome.PUBLISHED:
        assert (await lab.manifest()).rejects == case.rejects
    for switch, wanted in case.wanted.items():
        cells = await lab.cells(switch)
        if wanted is None:
            assert cells is None, switch
        else:
            assert cells is not None, switch
            assert {name: cells.get(name) for name in wanted} == wanted
