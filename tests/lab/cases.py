"""The API as a table: request, status, exact body, headers. docs/answers.md shows the same table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from switchboard.model import Outcome, Reject
from switchboard.view.view import View
from tests.lab.fabric import NOW, row, source, status, view

SNAPSHOT = "1795460000500-a1b2"
ETAG_OF_SW1 = '"04239e7bfc0b0b1e3fdf79e3"'
JSON = {"content-type": "application/json"}
TEXT = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
PROBLEM = {"content-type": "application/problem+json", "cache-control": "no-store"}
CURRENT = {
    "cache-control": "no-cache",
    "last-modified": "Mon, 23 Nov 2026 18:53:25 GMT",
    "vary": "Accept, Accept-Encoding",
    "x-snapshot-id": SNAPSHOT,
    "x-snapshot-state": "fresh",
    "x-snapshot-timestamp": "2026-11-23T18:53:25.000Z",
}
ACCEPT_JSON = {"Accept": "application/json"}

_LATER = 1_795_460_005
_ROWS = [
    row("sw1", bandwidth_mbps=3704.32, latency_ms=3432.29, packet_errors=20),
    row("sw2", bandwidth_mbps=9485.01, latency_ms=None, packet_errors=7),
    row("sw3", time=_LATER, bandwidth_mbps=12.5, latency_ms=0.1, packet_errors=18_446_744_073_709_551_615),
]
_PORTS = [
    row("a", port, _LATER, errors=errors, state=state)
    for port, errors, state in (("1", 5, "Active"), ("2", 7, "Polling"), ("3", None, ""))
]

WORLDS: dict[str, View] = {
    "live": view(source("fabric", _ROWS, snapshot=SNAPSHOT)),
    "ports": view(source("fabric", _PORTS, snapshot=SNAPSHOT)),
    "empty": view(),
    "never reached": view(
        store_answered_at=None, store_trouble="cannot read the sources: redis://127.0.0.1:6379 does not answer"
    ),
    "not scraped": view(source("fabric", status_seen_at=NOW - 3.0)),
    "rejects": view(
        source(
            "fabric",
            _ROWS,
            last=status(
                outcome=Outcome.FAILED,
                reason="too_many_rejects",
                error="60 of 100 rows cannot be used",
                rejects={"columns": 60, "bad_number": 1},
                rejects_ms=status().attempted_ms,
                examples=[
                    Reject(reason="columns", line=3, value="sw2,1,2,3,4"),
                    Reject(reason="bad_number", line=70, column="latency_ms", value="<b>"),
                ],
            ),
        ),
        source("other", last=status("other", outcome=Outcome.HELD, reason="row_collapse", error="held")),
        source("third", last=status("third", rejects_ms=1)),
    ),
    "no rows": view(source("fabric", [], snapshot=SNAPSHOT)),
    "held": view(
        source(
            "fabric",
            last=status(outcome=Outcome.HELD, reason="row_collapse", error="the body has 3 rows"),
            expires_at=NOW - 12.0,
        )
    ),
    "expired": view(
        source(
            "fabric",
            last=status(outcome=Outcome.FAILED, reason="refused", error="http://127.0.0.1:9001/counters refuses"),
            expires_at=NOW - 12.0,
            status_seen_at=NOW - 4.0,
        )
    ),
}


@dataclass(frozen=True)
class Case:
    """A request and what comes back. ``world`` names the state of the service, ``posted`` is the body of a POST."""

    target: str
    status: int
    body: str
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Some headers of the answer; None: the answer does not have this one."""
    method: str = "GET"
    sent: Mapping[str, str] = field(default_factory=dict)
    world: str = "live"
    posted: str = ""

    def __str__(self) -> str:
        sent = "".join(f" {name}: {value}" for name, value in self.sent.items())
        posted = f" {self.posted[:200]}" if self.posted else ""
        return f"{self.method} {self.target}{sent}{posted} ({self.world})"


GET = "/telemetry/GetMetric"
LIST = "/telemetry/ListMetrics"
TOP = "/telemetry/TopMetrics"
BATCH = "/telemetry/GetMetrics"
_SW1 = '{"sw1":{"bandwidth_mbps":3704.32,"latency_ms":3432.29,"packet_errors":20}}'
_SW2 = '{"sw2":{"bandwidth_mbps":9485.01,"packet_errors":7}}'
_SW3 = '{"sw3":{"bandwidth_mbps":12.5,"latency_ms":0.1,"packet_errors":18446744073709551615}}'
_VERBOSE = (
    '{"value":%d,"kind":"unknown","unit":null,"help":"","timestamp":"2026-11-23T18:53:25.000000Z","age_seconds":1.0,"data_age_seconds":6.0,"state":"fresh",'
    f'"snapshot":"{SNAPSHOT}","source":"fabric","switch_id":"a","port":"%s","metric":"errors",'
    '"labels":{"state":"%s"}}'
)
_N = "Malformed n parameter: %s is %s\n"
_KNOWN = "GetMetric takes switch_id, metric, port, source, snapshot, verbose"
_WHERE, _LIMIT, _CURSOR = (f"Malformed {name} parameter:" for name in ("where", "limit", "cursor"))
_OPS = "> >= < <= = !="
_SINCE = "Malformed since parameter:"
_BODY = "Malformed body:"
_SUCH = '{"cells": [{"switch_id": "sw1", "metric": "m"}]}'
_MORE = "is more than one condition: give where= once for each, and a row has to meet all of them"
_NEITHER = "is neither Unix seconds or milliseconds, nor RFC 3339 (2026-11-24T06:00:00Z), nor a time span (15m)"


def _top(switch: str, port: str, value: object, second: int = 20) -> str:
    return (
        f'{{"switch_id":"{switch}","port":{port},"value":{value},"timestamp":"2026-11-23T18:53:{second}.000000Z",'
        '"source":"fabric"}'
    )


