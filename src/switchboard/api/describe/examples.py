"""An example of every endpoint that answers with data: what is asked, and the answer. A test asks for each of them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec


class Example(NamedTuple):
    """``asked`` is a query string or, if the endpoint takes a POST, a JSON body; ``answer`` is a JSON body."""

    asked: str
    answer: str

    @property
    def parameters(self) -> dict[str, str | list[str]]:
        """The parameters of the query string by name: a list where one is given several times."""
        values: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.asked):
            values.setdefault(name, []).append(value)
        return {name: several if len(several) > 1 else several[0] for name, several in values.items()}

    @property
    def value(self) -> object:
        """The answer as a value."""
        return msgspec.json.decode(self.answer)


EXAMPLES = {
    "/telemetry/GetMetric": Example("switch_id=sw1&metric=bandwidth_mbps", "3704.32"),
    "/telemetry/GetMetrics": Example(
        '{"cells":[{"switch_id":"sw1","metric":"bandwidth_mbps"},{"switch_id":"sw2","metric":"latency_ms"}]}',
        '[{"value":3704.32},{"error":"metric does not exist","status":404}]',
    ),
    "/telemetry/TopMetrics": Example(
        "metric=bandwidth_mbps&n=2",
        '[{"switch_id":"sw2","port":null,"value":9485.01,"timestamp":"2026-11-23T18:53:20.000000Z","source":"fabric"},'
        '{"switch_id":"sw1","port":null,"value":3704.32,"timestamp":"2026-11-23T18:53:20.000000Z","source":"fabric"}]',
    ),
    "/telemetry/ListMetrics": Example(
        "switch_id=sw1&switch_id=sw2&metric=bandwidth_mbps&metric=packet_errors",
        '[{"sw1":{"bandwidth_mbps":3704.32,"packet_errors":20}},{"sw2":{"bandwidth_mbps":9485.01,"packet_errors":7}}]',
    ),
    "/telemetry/DescribeMetrics": Example(
        "metric=packet_errors",
        '[{"source":"fabric","metrics":[{"metric":"packet_errors","column":"packet_errors","kind":"counter",'
        '"unit":"{error}","help":"Packet errors since the switch started."}],"labels":[]}]',
    ),
    "/telemetry/ListSwitches": Example(
        "",
        '[{"source":"fabric","metrics":["bandwidth_mbps","latency_ms","packet_errors"],"labels":[],'
        '"switches":[{"switch_id":"sw1","rows":1},{"switch_id":"sw2","rows":1},{"switch_id":"sw3","rows":1}]}]',
    ),
    "/telemetry/ListSources": Example(
        "",
        '[{"name":"fabric","url":"http://127.0.0.1:9001/counters","labels":{"fabric":"lab"},"state":"fresh",'
        '"interval_seconds":10.0,"ttl_seconds":30.0,"snapshot":"1795460000500-a1b2",'
        '"timestamp":"2026-11-23T18:53:25.000Z","age_seconds":1.0,"data_age_seconds":6.0,'
        '"max_data_age_seconds":900.0,"expires_in_seconds":29.0,"rows":3,"switches":3,"rejects":{},"trouble":null,'
        '"last_attempt":{"outcome":"published","duration_seconds":0.013,'
        '"seen_seconds_ago":1.0,"reason":"","error":"","rejects":{},"examples":[]}}]',
    ),
    "/telemetry/Rejects": Example(
        "",
        '[{"source":"fabric","outcome":"published","reason":"","error":"","seen_seconds_ago":1.0,'
        '"of_last_scrape":false,"counts":{},"examples":[]}]',
    ),
    "/ready": Example(
        "",
        '{"ready":true,"stopping":false,"store":{"ready":true,"trouble":null},"sources":{"fabric":{"ready":true,'
        '"state":"fresh","snapshot":"1795460000500-a1b2","trouble":null}}}',
    ),
}
