"""Answers from the table and answers made anew are the same bytes; the comparison finds what it is there to find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from switchboard.api import metrics
from switchboard.api.answer import Answer
from switchboard.api.endpoint import Endpoint
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.results import answer_of
from switchboard.api.service import ApiService
from switchboard.view.view import View
from tests.api.differential import compare, learn_tags
from tests.api.generated import GET_METRIC, KINDS, Case, World, generate, request
from tests.lab.fabric import Holder, row, source, view
from tests.lab.running_api import running_api

ROWS = [row(f"sw{number}", latency_ms=number / 4, errors=number) for number in range(1, 9)]
VIEW = view(source("fabric", ROWS))
PORTS = view(
    source("a", [row(f"sw{s}", str(port), errors=s * port, state="up") for s in range(1, 5) for port in range(1, 4)]),
    source("b", [row(f"sw{s}", str(port), latency_ms=s / 3) for s in range(3, 7) for port in range(2, 5)]),
    source("absent"),
)
METRICS = ["latency_ms", "errors"]
SWITCHES = [f"sw{number}" for number in range(1, 9)]


def hold(seen: View) -> Holder:
    """The same view for a server of its own."""
    return Holder(seen)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The server that others are compared with."""
    with running_api(hold(VIEW)) as running:
        yield running


@pytest.fixture(scope="module")
def world(port: int) -> World:
    return learn_tags(port, World(SWITCHES, ["latency_ms", "errors"], ["1"]))


def planted(change: str) -> Sequence[Endpoint]:
    """The endpoints, with something wrong in the answers for one cell."""

    def answer(view: View, now: float, query: Any) -> Answer:
        made = answer_of(original.answer(view, now, query), bare=original.bare)
        if (query.switch_id, query.metric) == ("sw7", "errors"):
            if change == "header":
                made.shared_lines = b"".join(reversed(made.shared_lines.splitlines(keepends=True)))
            elif change == "status":
                made.status = 203
            else:
                made = msgspec.structs.replace(made, body=b"8", etag=made.etag)
        return made

    original = next(endpoint for endpoint in ENDPOINTS if endpoint.path == GET_METRIC)
    return [replace(endpoint, answer=answer) if endpoint is original else endpoint for endpoint in ENDPOINTS]


def test_cases_are_many_and_repeatable(world: World) -> None:
    """There are as many cases of each kind, the same in every run, and most of them differ."""
    cases = generate(world)
    assert Counter(case.kind for case in cases) == dict.fromkeys(KINDS, 400)
    assert cases == generate(world)
    assert cases != generate(world, seed=2)
    assert len(set(cases)) > len(cases) / 2
    assert len(world.tags) == 8 * 2 + 1 + 8


def test_two_of_a_kind_do_not_differ(port: int, world: World) -> None:
    """Two servers do not differ."""
    with running_api(hold(VIEW)) as other:
        assert compare(port, other, generate(world, 60)) == []


@pytest.mark.parametrize(
    ("change", "what"), [("header", "headers of answer"), ("status", "status of answer"), ("byte", "body of answer")]
)
def test_a_planted_difference_is_found(port: int, world: World, change: str, what: str) -> None:
    """One header line, one status, one byte, in the answers to a request among a hundred."""
    with running_api(hold(VIEW), planted(change)) as other:
        differences = compare(port, other, generate(world, 60))
    assert any(difference.what.startswith(what) for difference in differences)
    assert all(b"sw7" in difference.sent or b"%" in difference.sent for difference in differences)


class Forgetful(ApiService):
    """An API that makes every answer anew."""

    def ready(self, head: bytes) -> None:
        return None


@pytest.mark.parametrize(("seen", "each", "least"), [(VIEW, 95, 5000), (PORTS, 60, 3000)], ids=["switches", "ports"])
def test_the_table_gives_the_same_bytes(seen: View, each: int, least: int) -> None:
    """Thousands of requests of all kinds, each sent twice, to a server that keeps answers and one that keeps none."""
    with running_api(hold(seen)) as keeping, pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr("tests.lab.running_api.ApiService", Forgetful)
        forgetful = stack.enter_context(running_api(hold(seen)))
        known = learn_tags(forgetful, World(SWITCHES, METRICS, ["1", "2"]))
        cases = [case for case in generate(known, each) for _ in range(2)]
        metrics.TALLY.flush()
        before = ready_answers()
        differences = compare(forgetful, keeping, cases)
        metrics.TALLY.flush()
    assert differences == []
    assert sum(len(case.methods) for case in cases) >= least
    assert ready_answers() - before > least / 10


def ready_answers() -> float:
    """How many requests were answered from the table, of all in this process."""
    return REGISTRY.get_sample_value("switchboard_api_ready_answers_total") or 0.0


def test_an_end_that_differs_is_found(port: int) -> None:
    """One server keeps the connection and the other does not, with the same words."""
    holder = hold(VIEW)
    with running_api(holder) as other:
        keep = Case("planted", (request("/health"),))
        assert compare(port, other, [keep]) == []
        holder.view = replace(VIEW, stopping=True)
        (difference,) = compare(port, other, [keep])
    assert difference.what == "headers of answer 0"
    assert b"connection: close" in difference.b
