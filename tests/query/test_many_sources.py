"""Hundreds of sources: headers, cursors and links that stay short enough for proxies and clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from urllib.parse import quote

import pytest

from switchboard.view.sources import Kept, SourceView
from switchboard.view.view import View
from tests.lab.fabric import NOW, Holder, Row, row, source, view
from tests.lab.processes import Reply
from tests.lab.running_api import ask, running_api

LIST = "/telemetry/ListMetrics"
NGINX_BYTES = 4_096
"""What a default nginx takes of the head of an answer."""
BEGAN = 1_795_460_000_500


@cache
def sources(count: int, began: int = BEGAN) -> list[SourceView]:
    """Sources with a switch each, and a switch that all of them have; ids as the ETL makes them."""
    return [
        source(
            f"fabric-{number:04}.site-{number % 7}",
            [row(f"sw{number}", rx=number), Row("all", {f"m{number}": number})],
            snapshot=f"{began + number % 50}-{number:08x}",
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def api() -> Iterator[tuple[Holder, int]]:
    holder = Holder(view())
    with running_api(holder) as port:
        yield holder, port


def head_bytes(reply: Reply) -> int:
    """Size of the head of an answer, about as nginx counts it."""
    return 20 + sum(len(name) + len(value) + 4 for name, value in reply.headers.items())


@pytest.mark.parametrize("count", [2, 110, 300, 400])
@pytest.mark.parametrize("path", ["ListMetrics?switch_id=sw1", "ListMetrics?limit=20", "ListSources", "ListSwitches"])
def test_the_head_of_an_answer_is_short(api: tuple[Holder, int], count: int, path: str) -> None:
    """However many sources there are, a proxy with its defaults passes the answer on; what is left out is said."""
    holder, port = api
    holder.view = view(*sources(count))
    reply = ask(port, f"/telemetry/{path}")
    assert reply.status == 200
    pages_of_very_many = count > 300 and "limit" in path  # a cursor stands in two headers
    assert head_bytes(reply) < NGINX_BYTES or pages_of_very_many
    assert ("x-snapshot-id" in reply.headers) != ("x-snapshot-omitted" in reply.headers)
    if count > 380:
        assert "ListSources has the snapshot of each source" in reply.headers["x-snapshot-omitted"] or "limit" in path


@pytest.mark.parametrize("count", [2, 30, 300])
def test_what_a_header_says_can_be_asked_for(api: tuple[Holder, int], count: int) -> None:
    """X-Snapshot-Id, given back, gets the same answer from another process, also after newer snapshots came."""
    holder, port = api
    old = sources(count)
    holder.view = view(*old)
    first = ask(port, f"{LIST}?switch_id=all")
    pin = first.headers["x-snapshot-id"]
    assert len(pin) <= 2_048
    holder.view = _moved_on(old, expires_at=NOW + 10)
    again = ask(port, f"{LIST}?switch_id=all&snapshot={pin}")
    assert (again.status, again.body, again.headers["x-snapshot-id"]) == (200, first.body, pin)
    assert ask(port, f"{LIST}?switch_id=all").headers["x-snapshot-id"] != pin
    one = ask(port, f"/telemetry/GetMetric?switch_id=sw1&metric=rx&snapshot={quote(pin, safe='')}")
    assert (one.status, one.text) == (200, "1")
    batch = json.dumps({"cells": [{"switch_id": "sw1", "metric": "rx"}], "snapshot": pin}).encode()
    assert ask(port, "/telemetry/GetMetrics", "POST", body=batch).text == '[{"value":1}]\n'


def test_the_long_form_works_for_many_sources_too(api: tuple[Holder, int]) -> None:
    """SOURCE=ID,SOURCE=ID is taken as before, as far as a request may be long."""
    holder, port = api
    held = sources(120)
    holder.view = view(*held)
    pin = ",".join(f"{each.name}={each.loaded.id}" for each in held if each.loaded is not None)
    assert len(pin) > 2_048
    assert ask(port, f"{LIST}?switch_id=sw119&snapshot={pin}").text == '[{"sw119":{"rx":119}}]\n'


def test_a_short_pin_is_gone_with_any_of_its_snapshots(api: tuple[Holder, int]) -> None:
    """410 where one is gone or its source is; 404 with Retry-After where it may be on its way to this process."""
    holder, port = api
    old = sources(100)
    holder.view = view(*old)
    pin = ask(port, LIST).headers["x-snapshot-id"]
    target = f"{LIST}?snapshot={pin}"
    assert ask(port, target).status == 200
    holder.view = view(*old[:50], *_moved_on(old, NOW + 10).sources[50:])
    assert ask(port, target).status == 200
    for gone in (
        _moved_on(old, NOW - 1),
        view(*old[:99], *sources(100, BEGAN + 60_000)[99:]),
        view(*old[1:], *sources(101, BEGAN + 60_000)[100:]),
    ):
        holder.view = gone
        reply = ask(port, target)
        assert (reply.status, reply.text) == (410, "snapshot is gone: ask without snapshot= for the current one\n")
    holder.view = view(*old[:99], *sources(100, BEGAN - 10_000)[99:])
    reply = ask(port, target)
    assert (reply.status, reply.headers.get("retry-after")) == (404, "1")


@pytest.mark.parametrize("damage", ["~", "~AAAA", "drop", "swap", "add"])
def test_a_damaged_short_pin_is_refused(api: tuple[Holder, int], damage: str) -> None:
    """A text that is cut or changed names nothing: never other snapshots than those that it was made for."""
    holder, port = api
    holder.view = view(*sources(100))
    pin = ask(port, LIST).headers["x-snapshot-id"]
    swapped = pin[:30] + ("A" if pin[30] != "A" else "B") + pin[31:]
    text = {"drop": pin[:-1], "swap": swapped, "add": f"{pin}A"}.get(damage, damage)
    assert ask(port, f"{LIST}?snapshot={text}").status in {400, 404, 410}


def test_missing_sources_are_named_as_far_as_they_fit(api: tuple[Holder, int]) -> None:
    """X-Snapshot-Missing shares the room with X-Snapshot-Id; where it is left out, a header says so."""
    holder, port = api
    gone = [replace(each, loaded=None) for each in sources(300)]
    holder.view = view(*gone[:40], source("one", [row("sw1", rx=1)]))
    reply = ask(port, LIST)
    assert reply.headers["x-snapshot-missing"].split(",") == [each.name for each in gone[:40]]
    holder.view = view(*gone, source("one", [row("sw1", rx=1)]))
    reply = ask(port, LIST)
    assert (reply.status, reply.headers["x-snapshot-state"], head_bytes(reply) < NGINX_BYTES) == (200, "partial", True)
    assert "x-snapshot-missing" not in reply.headers
    assert reply.headers["x-snapshot-omitted"].startswith("X-Snapshot-Missing (more than 2048 bytes")


@pytest.mark.parametrize("count", [10, 150])
def test_pages_of_many_sources_are_the_list(api: tuple[Holder, int], count: int) -> None:
    """Cursors lead through the list of all sources, in order of precedence, though snapshots move on meanwhile."""
    holder, port = api
    old = sources(count)
    late = [replace(each, confirmed_at=NOW - 16) if number % 3 else each for number, each in enumerate(old)]
    holder.view = view(*late)
    whole = ask(port, LIST)
    found, target = [], f"{LIST}?limit=97"
    while target:
        reply = ask(port, target)
        assert reply.status == 200, reply.text
        found += reply.json()
        link = reply.headers.get("link")
        target = "" if link is None else f"{LIST}{link[1 : link.index('>')]}"
        holder.view = _moved_on(old, NOW + 10)
    assert found == whole.json()


def test_a_cursor_that_would_not_fit_is_not_begun(api: tuple[Holder, int]) -> None:
    """With thousands of sources the first page says what to do, and not the second one."""
    holder, port = api
    holder.view = view(*sources(1_200))
    reply = ask(port, f"{LIST}?limit=5")
    assert reply.status == 400
    assert reply.text.startswith("Pages of 1200 sources together are not possible")
    assert ask(port, f"{LIST}?limit=1&source=fabric-0001.site-1").status == 200


def test_a_snapshot_beside_a_cursor_is_the_same_one(api: tuple[Holder, int]) -> None:
    """In whatever form the two name it."""
    holder, port = api
    held = sources(100)
    holder.view = view(*held)
    first = ask(port, f"{LIST}?limit=5")
    cursor = first.headers["x-next-cursor"]
    pin = ask(port, LIST).headers["x-snapshot-id"]
    long = ",".join(f"{each.name}={each.loaded.id}" for each in held if each.loaded is not None)
    assert ask(port, f"{LIST}?limit=5&cursor={cursor}&snapshot={pin}").status == 200
    assert ask(port, f"{LIST}?limit=5&cursor={cursor}&snapshot={long}").status == 200
    reply = ask(port, f"{LIST}?limit=5&cursor={cursor}&snapshot={BEGAN}-00000000")
    assert reply.status == 400
    assert "belongs to other snapshots" in reply.text


def test_a_cursor_whose_snapshot_is_gone_says_how_to_go_on(api: tuple[Holder, int]) -> None:
    """The sentence speaks of cursor=, which the client gave, in both forms of a cursor; so does that of one to come."""
    holder, port = api
    for count in (1, 2, 100):
        held = sources(count)
        holder.view = view(*held)
        target = f"{LIST}?limit=1&cursor={ask(port, f'{LIST}?limit=1').headers['x-next-cursor']}"
        holder.view = view(*sources(count, BEGAN + 60_000))
        reply = ask(port, target)
        assert reply.text == "the snapshot of this cursor is gone: start again without cursor=\n"
        assert reply.status == 410
        holder.view = view(*sources(count, BEGAN - 60_000))
        reply = ask(port, target)
        assert reply.text == "the snapshot of this cursor is not known here yet: ask again\n"
        assert (reply.status, reply.headers["retry-after"]) == (404, "1")


def _moved_on(old: list[SourceView], expires_at: float) -> View:
    """The same sources with newer snapshots, while the old ones are kept until ``expires_at``."""
    new = []
    for each, later in zip(old, sources(len(old), BEGAN + 10_000), strict=True):
        assert each.loaded is not None
        new.append(replace(later, kept=(Kept(each.loaded, each.confirmed_at, expires_at),)))
    return view(*new)
