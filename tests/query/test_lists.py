"""Answers from several sources, and their entity tags."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchboard.api.answer import Answer, Request
from switchboard.api.bodies import SharedBody
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.respond import respond
from switchboard.view.view import View
from tests.lab.answers import headers_of
from tests.lab.fabric import DATA_SECONDS, NOW, row, source, view

PRIMARY = [row("sw1", "1", rx=10, tx=11), row("sw1", "2", rx=20, tx=None), row("sw2", "1", rx=30, tx=31)]
SECONDARY = [
    row("sw3", "1", DATA_SECONDS + 100, rx=900, fec=9),
    row("sw1", "1", DATA_SECONDS + 100, rx=901, fec=1),
    row("sw1", "3", DATA_SECONDS + 100, rx=903, fec=3),
]


def ask(seen: View, target: str, **headers: str) -> Answer:
    path, _, query = target.partition("?")
    endpoint = next(each for each in ENDPOINTS if each.path == f"/telemetry/{path}")
    fields = {name: value.encode() for name, value in headers.items()}
    return respond(endpoint, seen, NOW, Request("GET", query.encode(), **fields))


def body(answer: Answer) -> Any:
    if isinstance(answer.body, SharedBody):
        while not answer.body.advance():
            pass
        answer.body = answer.body.content or b""
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body) if answer.status == 200 else answer.body.decode()


def header(answer: Answer, name: str) -> str | None:
    found = headers_of(answer).get(name.encode())
    return None if found is None else found.decode()


BOTH = view(source("primary", PRIMARY, snapshot="1-p"), source("secondary", SECONDARY, snapshot="2-s"))
FIRST_LATE = view(source("primary", PRIMARY, age=16.0, snapshot="1-p"), source("secondary", SECONDARY, snapshot="2-s"))
ONE_MISSING = view(source("primary", PRIMARY, snapshot="1-p"), source("secondary"))


@pytest.mark.parametrize(
    ("query", "value", "ids", "state"),
    [
        ("switch_id=sw1&metric=rx&port=1", 10, "1-p", "fresh"),
        ("switch_id=sw1&metric=fec&port=1", 1, "2-s", "fresh"),
        ("switch_id=sw1&metric=tx", {"1": 11}, "1-p", "fresh"),
        ("switch_id=sw1&metric=rx", {"1": 10, "2": 20, "3": 903}, "primary=1-p,secondary=2-s", "fresh"),
        ("switch_id=sw1&metric=rx&source=secondary", {"1": 901, "3": 903}, "2-s", "fresh"),
        ("switch_id=sw3&metric=rx&port=1", 900, "2-s", "fresh"),
    ],
)
def test_the_first_fresh_source_that_has_a_cell_gives_it(query: str, value: Any, ids: str, state: str) -> None:
    """A cell comes from the first source in configured order, and the headers name the sources that were used."""
    answer = ask(BOTH, f"GetMetric?{query}")
    assert (body(answer), header(answer, "x-snapshot-id"), header(answer, "x-snapshot-state")) == (value, ids, state)


def test_a_source_that_is_not_fresh_comes_last() -> None:
    """While the first source is late, the second source's cell is given, or else that of the first one."""
    assert body(ask(FIRST_LATE, "GetMetric?switch_id=sw1&metric=rx&port=1")) == 901
    only_late = ask(FIRST_LATE, "GetMetric?switch_id=sw2&metric=rx&port=1")
    assert (body(only_late), header(only_late, "x-snapshot-state")) == (30, "late")
    both = ask(FIRST_LATE, "GetMetric?switch_id=sw1&metric=rx")
    assert (body(both), header(both, "x-snapshot-state")) == ({"1": 901, "3": 903, "2": 20}, "late")
    assert header(both, "x-snapshot-id") == "primary=1-p,secondary=2-s"