def _batch(posted: str, status: int, body: str, headers: Mapping[str, str | None], **more: Any) -> Case:
    return Case(BATCH, status, body, headers, method="POST", posted=posted, **more)


def _problem(status: int, title: str, detail: str) -> str:
    return f'{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}\n'


CASES = [
    # 200
    Case(f"{GET}?switch_id=sw1&metric=bandwidth_mbps", 200, "3704.32", JSON | CURRENT),
    Case(f"{GET}?switch_id=sw1&metric=packet_errors", 200, "20", JSON | CURRENT),
    Case(f"{GET}?switch_id=sw3&metric=packet_errors", 200, "18446744073709551615", JSON),
    Case(f"{GET}?switch_id=sw1&metric=latency_ms&source=fabric", 200, "3432.29", JSON | CURRENT),
    Case(f"{GET}?switch_id=%73w1&metric=bandwidth_mbps", 200, "3704.32", JSON),
    Case(f"{GET}?switch_id=a&metric=errors&port=2", 200, "7", JSON | CURRENT, world="ports"),
    Case(f"{GET}?switch_id=a&metric=errors", 200, '{"1":5,"2":7}', JSON | CURRENT, world="ports"),
    Case(f"{GET}?switch_id=a&metric=state&port=2", 200, '"Polling"', JSON | CURRENT, world="ports"),
    Case(f"{GET}?switch_id=a&metric=state", 200, '{"1":"Active","2":"Polling"}', JSON, world="ports"),
    Case(f"{GET}?switch_id=sw1&metric=bandwidth_mbps&verbose=false", 200, "3704.32", JSON | CURRENT),
    Case(
        f"{GET}?switch_id=sw1&metric=bandwidth_mbps&verbose=true",
        200,
        '{"value":3704.32,"kind":"gauge","unit":"Mbit/s","help":"Bandwidth in use.",'
        '"timestamp":"2026-11-23T18:53:20.000000Z","age_seconds":1.0,"data_age_seconds":6.0,"state":"fresh",'
        f'"snapshot":"{SNAPSHOT}","source":"fabric","switch_id":"sw1","port":null,"metric":"bandwidth_mbps",'
        '"labels":{}}',
        JSON | CURRENT | {"cache-control": "no-store"},
    ),
    Case(
        f"{GET}?switch_id=a&metric=errors&verbose=true",
        200,
        f'{{"1":{_VERBOSE % (5, "1", "Active")},"2":{_VERBOSE % (7, "2", "Polling")}}}',
        JSON | CURRENT | {"cache-control": "no-store"},
        world="ports",
    ),
    Case(
        f"{GET}?switch_id=a&metric=errors&verbose=true&port=2",
        200,
        _VERBOSE % (7, "2", "Polling"),
        JSON | {"cache-control": "no-store"},
        world="ports",
    ),
    *(
        Case(f"{GET}?switch_id=a&metric=errors&port=2&verbose={no}", 200, "7", JSON, world="ports")
        for no in ("False", "0", "FALSE")
    ),
    *(
        Case(
            f"{GET}?switch_id=a&metric=errors&port=2&verbose={yes}",
            200,
            _VERBOSE % (7, "2", "Polling"),
            JSON,
            world="ports",
        )
        for yes in ("True", "1", "TRUE")
    ),
    *(Case(f"{LIST}?since={span}", 200, f"[{_SW3}]\n", JSON) for span in ("4s", "-4s", "4999ms", "0.05min")),
    *(
        Case(f"{LIST}?since={span}", 200, f"[{_SW1},{_SW2},{_SW3}]\n", JSON)
        for span in ("6s", "1h", "1h30m", "-15m", "2d")
    ),
    Case(f"{LIST}?since=0s", 200, "[]\n", JSON),
    *(
        Case(f"{LIST}?switch_id={names}", 200, f"[{_SW1},{_SW3}]\n", JSON)
        for names in ("{sw1,sw3}", "%7Bsw1%2Csw3%7D", "sw{1,3}", "{sw1,nothing,*3}", "s{w,x}{3,1}")
    ),
    Case(f"{LIST}?switch_id={{sw1}}", 200, "[]\n", JSON),
    Case(
        f"{LIST}?metric={{errors,state}}&port={{1,2}}&switch_id=a",
        200,
        '[{"a":{"1":{"state":"Active","errors":5},"2":{"state":"Polling","errors":7}}}]\n',
        JSON,
        world="ports",
    ),
    Case(LIST, 200, f"[{_SW1},{_SW2},{_SW3}]\n", JSON),
    Case(f"{LIST}?switch_id=sw3&switch_id=sw1", 200, f"[{_SW1},{_SW3}]\n", JSON),
    Case(f"{LIST}?metric=latency_ms", 200, '[{"sw1":{"latency_ms":3432.29}},{"sw3":{"latency_ms":0.1}}]\n', JSON),
    Case(f"{LIST}?switch_id=nobody", 200, "[]\n", JSON),
    Case(f"{LIST}?metric=nothing", 200, "[]\n", JSON),
    Case(f"{LIST}?port=1", 200, "[]\n", JSON),
    Case(LIST, 200, '[{"a":{"1":{"errors":5},"2":{"errors":7},"3":{}}}]\n', JSON | CURRENT, world="ports"),
    Case(
        f"{LIST}?metric=state&metric=errors",
        200,
        '[{"a":{"1":{"state":"Active","errors":5},"2":{"state":"Polling","errors":7}}}]\n',
        JSON,
        world="ports",
    ),
    Case(f"{LIST}?port=2&port=9", 200, '[{"a":{"2":{"errors":7}}}]\n', JSON, world="ports"),
    Case(f"{LIST}?since=1795460000", 200, f"[{_SW3}]\n", JSON),
    Case(f"{LIST}?since=1795460000000", 200, f"[{_SW3}]\n", JSON),
    Case(f"{LIST}?since=1795459999.5", 200, f"[{_SW1},{_SW2},{_SW3}]\n", JSON),
    Case(f"{LIST}?since=2026-11-23T18:53:20Z", 200, f"[{_SW3}]\n", JSON),
    Case(f"{LIST}?since=2026-11-23T19:53:20%2B01:00", 200, f"[{_SW3}]\n", JSON),
    Case(f"{LIST}?since=2100-01-01T00:00:00Z", 200, "[]\n", JSON),
    Case(
        f"{LIST}?switch_id=sw*&metric=*_ms", 200, '[{"sw1":{"latency_ms":3432.29}},{"sw3":{"latency_ms":0.1}}]\n', JSON
    ),
    Case(f"{LIST}?switch_id=?w1", 200, f"[{_SW1}]\n", JSON),
    Case(f"{LIST}?switch_id=SW*", 200, "[]\n", JSON),
    Case(f"{LIST}?port=%3F&metric=err*", 200, '[{"a":{"1":{"errors":5},"2":{"errors":7}}}]\n', JSON, world="ports"),
    Case(f"{LIST}?metric=*&port=3", 200, "[]\n", JSON, world="ports"),
    Case(f"{LIST}?where=packet_errors>7", 200, f"[{_SW1},{_SW3}]\n", JSON),
    Case(f"{LIST}?where=packet_errors<18446744073709551615", 200, f"[{_SW1},{_SW2}]\n", JSON),
    Case(f"{LIST}?where=packet_errors%3D18446744073709551615", 200, f"[{_SW3}]\n", JSON),
    Case(
        f"{LIST}?where=latency_ms>=0&where=bandwidth_mbps+<+1e3&metric=latency_ms",
        200,
        '[{"sw3":{"latency_ms":0.1}}]\n',
        JSON,
    ),
    Case(f"{LIST}?where=latency_ms!=1", 200, f"[{_SW1},{_SW3}]\n", JSON),
    Case(f"{LIST}?where=nothing!=1", 200, "[]\n", JSON),
    Case(f"{LIST}?where=state=Active", 200, '[{"a":{"1":{"errors":5}}}]\n', JSON, world="ports"),
    Case(f"{LIST}?where=state!=Active&metric=state", 200, '[{"a":{"2":{"state":"Polling"}}}]\n', JSON, world="ports"),
    Case(f"{LIST}?limit=3", 200, f"[{_SW1},{_SW2},{_SW3}]\n", JSON),
    Case(f"{LIST}?limit=2&where=packet_errors>7", 200, f"[{_SW1},{_SW3}]\n", JSON),
    Case(
        f"{LIST}?format=ndjson&switch_id=sw2",
        200,
        '{"source":"fabric","switch_id":"sw2","timestamp":"2026-11-23T18:53:20.000000Z","bandwidth_mbps":9485.01,'
        '"packet_errors":7}\n',
        CURRENT | {"content-type": "application/x-ndjson"},
    ),
    Case(
        f"{LIST}?metric=packet_errors",
        200,
        "source,switch_id,port,timestamp,packet_errors\r\n"
        "fabric,sw1,,2026-11-23T18:53:20.000000Z,20\r\n"
        "fabric,sw2,,2026-11-23T18:53:20.000000Z,7\r\n"
        "fabric,sw3,,2026-11-23T18:53:25.000000Z,18446744073709551615\r\n",
        CURRENT | {"content-type": "text/csv; charset=utf-8"},
        sent={"Accept": "text/csv"},
    ),
    Case(
        f"{LIST}?format=csv&metric=state&metric=errors",
        200,
        "source,switch_id,port,timestamp,state,errors\r\n"
        "fabric,a,1,2026-11-23T18:53:25.000000Z,Active,5\r\n"
        "fabric,a,2,2026-11-23T18:53:25.000000Z,Polling,7\r\n",
        {"content-type": "text/csv; charset=utf-8"},
        world="ports",
    ),
    Case(f"{LIST}?format=ndjson", 200, "", {"content-type": "application/x-ndjson"}, world="no rows"),
    Case(f"{LIST}?format=json&switch_id=sw1", 200, f"[{_SW1}]\n", JSON, sent={"Accept": "text/csv"}),
    Case(
        "/telemetry/ListSwitches",
        200,
        '[{"source":"fabric","metrics":["bandwidth_mbps","latency_ms","packet_errors"],"labels":[],"switches":'
        '[{"switch_id":"sw1","rows":1},{"switch_id":"sw2","rows":1},{"switch_id":"sw3","rows":1}]}]\n',
        JSON,
    ),
    Case(
        "/telemetry/ListSources",
        200,
        '[{"name":"fabric","url":"http://127.0.0.1:9001/counters","labels":{"fabric":"lab"},"state":"fresh","interval_seconds":10.0,'
        f'"ttl_seconds":30.0,"snapshot":"{SNAPSHOT}","timestamp":"2026-11-23T18:53:25.000Z","age_seconds":1.0,'
        '"data_age_seconds":6.0,"max_data_age_seconds":900.0,"expires_in_seconds":29.0,"rows":3,"switches":3,"rejects":{},"trouble":null,"last_attempt":'
        '{"outcome":"published","duration_seconds":0.013,"seen_seconds_ago":1.0,"reason":"","error":"",'
        '"rejects":{},"examples":[]}}]\n',
        JSON | {"cache-control": "no-store"},
    ),
    Case(LIST, 200, "[]\n", JSON | {"x-snapshot-id": SNAPSHOT}, world="no rows"),
    Case(
        "/telemetry/ListSwitches",
        200,
        '[{"source":"fabric","metrics":[],"labels":[],"switches":[]}]\n',
        JSON,
        world="no rows",
    ),
    Case("/telemetry/ListSources", 200, "[]\n", JSON | {"cache-control": "no-store"}, world="empty"),
    Case(
        "/telemetry/Rejects?source=fabric",
        200,
        '[{"source":"fabric","outcome":"failed","reason":"too_many_rejects","error":"60 of 100 rows cannot be used",'
        '"seen_seconds_ago":1.0,"of_last_scrape":true,"counts":{"columns":60,"bad_number":1},"examples":[{"line":3,'
        '"column":null,"value":"sw2,1,2,3,4","reason":"columns","sentence":"Line 3: '
        "'sw2,1,2,3,4' has another number "
        "of cells than the header; the row is left out. What may help: cells with a comma in them have to be quoted."
        '"},{"line":70,"column":"latency_ms","value":"<b>","reason":"bad_number","sentence":"Line 70, '
        "column latency_ms:"
        " '<b>' is not a decimal number; the cell is missing, the row is kept. What may help: if the column is text, "
        'name it in columns.labels."}]}]\n',
        JSON | {"cache-control": "no-store"},
        world="rejects",
    ),
    Case(
        "/telemetry/Rejects?source=other",
        200,
        '[{"source":"other","outcome":"held","reason":"row_collapse","error":"held","seen_seconds_ago":1.0,'
        '"of_last_scrape":false,"counts":{},"examples":[]}]\n',
        JSON,
        world="rejects",
    ),
    Case("/telemetry/Rejects", 200, "[]\n", JSON, world="empty"),
    Case("/health", 200, "OK", TEXT),
    Case("/health", 200, "OK", TEXT, world="never reached"),
    Case(
        "/ready",
        200,
        '{"ready":true,"stopping":false,"store":{"ready":true,"trouble":null},"sources":{"fabric":{"ready":true,'
        f'"state":"fresh","snapshot":"{SNAPSHOT}","trouble":null}}}}}}\n',
        JSON | {"cache-control": "no-store"},
    ),
    Case(f"{TOP}?metric=bandwidth_mbps&n=1", 200, f"[{_top('sw2', 'null', 9485.01)}]\n", JSON | CURRENT),
    Case(
        f"{TOP}?metric=packet_errors",
        200,
        f"[{_top('sw3', 'null', 2**64 - 1, 25)},{_top('sw1', 'null', 20)},{_top('sw2', 'null', 7)}]\n",
        JSON | CURRENT,
    ),
    Case(
        f"{TOP}?metric=latency_ms&order=asc&switch_id=sw2&switch_id=sw1&switch_id=sw9",
        200,
        f"[{_top('sw1', 'null', 3432.29)}]\n",
        JSON | CURRENT,
    ),
    Case(
        f"{TOP}?metric=errors",
        200,
        f"""[{_top("a", '"2"', 7, 25)},{_top("a", '"1"', 5, 25)}]\n""",
        JSON | CURRENT,
        world="ports",
    ),
    Case(f"{TOP}?metric=errors&port=1&port=9", 200, f"""[{_top("a", '"1"', 5, 25)}]\n""", JSON, world="ports"),
    _batch(
        '{"cells":[{"switch_id":"sw1","metric":"packet_errors"},{"switch_id":"sw9","metric":"latency_ms"},'
        '{"switch_id":"sw2","metric":"latency_ms"},{"switch_id":"sw1","metric":"latency_ms","port":"1"},'
        '{"switch_id":"sw3","metric":"packet_errors","source":"fabric"},'
        '{"switch_id":"sw1","metric":"packet_errors","source":"x"}]}',
        200,
        '[{"value":20},{"error":"switch_id does not exist","status":404},'
        '{"error":"metric does not exist","status":404},{"error":"port does not exist","status":404},'
        '{"value":18446744073709551615},{"error":"source does not exist","status":404}]\n',
        JSON | CURRENT | {"cache-control": "no-store"},
    ),
    Case(
        f"{TOP}?metric=errors&port={{1,9}}&switch_id={{a,b}}",
        200,
        f"""[{_top("a", '"1"', 5, 25)}]\n""",
        JSON,
        world="ports",
    ),
    Case(f"{TOP}?metric=bandwidth_mbps&limit=1", 200, f"[{_top('sw2', 'null', 9485.01)}]\n", JSON),
    Case(f"{TOP}?metric=bandwidth_mbps&limit=1&order=DESC&n=1", 200, f"[{_top('sw2', 'null', 9485.01)}]\n", JSON),
    Case(
        f"{TOP}?metric=errors&metric=state&metric=errors",
        200,
        f"""[{_top("a", '"2"', 7, 25)[:-1]},"cells":{{"state":"Polling"}}}},"""
        f"""{_top("a", '"1"', 5, 25)[:-1]},"cells":{{"state":"Active"}}}}]\n""",
        JSON,
        world="ports",
    ),
    Case(
        f"{TOP}?metric=packet_errors&metric=latency_ms&format=csv&n=2",
        200,
        "source,switch_id,port,timestamp,packet_errors,latency_ms\r\n"
        "fabric,sw3,,2026-11-23T18:53:25.000000Z,18446744073709551615,0.1\r\n"
        "fabric,sw1,,2026-11-23T18:53:20.000000Z,20,3432.29\r\n",
        CURRENT | {"content-type": "text/csv; charset=utf-8"},
    ),
    Case(
        f"{TOP}?metric=packet_errors&order=asc&n=1&metric=latency_ms",
        200,
        '{"source":"fabric","switch_id":"sw2","timestamp":"2026-11-23T18:53:20.000000Z","packet_errors":7}\n',
        {"content-type": "application/x-ndjson"},
        sent={"Accept": "application/x-ndjson"},
    ),
    Case(
        "/telemetry/ListSwitches?format=CSV",
        200,
        "source,switch_id,rows\r\nfabric,sw1,1\r\nfabric,sw2,1\r\nfabric,sw3,1\r\n",
        CURRENT | {"content-type": "text/csv; charset=utf-8"},
    ),
    _batch(
        '{"cells":[{"switch_id":"a","metric":"errors"},{"switch_id":"a","metric":"state","port":2},'
        '{"switch_id":"b","metric":"errors"}],"format":"csv"}',
        200,
        "cell,switch_id,port,metric,value,error,status\r\n0,a,1,errors,5,,\r\n0,a,2,errors,7,,\r\n"
        "1,a,2,state,Polling,,\r\n2,b,,errors,,switch_id does not exist,404\r\n",
        {"content-type": "text/csv; charset=utf-8"},
        world="ports",
    ),
    _batch(
        '{"cells":[{"switch_id":"a","metric":"errors","port":2},{"switch_id":"a","metric":"errors","port":9}]}',
        200,
        '[{"value":7},{"error":"port does not exist","status":404}]\n',
        JSON,
        world="ports",
    ),
    _batch(
        '{"cells":[{"switch_id":"a","metric":"errors"},{"switch_id":"a","metric":"x","port":2}]}',
        200,
        '{"cell":0,"switch_id":"a","port":"1","metric":"errors","value":5}\n'
        '{"cell":0,"switch_id":"a","port":"2","metric":"errors","value":7}\n'
        '{"cell":1,"switch_id":"a","port":"2","metric":"x","error":"metric does not exist","status":404}\n',
        {"content-type": "application/x-ndjson"},
        world="ports",
        sent={"Accept": "application/x-ndjson"},
    ),
    _batch(
        '{"cells":[{"switch_id":"a","metric":"errors"},{"switch_id":"a","metric":"state","port":"2"}],'
        f'"source":"fabric","snapshot":"{SNAPSHOT}"}}',
        200,
        '[{"value":{"1":5,"2":7}},{"value":"Polling"}]\n',
        JSON | CURRENT | {"cache-control": "no-store"},
        world="ports",
    ),
    # 304
    Case(
        f"{GET}?switch_id=sw1&metric=bandwidth_mbps",
        304,
        "",
        {"etag": ETAG_OF_SW1},
        sent={"If-None-Match": ETAG_OF_SW1},
    ),
    Case(LIST, 304, "", {"x-snapshot-id": SNAPSHOT}, sent={"If-None-Match": "*"}),
    # 400
    Case(GET, 400, "Missing switch_id parameter\n", TEXT),
    Case(f"{GET}?metric=latency_ms", 400, "Missing switch_id parameter\n", TEXT),
    Case(f"{GET}?switch_id=&metric=latency_ms", 400, "Missing switch_id parameter\n", TEXT),
    Case(f"{GET}?switch_id&metric=latency_ms", 400, "Missing switch_id parameter\n", TEXT),
    Case(f"{GET}?switch_id=sw1", 400, "Missing metric parameter\n", TEXT),
    Case(f"{GET}?switch_id=sw1&metric=", 400, "Missing metric parameter\n", TEXT),
    Case(f"{GET}?switch_id=sw1&metric=latency_ms&port=", 400, "Missing port parameter\n", TEXT),
    Case(f"{GET}?switch_id=sw1&metric=latency_ms&source=", 400, "Missing source parameter\n", TEXT),
    Case(f"{LIST}?switch_id=", 400, "Missing switch_id parameter\n", TEXT),
    Case(f"{LIST}?switch_id=sw1&switch_id=", 400, "Missing switch_id parameter\n", TEXT),
    Case(f"{LIST}?metric=", 400, "Missing metric parameter\n", TEXT),
    Case(f"{LIST}?port=", 400, "Missing port parameter\n", TEXT),
    Case(f"{LIST}?source=", 400, "Missing source parameter\n", TEXT),
    Case(f"{LIST}?since=", 400, "Missing since parameter\n", TEXT),
    Case(f"{LIST}?where=", 400, "Missing where parameter\n", TEXT),
    Case(
        f"{LIST}?where=packet_errors",
        400,
        f"{_WHERE} packet_errors is not METRIC OP VALUE, where OP is one of {_OPS}\n",
        TEXT,
    ),
    Case(
        f"{LIST}?where=packet_errors==7",
        400,
        f"{_WHERE} packet_errors==7 has an operator that does not exist: use one of {_OPS}\n",
        TEXT,
    ),
    Case(
        f"{LIST}?where=packet_errors>many",
        400,
        f"{_WHERE} packet_errors>many needs a decimal number after >: text is compared by = and != only\n",
        TEXT,
    ),
    Case(
        f"{LIST}?where=state>5",
        400,
        f"{_WHERE} state>5 compares a label: state takes = and != only\n",
        TEXT,
        world="ports",
    ),
    Case(
        LIST + "?" + "&".join(f"where=a{number}>1" for number in range(17)),
        400,
        "Too many conditions in the where parameter: at most 16 are taken\n",
        TEXT,
    ),
    Case(
        LIST + "?" + "&".join(f"port=*{number}" for number in range(17)),
        400,
        "Too many patterns in the port parameter: at most 16 with * or ? are taken, of 256 characters altogether\n",
        TEXT,
    ),
    Case(f"{LIST}?limit=0", 400, f"{_LIMIT} 0 is less than 1\n", TEXT),
    Case(f"{LIST}?limit=10001", 400, f"{_LIMIT} 10001 is more than 10000\n", TEXT),
    Case(f"{LIST}?limit={'9' * 40}", 400, f"{_LIMIT} {'9' * 40} is more than 10000\n", TEXT),
    Case(f"{LIST}?limit=-5", 400, f"{_LIMIT} -5 is less than 1\n", TEXT),
    Case(
        f"{LIST}?where=packet_errors+>+0+and+latency_ms+>+1",
        400,
        f"{_WHERE} packet_errors > 0 and latency_ms > 1 {_MORE}\n",
        TEXT,
    ),
    Case(
        f"{LIST}?where=packet_errors>0%26%26latency_ms<1",
        400,
        f"{_WHERE} packet_errors>0&&latency_ms<1 {_MORE}\n",
        TEXT,
    ),
    Case(
        f"{LIST}?where=state=Active+and+errors>5",
        400,
        f"{_WHERE} state=Active and errors>5 {_MORE}\n",
        TEXT,
        world="ports",
    ),
    Case(f"{LIST}?where=state=Up+and+nothing>5", 200, "[]\n", JSON, world="ports"),
    Case(f"{LIST}?since=40000d", 400, f"{_SINCE} 40000d is longer than 36500 days\n", TEXT),
    Case(f"{LIST}?since=1y", 400, f"{_SINCE} 1y {_NEITHER}\n", TEXT),
    Case(
        f"{LIST}?switch_id={'{1,2}' * 10}",
        400,
        "Too many names in the switch_id parameter: {a,b} may stand for 1000 names at most\n",
        TEXT,
    ),
    Case(
        f"{TOP}?metric=errors&n=3&limit=4",
        400,
        "Contradicting n and limit parameters: they mean the same, so give one of them\n",
        TEXT,
    ),
    Case(
        f"{TOP}?{'&'.join(f'metric=m{at}' for at in range(65))}",
        400,
        "Too many metric parameters: at most 64 are taken\n",
        TEXT,
    ),
    _batch("", 400, f"{_BODY} it is empty: send JSON such as {_SUCH}\n", TEXT),
    _batch('{"cells":[{"switch_id":"a","metric":"b"}', 400, f"{_BODY} the JSON ends too early\n", TEXT),
    _batch('{"cells": none}', 400, f"{_BODY} it is not JSON, from byte 14 on\n", TEXT),
    _batch("[]", 400, f"{_BODY} the body is an array, and has to be an object\n", TEXT),
    _batch('{"cells":[{"switch_id":"a"}]}', 400, f"{_BODY} cells[0] has no metric\n", TEXT),
    _batch(
        '{"cells":[{"switch_id":7,"metric":"b"}]}',
        400,
        f"{_BODY} cells[0].switch_id is a whole number, and has to be a text\n",
        TEXT,
    ),
    _batch(
        '{"cells":[{"switch_id":"a","metric":"b","port":-1}]}', 400, f"{_BODY} cells[0].port is less than 0\n", TEXT
    ),
    _batch(
        '{"cells":[{"switch_id":"a","metric":"b","port":1.5}]}',
        400,
        f"{_BODY} cells[0].port is a number, and has to be a whole number or a text\n",
        TEXT,
    ),
    _batch(
        '{"cells":[{"switch_id":"a","metric":"b"}],"format":"xml"}',
        400,
        f"{_BODY} format is xml, and has to be one of json, ndjson, csv, arrow\n",
        TEXT,
    ),
    _batch(
        '{"cells":[{"switch_id":"a","metric":"b"}],"snapshot":"1,2"}',
        400,
        f"{_BODY} snapshot is not ID, nor SOURCE=ID,SOURCE=ID with each source once\n",
        TEXT,
    ),
    Case(f"{LIST}?limit=many", 400, f"{_LIMIT} many is no whole number from 1 to 10000\n", TEXT),
    Case(f"{LIST}?cursor=x", 400, f"{_CURSOR} x is no X-Next-Cursor of an earlier page\n", TEXT),
    Case(f"{LIST}?cursor=", 400, "Missing cursor parameter\n", TEXT),
    Case(f"{LIST}?format=xml", 400, "Malformed format parameter: xml is none of json, ndjson, csv, arrow\n", TEXT),
    Case(f"{LIST}?since=yesterday", 400, f"{_SINCE} yesterday {_NEITHER}\n", TEXT),
    Case(f"{LIST}?since=-5", 400, f"{_SINCE} -5 {_NEITHER}\n", TEXT),
    Case(f"{LIST}?since=1e9", 400, f"{_SINCE} 1e9 {_NEITHER}\n", TEXT),
    Case(
        f"{LIST}?since=1709652347161873", 400, f"{_SINCE} 1709652347161873 is too large for Unix milliseconds\n", TEXT
    ),
    Case(
        f"{LIST}?since=2026-11-23T18:53:20",
        400,
        f"{_SINCE} 2026-11-23T18:53:20 has no offset: end it with Z or +HH:MM\n",
        TEXT,
    ),
    Case(
        f"{LIST}?since=2026-02-30T00:00:00Z",
        400,
        f"{_SINCE} 2026-02-30T00:00:00Z is no date and time that exists\n",
        TEXT,
    ),
    Case(
        f"{GET}?switch=sw1&metric=latency_ms",
        400,
        f"Unknown parameter switch: did you mean switch_id? {_KNOWN}\n",
        TEXT,
    ),
    Case(f"{GET}?Metric=latency_ms", 400, f"Unknown parameter Metric: did you mean metric? {_KNOWN}\n", TEXT),
    Case(f"{GET}?q=latency_ms", 400, f"Unknown parameter q: {_KNOWN}\n", TEXT),
    Case("/telemetry/Rejects?switch_id=a", 400, "Unknown parameter switch_id: Rejects takes source\n", TEXT),
    Case("/telemetry/ListSources?source=a", 400, "Unknown parameter source: ListSources takes none\n", TEXT),
    Case(
        f"{GET}?switch_id=sw1&switch_id=sw2&metric=latency_ms",
        400,
        "Repeated switch_id parameter: it may be given once\n",
        TEXT,
    ),
    Case(
        f"{GET}?switch_id=%zz&metric=latency_ms",
        400,
        "Malformed query string: % must be followed by two hexadecimal digits\n",
        TEXT,
    ),
    Case(f"{GET}?nothing=%zz", 400, "Malformed query string: % must be followed by two hexadecimal digits\n", TEXT),
    Case(
        f"{GET}?switch_id=a&metric=b&verbose=yes",
        400,
        "Malformed verbose parameter: yes is neither true nor false\n",
        TEXT,
    ),
    Case(f"{GET}?switch_id=a&metric=b&verbose=", 400, "Missing verbose parameter\n", TEXT),
    Case(f"{GET}?switch_id=sw9&metric=b&verbose=true", 404, "switch_id does not exist\n", TEXT),
    Case(f"{GET}?switch_id=%ff&metric=latency_ms", 400, "Malformed query string: it is not UTF-8\n", TEXT),
    Case(
        GET,
        400,
        _problem(400, "Bad Request", "Missing switch_id parameter"),
        PROBLEM,
        sent=ACCEPT_JSON,
    ),
    Case(TOP, 400, "Missing metric parameter\n", TEXT),
    Case(f"{TOP}?metric=a&n=0", 400, _N % ("0", "less than 1"), TEXT),
    Case(f"{TOP}?metric=a&n=1001", 400, _N % ("1001", "more than 1000"), TEXT),
    Case(f"{TOP}?metric=a&n=ten", 400, "Malformed n parameter: ten is no whole number from 1 to 1000\n", TEXT),
    Case(f"{TOP}?metric=a&order=up", 400, "Malformed order parameter: up is none of desc, asc\n", TEXT),
    Case(
        f"{TOP}?metric=state",
        400,
        "Malformed metric parameter: state is a label: only numbers can be ranked\n",
        TEXT,
        world="ports",
    ),
    _batch("{}", 400, "Malformed body: the body has no cells\n", TEXT),
    _batch('{"cells":[]}', 400, "Malformed body: cells is empty: name at least one cell\n", TEXT),
    _batch(
        f"""{{"cells":[{",".join(['{"switch_id":"a","metric":"b"}'] * 10_001)}]}}""",
        400,
        "Malformed body: cells has more than 10000 entries\n",
        TEXT,
    ),
    _batch(
        '{"cells":[{"switch_id":"sw1","metric":"a","switch":"b"}]}',
        400,
        f"{_BODY} cells[0] has an unknown field switch: did you mean switch_id? it takes "
        "switch_id, metric, port, source\n",
        TEXT,
    ),
    _batch(
        '{"cells":[{"switch_id":"","metric":"a"}]}',
        400,
        "Malformed body: cells[0].switch_id is empty\n",
        TEXT,
    ),
    # 404
    Case(f"{TOP}?metric=packet_errors&metric=nothing", 404, "metric does not exist\n", TEXT),
    Case(f"{TOP}?metric=nothing", 404, "metric does not exist\n", TEXT),
    Case(f"{TOP}?metric=latency_ms&switch_id=sw2", 404, "metric does not exist\n", TEXT),
    Case(f"{TOP}?metric=latency_ms&switch_id=sw9", 404, "switch_id does not exist\n", TEXT),
    Case(f"{TOP}?metric=latency_ms&port=1", 404, "port does not exist\n", TEXT),
    Case(f"{TOP}?metric=errors&port=9", 404, "port does not exist\n", TEXT, world="ports"),
    Case(f"{TOP}?metric=latency_ms&source=x", 404, "source does not exist\n", TEXT),
    Case(f"{TOP}?metric=latency_ms", 404, "metric does not exist\n", TEXT, world="no rows"),
    _batch('{"cells":[{"switch_id":"a","metric":"b"}],"source":"x"}', 404, "source does not exist\n", TEXT),
    _batch(
        '{"cells":[{"switch_id":"a","metric":"b"}],"snapshot":"1595460000500-old"}',
        410,
        "snapshot is gone: ask without snapshot= for the current one\n",
        TEXT,
    ),
    Case(f"{GET}?switch_id=sw9&metric=latency_ms", 404, "switch_id does not exist\n", TEXT),
    Case(f"{GET}?switch_id=sw1&metric=nothing", 404, "switch_id does not exist\n", TEXT, world="no rows"),
    Case(f"{GET}?switch_id=sw9&metric=nothing", 404, "switch_id does not exist\n", TEXT),
    Case(f"{GET}?switch_id=sw1&metric=nothing", 404, "metric does not exist\n", TEXT),
    Case(f"{GET}?switch_id=sw2&metric=latency_ms", 404, "metric does not exist\n", TEXT),
    Case(f"{GET}?switch_id=sw1&metric=nothing&port=1", 404, "port does not exist\n", TEXT),
    Case(f"{GET}?switch_id=a&metric=errors&port=3", 404, "metric does not exist\n", TEXT, world="ports"),
    Case(f"{GET}?switch_id=a&metric=state&port=3", 404, "metric does not exist\n", TEXT, world="ports"),
    Case(f"{GET}?switch_id=a&metric=errors&port=4", 404, "port does not exist\n", TEXT, world="ports"),
    Case(f"{GET}?switch_id=sw1&metric=latency_ms&source=x", 404, "source does not exist\n", TEXT),
    Case("/telemetry/Rejects?source=x", 404, "source does not exist\n", TEXT),
    Case(f"{LIST}?source=x", 404, "source does not exist\n", TEXT),
    Case(
        f"{GET}?switch_id=sw9&metric=latency_ms",
        404,
        _problem(404, "Not Found", "switch_id does not exist"),
        PROBLEM,
        sent=ACCEPT_JSON,
    ),
    Case("/", 302, "/docs has the documentation\n", {"location": "docs", "cache-control": "no-store"}),
    *(
        Case(
            path,
            404,
            f"path does not exist: did you mean {right}?\n",
            TEXT | {"link": f'<{right}>; rel="alternate"'},
        )
        for path, right in (
            ("/telemetry/GetMetric/", GET),
            ("/telemetry/listmetrics", LIST),
            ("/telemetry/list_metrics/", LIST),
            ("/ListMetrics", LIST),
            ("/telemetry/TopMetric", TOP),
            ("/doc", "/docs"),
            ("/Metrics", "/metrics"),
        )
    ),
    Case("/telemetry", 404, "path does not exist\n", TEXT | {"link": None}),
    Case(
        "/telemetry/listmetrics",
        404,
        _problem(404, "Not Found", "path does not exist: did you mean /telemetry/ListMetrics?"),
        PROBLEM,
        sent=ACCEPT_JSON,
    ),
    *(
        Case(
            f"{GET}?switch_id=sw1&metric={wrong}",
            404,
            "metric does not exist\n",
            TEXT | {"link": f'<?switch_id=sw1&metric={right}>; rel="alternate"'},
        )
        for wrong, right in (
            ("LATENCY_MS", "latency_ms"),
            ("latency-ms", "latency_ms"),
            ("latencyms", "latency_ms"),
            ("latency_sm", "latency_ms"),
            ("latancy_ms", "latency_ms"),
            ("latency", "latency_ms"),
            ("errors", "packet_errors"),
        )
    ),
    *(
        Case(
            f"{GET}?switch_id={wrong}&metric=latency_ms",
            404,
            "switch_id does not exist\n",
            TEXT | {"link": f'<?switch_id={right}&metric=latency_ms>; rel="alternate"'},
        )
        for wrong, right in (("SW1", "sw1"), ("Sw-1", "sw1"), ("sw01", "sw1"), ("ws1", "sw1"), ("%20sw1", "sw1"))
    ),
    *(
        Case(f"{GET}?{query}", 404, body, TEXT | {"link": None})
        for query, body in (
            ("switch_id=sw12&metric=latency_ms", "switch_id does not exist\n"),
            ("switch_id=sw2&metric=latency_ms", "metric does not exist\n"),
            (f"switch_id={'s' * 500}&metric=latency_ms", "switch_id does not exist\n"),
        )
    ),
    Case(
        f"{GET}?switch_id=sw1&metric=Latency_ms",
        404,
        _problem(404, "Not Found", "metric does not exist: did you mean latency_ms?"),
        PROBLEM,
        sent=ACCEPT_JSON,
    ),
    Case(
        f"{GET}?switch_id=sw1&metric=Latency_ms",
        404,
        "metric does not exist\nDid you mean latency_ms?\n",
        TEXT,
        sent={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"},
    ),
    Case(
        f"{TOP}?n=2&metric=Packet+Errors",
        404,
        "metric does not exist\n",
        TEXT | {"link": '<?n=2&metric=packet_errors>; rel="alternate"'},
    ),
    Case(
        f"{LIST}?source=Fabrik",
        404,
        _problem(404, "Not Found", "source does not exist: did you mean fabric?"),
        PROBLEM,
        sent=ACCEPT_JSON,
    ),
    Case("/nothing", 404, _problem(404, "Not Found", "path does not exist"), PROBLEM, sent=ACCEPT_JSON),
    # 405
    Case(BATCH, 405, "Method PUT is not allowed: use POST\n", TEXT | {"allow": "POST"}, method="PUT"),
    Case(GET, 405, "Method POST is not allowed: use GET or HEAD\n", TEXT | {"allow": "GET, HEAD"}, method="POST"),
    Case(
        LIST,
        405,
        _problem(405, "Method Not Allowed", "Method DELETE is not allowed: use GET or HEAD"),
        PROBLEM | {"allow": "GET, HEAD"},
        method="DELETE",
        sent=ACCEPT_JSON,
    ),
    Case(LIST, 204, "", {"allow": "GET, HEAD"}, method="OPTIONS"),
    # 503
    Case(
        f"{TOP}?metric=latency_ms",
        503,
        "No snapshot yet: no source is known: no ETL process runs, or it cannot write to this Redis\n",
        TEXT | {"retry-after": "2"},
        world="empty",
    ),
    _batch(
        '{"cells":[{"switch_id":"sw1","metric":"a"}]}',
        503,
        "No snapshot yet: no source is known: no ETL process runs, or it cannot write to this Redis\n",
        TEXT | {"retry-after": "2"},
        world="empty",
    ),
    Case(
        LIST,
        503,
        "No snapshot yet: no source is known: no ETL process runs, or it cannot write to this Redis\n",
        TEXT | {"retry-after": "2"},
        world="empty",
    ),
    Case(
        f"{GET}?switch_id=sw1&metric=latency_ms",
        503,
        "No snapshot yet: cannot read the sources: redis://127.0.0.1:6379 does not answer\n",
        TEXT | {"retry-after": "2"},
        world="never reached",
    ),
    Case(
        "/telemetry/ListSwitches",
        503,
        "No snapshot yet of source fabric: it is being loaded\n",
        TEXT,
        world="not scraped",
    ),
    Case(
        LIST,
        503,
        "The snapshot of source fabric expired 12 s ago: the last scrape failed: "
        "http://127.0.0.1:9001/counters refuses\n",
        TEXT | {"retry-after": "6"},
        world="expired",
    ),
    Case(
        LIST,
        503,
        _problem(
            503,
            "Service Unavailable",
            "The snapshot of source fabric expired 12 s ago: the last scrape failed: "
            "http://127.0.0.1:9001/counters refuses",
        ),
        PROBLEM | {"retry-after": "6"},
        sent={"Accept": "application/problem+json"},
        world="expired",
    ),
    Case(f"{GET}?switch_id=sw1", 400, "Missing metric parameter\n", TEXT, world="expired"),
    Case(
        LIST,
        503,
        "The snapshot of source fabric expired 12 s ago: the last scrape is held: the body has 3 rows\n",
        TEXT,
        world="held",
    ),
    Case(
        "/telemetry/Rejects",
        503,
        "No snapshot yet: cannot read the sources: redis://127.0.0.1:6379 does not answer\n",
        TEXT,
        world="never reached",
    ),
    Case(
        "/ready",
        503,
        '{"ready":false,"stopping":false,"store":{"ready":true,"trouble":null},"sources":{"fabric":{"ready":false,'
        '"state":"none","snapshot":null,"trouble":"The snapshot of source fabric expired 12 s ago: the last scrape '
        'failed: http://127.0.0.1:9001/counters refuses"}}}\n',
        JSON | {"cache-control": "no-store", "retry-after": "6"},
        world="expired",
    ),
    Case(
        "/telemetry/ListSources",
        503,
        "No snapshot yet: cannot read the sources: redis://127.0.0.1:6379 does not answer\n",
        TEXT,
        world="never reached",
    ),
]
