"""What the metrics of each source are: DescribeMetrics, and what verbose cells say of them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from switchboard.api.answer import Answer, Request
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.respond import respond
from switchboard.snapshot.metrics import Column, Kind, MetricInfo, Role
from switchboard.view.sources import Loaded
from switchboard.view.view import View
from tests.lab.answers import headers_of
from tests.lab.fabric import DATA_SECONDS, NOW, row, snapshot, source, view

ROWS = [row("sw1", "1", rx=1, state="Active", packet_errors=3)]


def ask(seen: View, target: str) -> Answer:
    parts = urlsplit(f"/telemetry/{target}")
    endpoint = next(each for each in ENDPOINTS if each.path == parts.path)
    return respond(endpoint, seen, NOW, Request(query=parts.query.encode()))


def described(seen: View, query: str = "") -> Any:
    answer = ask(seen, f"DescribeMetrics?{query}")
    assert isinstance(answer.body, bytes)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def test_metrics_and_labels_of_each_source_are_described() -> None:
    """Kind, unit and meaning come from the snapshot, in the order of its body; sources in configured order."""
    seen = view(source("a", ROWS), source("b", [row("sw2", bandwidth_mbps=1.5)]))
    a, b = described(seen)
    assert [each["metric"] for each in a["metrics"]] == ["rx", "packet_errors"]
    assert a["metrics"][1] == {
        "metric": "packet_errors",
        "column": "packet_errors",
        "kind": "counter",
        "unit": "{error}",
        "help": "Packet errors since the switch started.",
    }
    assert (a["metrics"][0]["kind"], a["metrics"][0]["unit"], a["metrics"][0]["help"]) == ("unknown", None, "")
    assert a["labels"] == [{"label": "state", "column": "state"}]
    assert [(b["source"], each["metric"], each["kind"]) for each in b["metrics"]] == [("b", "bandwidth_mbps", "gauge")]


def test_a_query_narrows_by_name_pattern_and_source() -> None:
    """A source that has none of the names stands there empty; if none has any, that is said."""
    seen = view(source("a", ROWS), source("b", [row("sw2", bandwidth_mbps=1.5)]))
    assert [len(each["metrics"]) for each in described(seen, "metric=packet_errors")] == [1, 0]
    assert [len(each["metrics"]) for each in described(seen, "metric=*x&metric=state")] == [1, 0]
    assert [each["source"] for each in described(seen, "source=b")] == ["b"]
    assert ask(seen, "DescribeMetrics?metric=none").status == 404
    assert ask(seen, "DescribeMetrics?source=none").status == 404
    assert ask(view(source("a", ROWS), source("b")), "DescribeMetrics?metric=none").status == 503


def test_patterns_are_bounded() -> None:
    """They are matched with all columns on the event loop. A column that is written so is no pattern."""
    seen = view(source("a", [row("sw1", None, **{"a*": 1, "packet_errors": 3})]))
    for query in (f"metric={'*a' * 200}", "&".join(f"metric=*{at}" for at in range(17))):
        answer = ask(seen, f"DescribeMetrics?{query}")
        assert answer.status == 400, query
        assert str(answer.body).startswith("b'Too many patterns in the metric parameter: at most 16"), query
    names = "&".join(f"metric=*{at}" for at in range(16))
    assert [each["metric"] for each in described(seen, f"metric=a*&{names}")[0]["metrics"]] == ["a*"]


def test_an_answer_has_a_tag_and_can_be_pinned() -> None:
    """The answer is drawn from snapshots like all data: If-None-Match and snapshot= work."""
    seen = view(source("a", ROWS))
    headers = headers_of(ask(seen, "DescribeMetrics"))
    assert headers[b"etag"]
    pinned = ask(seen, f"DescribeMetrics?snapshot={headers[b'x-snapshot-id'].decode()}")
    assert pinned.body == ask(seen, "DescribeMetrics").body
    assert ask(seen, "DescribeMetrics?snapshot=1-gone").status == 410


def test_original_names_are_told() -> None:
    """A column that is kept under another name is shown with both."""
    held = snapshot(ROWS)
    held.columns = [Column("rx", "Rx_[Bytes]", Role.METRIC, MetricInfo(Kind.COUNTER, "By", "Bytes."))]
    seen = view(source("a", ROWS))
    shown = described(view(_with(seen, held)))
    assert [(each["metric"], each["column"]) for each in shown[0]["metrics"]] == [("rx", "Rx_[Bytes]")]


def test_a_snapshot_that_does_not_say_its_columns_is_described_all_the_same() -> None:
    """Of a snapshot that an older version has stored, the names are those of its blocks, and only units are known."""
    held = snapshot([row("sw1", latency_ms=1.5, state="up")])
    held.columns, held._infos = (), {}
    (shown,) = described(view(_with(view(source("a", ROWS)), held)))
    assert shown["metrics"] == [
        {"metric": "latency_ms", "column": "latency_ms", "kind": "unknown", "unit": "ms", "help": ""}
    ]
    assert shown["labels"] == [{"label": "state", "column": "state"}]


def test_a_verbose_cell_says_kind_unit_and_meaning() -> None:
    """A verbose cell says the same of its metric as DescribeMetrics; a label has no kind, unit or meaning."""
    seen = view(source("a", ROWS))
    cell = json.loads(bytes(ask(seen, "GetMetric?switch_id=sw1&port=1&metric=packet_errors&verbose=true").body))  # type: ignore[arg-type]
    assert (cell["kind"], cell["unit"], cell["help"]) == (
        "counter",
        "{error}",
        "Packet errors since the switch started.",
    )
    label = json.loads(bytes(ask(seen, "GetMetric?switch_id=sw1&port=1&metric=state&verbose=true").body))  # type: ignore[arg-type]
    assert (label["kind"], label["unit"], label["help"]) == (None, None, "")


def _with(seen: View, held: Any) -> Any:
    from dataclasses import replace

    return replace(seen.sources[0], loaded=Loaded(held, DATA_SECONDS + 10))
