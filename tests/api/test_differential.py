"""The fast door and the ordinary one give the same bytes; the comparison finds what it is there to find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from switchboard.api import metrics
from switchboard.api.answer import Answer
from switchboard.api.endpoint import Endpoint
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.fast import FastDoor
from switchboard.api.ready_answers import ReadyAnswer
from switchboard.api.results import answer_of
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
    with running_api(hold(VIEW), fast_door=False) as running:
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
                made.headers.reverse()
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
    """Two servers with the same door do not differ."""
    with running_api(hold(VIEW), fast_door=False) as other:
        assert compare(port, other, generate(world, 60)) == []


@pytest.mark.parametrize(
    ("change", "what"), [("header", "headers of answer"), ("status", "status of answer"), ("byte", "body of answer")]
)
def test_a_planted_difference_is_found(port: int, world: World, change: str, what: str) -> None:
    """One header line, one status, one byte, in the answers to a request among a hundred."""
    with running_api(hold(VIEW), planted(change), fast_door=False) as other:
        differences = compare(port, other, generate(world, 60))
    assert any(difference.what.startswith(what) for difference in differences)
    assert all(b"sw7" in difference.sent or b"%" in difference.sent for difference in differences)


@pytest.mark.parametrize(("seen", "each", "least"), [(VIEW, 190, 5000), (PORTS, 110, 3000)], ids=["switches", "ports"])
def test_both_doors_give_the_same_bytes(seen: View, each: int, least: int) -> None:
    """Thousands of requests of all kinds, many on one connection: no answer of the fast door differs from the other."""
    with running_api(hold(seen), fast_door=False) as ordinary, running_api(hold(seen)) as fast:
        known = learn_tags(ordinary, World(SWITCHES, METRICS, ["1", "2"]))
        cases = generate(known, each)
        metrics.TALLY.flush()
        before = fast_answers()
        differences = compare(ordinary, fast, cases)
        metrics.TALLY.flush()
    assert differences == []
    assert min(Counter(case.kind for case in cases).values()) >= 100
    assert sum(len(case.methods) for case in cases) >= least
    assert fast_answers() - before > least / 6


def fast_answers() -> float:
    """How many requests were answered without the app, of all in this process."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "switchboard_api_fast_answers_total"
    )


@pytest.mark.parametrize(
    ("change", "what"), [("header", "headers of answer"), ("status", "status of answer"), ("byte", "body of answer")]
)
def test_a_difference_planted_in_the_fast_door_is_found(
    port: int, world: World, change: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the fast door alone, in the answers to one target, does not go unnoticed."""

    class Planted(FastDoor):
        def reply(self, head: bytes) -> ReadyAnswer | None:
            ready = super().reply(head)
            if ready is None or b"=sw7&" not in head or ready.status != 200:
                return ready
            if change == "status":
                return ready._replace(status=203)
            if change == "header":
                return ready._replace(rest=ready.rest.replace(b"vary: Accept,", b"vary: accept,"))
            return ready if head.startswith(b"HEAD") else ready._replace(rest=ready.rest[:-1] + b"0")

    monkeypatch.setattr("switchboard.api.run.FastDoor", Planted)
    with running_api(hold(VIEW)) as other:
        differences = compare(port, other, generate(world, 60))
    assert any(difference.what.startswith(what) for difference in differences)
    assert all(b"sw7" in difference.sent for difference in differences)


def test_an_end_that_differs_is_found(port: int) -> None:
    """One server keeps the connection and the other does not, with the same words."""
    holder = hold(VIEW)
    with running_api(holder, fast_door=False) as other:
        keep = Case("planted", (request("/health"),))
        assert compare(port, other, [keep]) == []
        holder.view = replace(VIEW, stopping=True)
        (difference,) = compare(port, other, [keep])
    assert difference.what == "headers of answer 0"
    assert b"connection: close" in difference.b
