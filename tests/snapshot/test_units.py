"""Units of metrics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.snapshot.units import unit_of
from tests.lab.fuzz import fuzz


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("bandwidth_mbps", "Mbit/s"),
        ("latency_ms", "ms"),
        ("packet_errors", "{error}"),
        ("PortXmitData", "4.By"),
        ("PortRcvDataExtended", "4.By"),
        ("PortRcvPktsExtended", "{packet}"),
        ("PortXmitWait", "{tick}"),
        ("SymbolErrorCounterExtended", "{error}"),
        ("Infiniband_PckOut_u_Packets", "{packet}"),
        ("Infiniband_CBW_f_u_Gbps", "Gbit/s"),
        ("Infiniband_Normalized_CBW_f_u_Percent", "%"),
        ("Module_Temperature", "Cel"),
        ("Effective_BER", "1"),
        ("time_to_link_up_ext_msec", "ms"),
        ("rx_bytes_total", "By"),
        ("tx_MBps", "MBy/s"),
        ("tx_Mbps", "Mbit/s"),
        ("RX_BYTES", "By"),
        ("psu_power_WATTS", "W"),
        ("fan_rpm", "{rotation}/min"),
    ],
)
def test_a_name_that_says_its_unit_has_it(metric: str, unit: str) -> None:
    """Exact names of counters, and the last words of others."""
    assert unit_of(metric) == unit


@pytest.mark.parametrize(
    "metric",
    [
        "",
        "rx",
        "ms",
        "_",
        "errors_s",
        "tx_MBPS",
        "latency_min",
        "packets_per_seconds",
        "events_Per_sec",
        "Time_since_last_clear_Min",
        "Infiniband_MBOut_u_Gb",
        "Chip_Temp",
        "Module_Voltage",
        "rx_power_lane_0",
        "hist0",
        "latency_ms_p99",
        "x_MS",
        "total",
        "_total",
        "a" * 10_000,
    ],
)
def test_what_is_not_certain_has_no_unit(metric: str) -> None:
    """Names that say nothing, or that may mean two things."""
    assert unit_of(metric) is None


@given(st.text())
@fuzz()
def test_any_name_is_looked_at(metric: str) -> None:
    """No name is an error."""
    assert unit_of(metric) is None or unit_of(metric)
