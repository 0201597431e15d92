"""The metrics of the dialect `basic`: kind, unit and meaning of each column.

Source: the generator, `switchboard.generator.profiles` and the default of its setting `metrics`. Other columns of this
dialect are named by their source, so nothing is known about them here. In the generator's profile `encoded` the
same three names carry numbers for tests, to which this table does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping

from switchboard.snapshot.metrics import Kind, MetricInfo

BASIC_COLUMNS: Mapping[str, MetricInfo] = {
    "bandwidth_mbps": MetricInfo(Kind.GAUGE, "Mbit/s", "Bandwidth in use."),
    "latency_ms": MetricInfo(Kind.GAUGE, "ms", "Latency."),
    "packet_errors": MetricInfo(Kind.COUNTER, "{error}", "Packet errors since the switch started."),
}
"""By column name."""
