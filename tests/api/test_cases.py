"""The table of requests and answers, asked of a real server, one process-wide view per world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from switchboard.api.bodies import BodyTable
from switchboard.api.endpoints import ENDPOINTS
from tests.lab.cases import CASES, WORLDS, Case
from tests.lab.fabric import Holder
from tests.lab.running_api import ask, running_api


@dataclass
class Worlds(Holder):
    """Shows one world after the other. Their snapshots have equal ids, so no body of one is kept for the next."""

    bodies: BodyTable = field(default_factory=BodyTable)

    def show(self, case: Case) -> None:
        self.bodies.replace(BodyTable())
        self.view = WORLDS[case.world]


@pytest.fixture(scope="module")
def worlds() -> Iterator[tuple[Worlds, int]]:
    """A server, and what it shows."""
    worlds = Worlds(WORLDS["live"])
    with running_api(worlds, bodies=worlds.bodies) as port:
        yield worlds, port


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_request_gets_exactly_this_answer(worlds: tuple[Worlds, int], case: Case) -> None:
    """Status, body and headers are those of the table."""
    shown, port = worlds
    shown.show(case)
    reply = ask(port, case.target, case.method, list(case.sent.items()), case.posted.encode())
    assert (reply.status, reply.text) == (case.status, case.body)
    assert {name: reply.headers.get(name) for name in case.headers} == dict(case.headers)


@pytest.mark.parametrize("case", [case for case in CASES if case.method == "GET"], ids=str)
def test_head_is_get_without_its_body(worlds: tuple[Worlds, int], case: Case) -> None:
    """HEAD has the status and the headers of GET, the length included, and no body."""
    shown, port = worlds
    shown.show(case)
    headers = list(case.sent.items())
    whole, head = ask(port, case.target, "GET", headers), ask(port, case.target, "HEAD", headers)
    assert (head.status, head.body) == (whole.status, b"")
    for reply in (whole, head):
        reply.headers.pop("date")  # type: ignore[attr-defined]
    assert head.headers == whole.headers


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.status == 200 and case.method == "GET" and "etag" not in case.headers],
    ids=str,
)
def test_a_tag_that_was_given_earns_304(worlds: tuple[Worlds, int], case: Case) -> None:
    """The tag of an answer, sent back, gets 304 with the same headers and no body; an answer with an age has no tag."""
    shown, port = worlds
    shown.show(case)
    first = ask(port, case.target, headers=list(case.sent.items()))
    etag = first.headers.get("etag")
    if first.headers["cache-control"] == "no-store":
        assert etag is None
        return
    assert etag is not None
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = ask(port, case.target, headers=[*case.sent.items(), ("If-None-Match", sent)])
        assert (again.status, again.body) == (304, b"")
        kept = ("etag", "last-modified", "cache-control", "vary", "x-snapshot-id", "x-snapshot-state")
        assert [again.headers[name] for name in kept] == [first.headers[name] for name in kept]
    assert ask(port, case.target, headers=[*case.sent.items(), ("If-None-Match", '"other"')]).status == 200


@pytest.mark.parametrize("case", [case for case in CASES if case.status == 200 and case.body], ids=str)
def test_bodies_have_the_type_that_the_table_of_endpoints_says(case: Case) -> None:
    """What an endpoint promises as its content is what it answers."""
    endpoint = next(each for each in ENDPOINTS if each.path == case.target.partition("?")[0])
    if endpoint.content is not str and (case.headers.get("content-type") or "json").rpartition("/")[2] == "json":
        kinds = (
            endpoint.variants
            if case.target.lower().endswith(("verbose=true", "verbose=1")) or "verbose=true" in case.target
            else (endpoint.content,)
        )
        assert any(_is(case.body, kind) for kind in kinds)


def _is(body: str, kind: Any) -> bool:
    try:
        msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        return False
    return True
