"""The comparison of two servers finds what it is there to find, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from switchboard.api.answer import Answer
from switchboard.api.endpoints import ENDPOINTS, Endpoint
from switchboard.api.view import View
from tests.api.differential import compare, learn_tags
from tests.api.fabric import Holder, row, source, view
from tests.api.generated import GET_METRIC, KINDS, Case, World, generate, request
from tests.api.harness import running_api

ROWS = [row(f"sw{number}", latency_ms=number / 4, errors=number) for number in range(1, 9)]
VIEW = view(source("fabric", ROWS))
SWITCHES = [f"sw{number}" for number in range(1, 9)]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The server that others are compared with."""
    with running_api(Holder(VIEW), fast_door=False) as running:
        yield running


@pytest.fixture(scope="module")
def world(port: int) -> World:
    return learn_tags(port, World(SWITCHES, ["latency_ms", "errors"], ["1"]))


def planted(change: str) -> Sequence[Endpoint]:
    """The endpoints, with something wrong in the answers for one cell."""

    def answer(view: View, now: float, query: Any) -> Answer:
        made = original.answer(view, now, query)
        if (query.switch_id, query.metric) == ("sw7", "errors"):
            if change == "header":
                made.headers.reverse()
            elif change == "status":
                made.status = 203
            else:
                made = replace(made, body=b"8", etag=made.etag)
        return made

    original = next(endpoint for endpoint in ENDPOINTS if endpoint.path == GET_METRIC)
    return [replace(endpoint, answer=answer) if endpoint is original else endpoint for endpoint in ENDPOINTS]


def test_cases_are_many_and_repeatable(world: World) -> None:
    """As many of each kind, the same each time, most of them different ones."""
    cases = generate(world)
    assert Counter(case.kind for case in cases) == dict.fromkeys(KINDS, 400)
    assert cases == generate(world)
    assert cases != generate(world, seed=2)
    assert len(set(cases)) > len(cases) / 2
    assert len(world.tags) == 8 * 2 + 1 + 8


def test_two_of_a_kind_do_not_differ(port: int, world: World) -> None:
    """The same door twice."""
    with running_api(Holder(VIEW), fast_door=False) as other:
        assert compare(port, other, generate(world, 100)) == []


@pytest.mark.parametrize(
    ("change", "what"), [("header", "headers of answer"), ("status", "status of answer"), ("byte", "body of answer")]
)
def test_a_planted_difference_is_found(port: int, world: World, change: str, what: str) -> None:
    """One header line, one status, one byte, in the answers to a request among a hundred."""
    with running_api(Holder(VIEW), planted(change), fast_door=False) as other:
        differences = compare(port, other, generate(world, 100))
    assert any(difference.what.startswith(what) for difference in differences)
    assert all(b"sw7" in difference.sent or b"%" in difference.sent for difference in differences)


def test_an_end_that_differs_is_found(port: int) -> None:
    """One server keeps the connection and the other does not, with the same words."""
    holder = Holder(VIEW)
    with running_api(holder, fast_door=False) as other:
        keep = Case("planted", (request("/health"),))
        assert compare(port, other, [keep]) == []
        holder.view = replace(VIEW, stopping=True)
        (difference,) = compare(port, other, [keep])
    assert difference.what == "headers of answer 0"
    assert b"connection: close" in difference.b
