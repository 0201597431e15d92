"""Batches of cells, and cells with all that is known about them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.api.answer import Answer, Request
from switchboard.api.bodies import SharedBody
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.posted import MOST_POSTED_BYTES
from switchboard.api.respond import respond
from switchboard.query import batch
from switchboard.view.view import View
from tests.lab.fabric import DATA_SECONDS, NOW, Holder, row, source, view
from tests.lab.fuzz import fuzz
from tests.lab.running_api import ask as ask_http
from tests.lab.running_api import running_api
from tests.query.test_lists import BOTH, FIRST_LATE, ONE_MISSING, ask, body, header

POSTED = next(each for each in ENDPOINTS if each.path == "/telemetry/GetMetrics")


def post(seen: View, cells: list[dict[str, str]], **more: str) -> Answer:
    return respond(POSTED, seen, NOW, Request("POST", body=json.dumps({"cells": cells} | more).encode()))


def cell(switch: str, metric: str, port: str = "", source: str = "") -> dict[str, str]:
    asked = {"switch_id": switch, "metric": metric, "port": port, "source": source}
    return {name: value for name, value in asked.items() if value}


CELLS = st.builds(
    cell,
    st.sampled_from(["sw1", "sw2", "sw3", "sw4"]),
    st.sampled_from(["rx", "tx", "fec", "none"]),
    st.sampled_from(["", "1", "2", "3"]),
    st.sampled_from(["", "primary", "secondary", "nobody"]),
)


@given(st.lists(CELLS, min_size=1, max_size=20), st.sampled_from([BOTH, FIRST_LATE, ONE_MISSING]))
@fuzz(0.5)
def test_a_batch_answers_as_get_metric_does(cells: list[dict[str, str]], seen: View) -> None:
    """The answers stand in order: the value, or the sentence and the status of the error."""
    expected: list[dict[str, Any]] = []
    for each in cells:
        answer = ask(seen, "GetMetric?" + "&".join(f"{name}={value}" for name, value in each.items()))
        if answer.status == 200:
            expected.append({"value": body(answer)})
        else:
            expected.append({"error": body(answer).removesuffix("\n"), "status": answer.status})
    assert body(post(seen, cells)) == expected


def test_a_batch_names_the_snapshots_that_it_may_be_drawn_from() -> None:
    """A batch names all snapshots, or that of the source that it asks; a missing source makes it partial."""
    rx = cell("sw1", "rx", "1")
    assert header(post(BOTH, [rx]), "x-snapshot-id") == "primary=1-p,secondary=2-s"
    assert header(post(BOTH, [rx], source="secondary"), "x-snapshot-id") == "2-s"
    partial = post(ONE_MISSING, [rx])
    assert (header(partial, "x-snapshot-state"), header(partial, "x-snapshot-missing")) == ("partial", "secondary")
    assert header(partial, "etag") is None
    assert header(partial, "cache-control") == "no-store"
    assert post(ONE_MISSING, [rx], source="secondary").status == 503


def test_the_source_of_a_cell_goes_before_that_of_the_batch() -> None:
    """One batch may ask several sources."""
    cells = [cell("sw1", "rx", "1"), cell("sw1", "rx", "1", "primary")]
    answer = post(BOTH, cells, source="secondary")
    assert body(answer) == [{"value": 901}, {"value": 10}]
    assert header(answer, "x-snapshot-id") == "primary=1-p,secondary=2-s"


def test_a_batch_is_drawn_from_the_snapshots_that_it_insists_on() -> None:
    """A cell of a source whose snapshot is not among those of the batch has no value."""
    cells = [cell("sw1", "rx", "1"), cell("sw1", "fec", "1"), cell("sw1", "rx", "1", "primary")]
    answer = post(BOTH, cells, snapshot="2-s")
    missing = {"error": "source is none of those whose snapshots are asked for", "status": 404}
    assert body(answer) == [{"value": 901}, {"value": 1}, missing]
    assert body(post(BOTH, cells, snapshot="primary=1-p,secondary=2-s")) == [{"value": 10}, {"value": 1}, {"value": 10}]
    assert post(BOTH, cells, snapshot="0-p").status == 410


def test_a_guid_may_be_asked_for_in_any_spelling() -> None:
    """A batch takes GUIDs as GetMetric does."""
    seen = view(source("fabric", [row("0x248a070300ef19a0", rx=1)]))
    assert body(post(seen, [cell("248A:0703:00EF:19A0", "rx")])) == [{"value": 1}]


def test_a_large_batch_is_looked_up_in_pieces() -> None:
    """The event loop turns while it is made, and it arrives whole, with its length."""
    seen = view(source("fabric", [row(f"sw{number}", rx=number) for number in range(100)]))
    cells = [cell(f"sw{number % 101}", "rx") for number in range(10_000)]
    answer = post(seen, cells)
    assert isinstance(answer.body, SharedBody)
    pieces = 0
    while not answer.body.advance():
        pieces += 1
    assert pieces >= 30
    with running_api(Holder(seen)) as port:
        reply = ask_http(port, POSTED.path, "POST", body=json.dumps({"cells": cells}).encode())
    assert reply.body == answer.body.content
    assert reply.headers["content-length"] == str(len(reply.body))
    entries = reply.json()
    assert len(entries) == 10_000
    assert entries[100] == {"error": "switch_id does not exist", "status": 404}
    assert [each["value"] for each in entries[:100]] == list(range(100))


def test_an_answer_has_a_bounded_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that stand for all ports of a switch are refused once there are too many values; single ones are not."""
    seen = view(source("fabric", [row("sw1", str(port), rx=port) for port in range(50)]))
    monkeypatch.setattr(batch, "MOST_VALUES", 80)
    entries = body(post(seen, [cell("sw1", "rx")] * 3 + [cell("sw1", "rx", "7")]))
    assert [len(each["value"]) for each in entries[:2]] == [50, 50]
    assert entries[2]["status"] == 413
    assert "the answer is too large" in entries[2]["error"]
    assert entries[3] == {"value": 7}