def test_a_list_merges_sources() -> None:
    """A switch stands once, with the cells of all sources; its newest time and all ids are in the headers."""
    answer = ask(BOTH, "ListMetrics")
    assert body(answer) == [
        {"sw1": {"1": {"rx": 10, "tx": 11, "fec": 1}, "2": {"rx": 20}, "3": {"rx": 903, "fec": 3}}},
        {"sw2": {"1": {"rx": 30, "tx": 31}}},
        {"sw3": {"1": {"rx": 900, "fec": 9}}},
    ]
    assert header(answer, "x-snapshot-id") == "primary=1-p,secondary=2-s"
    assert header(answer, "x-snapshot-timestamp") == "2026-11-23T18:55:00.000Z"
    assert header(answer, "x-snapshot-missing") is None
    assert body(ask(BOTH, "ListMetrics?source=secondary&switch_id=sw1")) == [
        {"sw1": {"1": {"rx": 901, "fec": 1}, "3": {"rx": 903, "fec": 3}}}
    ]


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, each name in it once."""
    assert len({name for name, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


@pytest.mark.parametrize("ports_first", [True, False])
@pytest.mark.parametrize(
    ("cells", "listed"),
    [
        ({"temp": 40}, {"temp_": 40}),
        ({"temp": 40, "temp_": 41}, {"temp__": 40, "temp_": 41}),
        ({"temp_": 41, "temp": 40}, {"temp_": 41, "temp__": 40}),
        ({"fan": 3, "2": 4, "2_": 5}, {"fan": 3, "2__": 4, "2_": 5}),
        ({"temp": 40, "2": 4, "temp__": 42}, {"temp_": 40, "2_": 4, "temp__": 42}),
    ],
)
def test_a_value_and_a_port_of_one_name_are_told_apart(
    ports_first: bool, cells: dict[str, Any], listed: dict[str, int]
) -> None:
    """A switch with ports in one source and without in another: a value that is called like a port gets a _."""
    ports = source("ports", [row("sw1", "temp", rx=1), row("sw1", "2", rx=2), row("sw2", "1", rx=5)], snapshot="1-p")
    wholes = source("wholes", [row("sw1", **cells), row("sw3", temp=7)], snapshot="2-w")
    seen = view(ports, wholes) if ports_first else view(wholes, ports)
    answer = ask(seen, "ListMetrics")
    body(answer)
    assert isinstance(answer.body, bytes)
    found = {name: inner for each in json.loads(answer.body, object_pairs_hook=once) for name, inner in each.items()}
    assert found == {
        "sw1": {"temp": {"rx": 1}, "2": {"rx": 2}, **listed},
        "sw2": {"1": {"rx": 5}},
        "sw3": {"temp": 7},
    }


def test_a_value_has_one_name_on_all_pages() -> None:
    """Also where a page cuts the switch between the port and the value, or where they are of one page each."""
    seen = view(
        source("wholes", [row("sw1", temp=40)], snapshot="2-w"),
        source("ports", [row("sw1", "temp", rx=1), row("sw1", "2", rx=2)], snapshot="1-p"),
    )
    pages, query = [], "ListMetrics?limit=1"
    while query:
        answer = ask(seen, query)
        pages += body(answer)
        link = header(answer, "link")
        query = "" if link is None else f"ListMetrics{link[1 : link.index('>')]}"
    assert pages == [{"sw1": {"temp_": 40}}, {"sw1": {"temp": {"rx": 1}}}, {"sw1": {"2": {"rx": 2}}}]
    assert body(ask(seen, "ListMetrics?metric=temp")) == [{"sw1": {"temp": 40}}]  # the port is not in this list


def test_a_miss_is_certain_only_if_every_source_could_be_asked() -> None:
    """While a source has no live snapshot a miss is 503; what is found elsewhere is 200, a list is marked partial."""
    assert ask(ONE_MISSING, "GetMetric?switch_id=sw2&metric=rx&port=1").status == 200
    miss = ask(ONE_MISSING, "GetMetric?switch_id=sw3&metric=rx")
    assert miss.status == 503
    assert body(miss) == (
        "Not found, but not all sources could be asked (switch_id does not exist in the others). "
        "No snapshot yet of source secondary: it is being loaded\n"
    )
    assert int(header(miss, "retry-after") or 0) >= 1
    assert ask(ONE_MISSING, "GetMetric?switch_id=sw3&metric=rx&source=primary").status == 404
    assert ask(ONE_MISSING, "GetMetric?switch_id=sw1&metric=rx&source=secondary").status == 503
    listed = ask(ONE_MISSING, "ListMetrics")
    assert (listed.status, header(listed, "x-snapshot-state")) == (200, "partial")
    assert header(listed, "x-snapshot-missing") == "secondary"
    assert header(listed, "x-snapshot-id") == "1-p"
    assert ask(ONE_MISSING, "ListMetrics?source=secondary").status == 503


def test_switches_are_listed_under_each_source() -> None:
    """ListSwitches has metrics, labels and switches per source, in configured order."""
    seen = view(
        source("primary", PRIMARY),
        source("secondary", SECONDARY),
        source("third", [row(f"sw{number}", errors=1) for number in range(2500)]),
    )
    first, second, third = body(ask(seen, "ListSwitches"))
    assert first == {
        "source": "primary",
        "metrics": ["rx", "tx"],
        "labels": [],
        "switches": [{"switch_id": "sw1", "rows": 2}, {"switch_id": "sw2", "rows": 1}],
    }
    assert second["switches"] == [{"switch_id": "sw3", "rows": 1}, {"switch_id": "sw1", "rows": 2}]
    assert [each["switch_id"] for each in third["switches"]] == [f"sw{number}" for number in range(2500)]
    assert body(ask(seen, "ListSwitches?source=secondary")) == [second]


def test_labels_are_listed_where_they_are_named() -> None:
    """A text column is a label: GetMetric answers a JSON string, ListMetrics has it only where ``metric`` names it."""
    seen = view(source("fabric", PRIMARY, labels=["description"]))
    (listed,) = body(ask(seen, "ListSwitches"))
    assert (listed["labels"], listed["metrics"]) == (["description"], ["rx", "tx"])
    assert body(ask(seen, "GetMetric?switch_id=sw1&metric=description&port=1")) == "description of sw1"
    assert body(ask(seen, "GetMetric?switch_id=sw2&metric=description")) == {"1": "description of sw2"}
    assert body(ask(seen, "ListMetrics?switch_id=sw2")) == [{"sw2": {"1": {"rx": 30, "tx": 31}}}]
    assert body(ask(seen, "ListMetrics?switch_id=sw2&metric=rx&metric=description")) == [
        {"sw2": {"1": {"description": "description of sw2", "rx": 30}}}
    ]


def test_a_label_without_text_is_missing() -> None:
    """An empty label cell is 404 like a missing metric, and absent from lists and from objects by port."""
    seen = view(source("fabric", [row("sw1", "1", serial="", rx=1), row("sw1", "2", serial="MT2244", rx=2)]))
    assert body(ask(seen, "GetMetric?switch_id=sw1&metric=serial&port=1")) == "metric does not exist\n"
    assert body(ask(seen, "GetMetric?switch_id=sw1&metric=serial")) == {"2": "MT2244"}
    assert body(ask(seen, "ListMetrics?metric=serial")) == [{"sw1": {"2": {"serial": "MT2244"}}}]


def test_a_cell_may_be_a_label_of_one_source_and_a_metric_of_another() -> None:
    """The first source that has the cell gives it, whichever it is there."""
    seen = view(
        source("one", [row("sw1", "1", opcode="No_link_down_indication"), row("sw1", "2", opcode="")]),
        source("two", [row("sw1", "1", opcode=0), row("sw1", "2", opcode=23)]),
    )
    assert body(ask(seen, "GetMetric?switch_id=sw1&metric=opcode")) == {"1": "No_link_down_indication", "2": 23}
    assert body(ask(seen, "GetMetric?switch_id=sw1&metric=opcode&port=1&source=two")) == 0
    assert body(ask(seen, "ListMetrics?metric=opcode")) == [
        {"sw1": {"1": {"opcode": "No_link_down_indication"}, "2": {"opcode": 23}}}
    ]


GUID, CAPITALS = "0xfc6a1c0300e7ef00", "FC6A1C0300E7EF40"
BY_GUID = view(
    source("one", [row(GUID, "1", rx=1), row(CAPITALS, "1", rx=3)]),
    source("two", [row(GUID, "2", rx=2), row("0xfc6a1c0300e7ef40", "1", rx=4)]),
)


@pytest.mark.parametrize("spelling", [GUID, "fc6a1c0300e7ef00", "FC6A1C0300E7EF00", "0XFC6A1C0300E7EF00"])
def test_a_guid_may_be_asked_for_in_any_spelling(spelling: str) -> None:
    """With or without 0x, in capitals or not: the switch is found, in every source, under its one spelling."""
    answer = ask(BY_GUID, f"GetMetric?switch_id={spelling}&metric=rx")
    assert (answer.status, body(answer)) == (200, {"1": 1, "2": 2})
    assert body(ask(BY_GUID, f"ListMetrics?switch_id={spelling}")) == [{GUID: {"1": {"rx": 1}, "2": {"rx": 2}}}]
    assert ask(BY_GUID, f"GetMetric?switch_id={spelling}&metric=nothing").status == 404


def test_an_exact_name_comes_before_its_spelling_as_a_guid() -> None:
    """A switch that is called exactly as it was asked for is meant, even if the name could be read as a GUID."""
    assert body(ask(BY_GUID, f"GetMetric?switch_id={CAPITALS}&metric=rx")) == {"1": 3}
    assert body(ask(BY_GUID, f"ListMetrics?switch_id={CAPITALS}")) == [{CAPITALS: {"1": {"rx": 3}}}]
    assert body(ask(BY_GUID, "GetMetric?switch_id=fc6a1c0300e7ef40&metric=rx")) == {"1": 4}
    unknown = ask(BY_GUID, "GetMetric?switch_id=FC6A1C0300E7EF80&metric=rx")
    assert (unknown.status, body(unknown)) == (404, "switch_id does not exist\n")


def test_a_tag_names_everything_that_the_body_depends_on() -> None:
    """Another snapshot, another precedence, a missing source or another question have other tags; what does not change
    the body (the state) does not change the tag.
    """
    tag = ask(BOTH, "ListMetrics?switch_id=a&switch_id=b").etag
    moved = view(source("primary", PRIMARY, snapshot="3-p"), source("secondary", SECONDARY, snapshot="2-s"))
    late = view(
        *(
            source(each.name, PRIMARY, age=16.0, snapshot=s)
            for each, s in zip(BOTH.sources, ("1-p", "2-s"), strict=True)
        )
    )
    assert tag == ask(late, "ListMetrics?switch_id=a&switch_id=b").etag
    others = [
        ask(moved, "ListMetrics?switch_id=a&switch_id=b"),
        ask(FIRST_LATE, "ListMetrics?switch_id=a&switch_id=b"),
        ask(ONE_MISSING, "ListMetrics?switch_id=a&switch_id=b"),
        ask(BOTH, "ListMetrics?switch_id=a"),
        ask(BOTH, "ListMetrics?switch_id=a%01b"),
        ask(BOTH, "ListMetrics?metric=a&metric=b"),
        ask(BOTH, "ListMetrics?switch_id=a&switch_id=b&since=0"),
        ask(BOTH, "ListMetrics?switch_id=a&switch_id=b&source=primary"),
        ask(BOTH, "ListSwitches"),
        ask(BOTH, "ListMetrics"),
        ask(BOTH, "GetMetric?switch_id=sw1&metric=rx"),
        ask(BOTH, "GetMetric?switch_id=sw1&metric=rx&port=1"),
    ]
    assert len({tag, *(other.etag for other in others)}) == 1 + len(others)


def test_a_miss_has_no_tag_to_match() -> None:
    """``If-None-Match: *`` on something that does not exist is 404, not 304."""
    assert ask(BOTH, "GetMetric?switch_id=x&metric=y", if_none_match="*").status == 404