def test_a_body_that_is_too_large_is_answered_though_its_client_is_still_sending() -> None:
    """A connection that is closed at once is reset, and takes the answer with it."""
    with running_api(Holder(BOTH)) as port:
        reply = ask_http(port, "/telemetry/GetMetrics", "POST", body=bytes(10 * MOST_POSTED_BYTES))
        assert reply.status == 413


def test_a_verbose_cell_says_where_each_value_is_from() -> None:
    """Every port has the source, snapshot, state, age and time of its own row, and its labels."""
    ports = body(ask(FIRST_LATE, "GetMetric?switch_id=sw1&metric=rx&verbose=true"))
    assert {port: (each["value"], each["source"], each["snapshot"]) for port, each in ports.items()} == {
        "1": (901, "secondary", "2-s"),
        "3": (903, "secondary", "2-s"),
        "2": (20, "primary", "1-p"),
    }
    assert (ports["2"]["state"], ports["2"]["age_seconds"]) == ("late", 16.0)
    assert (ports["3"]["state"], ports["3"]["age_seconds"]) == ("fresh", 1.0)
    assert ports["2"]["timestamp"] == "2026-11-23T18:53:20.000000Z"
    assert ports["3"]["timestamp"] == "2026-11-23T18:55:00.000000Z"


def test_a_verbose_cell_has_its_unit_and_the_labels_of_its_row() -> None:
    """A text has no unit, an empty label is left out, and a GUID is spelled as the source spells it."""
    guid = "0x248a070300ef19a0"
    seen = view(
        source("fabric", [row(guid, "1", DATA_SECONDS + 0.25, PortXmitData=2**63, state="Active", cable="")]),
    )
    answer = ask(seen, f"GetMetric?switch_id={guid[2:].upper()}&metric=PortXmitData&port=1&verbose=true")
    report = body(answer)
    assert (report["switch_id"], report["value"], report["unit"]) == (guid, 2**63, "4.By")
    assert (report["labels"], report["timestamp"]) == ({"state": "Active"}, "2026-11-23T18:53:20.250000Z")
    assert header(answer, "etag") is None
    assert header(answer, "cache-control") == "no-store"
    assert body(ask(seen, f"GetMetric?switch_id={guid}&metric=state&port=1&verbose=true"))["unit"] is None
