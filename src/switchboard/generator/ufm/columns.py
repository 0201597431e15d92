"""Which columns a set has, in which order, and what stands in them.

The primary set is UFM's «small telemetry»: about 30 counters, sampled often. The secondary set, `low_freq_debug`, has
about 120: link states, error rates, histograms, optics, cables. A set that is asked for more columns than are
documented goes on with related ones: counters of the other set, raw names, more lanes, virtual lanes, and at last
histogram bins without end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from typing import Literal

from switchboard.generator.ufm import gauges
from switchboard.generator.ufm.cells import Cells
from switchboard.generator.ufm.counters import Counter
from switchboard.generator.ufm.gauges import Gauge
from switchboard.generator.ufm.labels import LABELS, TextColumn
from switchboard.generator.ufm.ports import Ports

SetName = Literal["primary", "secondary"]

KEYS: dict[SetName, tuple[str, ...]] = {
    "primary": ("timestamp", "source_id", "tag", "node_guid", "port_guid", "port_num"),
    "secondary": ("timestamp", "source_id", "tag", "Node_GUID", "port_guid", "Port_Number"),
}
USUAL_COUNTERS: dict[SetName, int] = {"primary": 30, "secondary": 120}


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric column that is neither a Counter nor a Gauge: a function makes its cells."""

    name: str
    make: Callable[[Ports], Cells]


@dataclass(frozen=True, slots=True)
class Label:
    """A text column."""

    name: str
    make: TextColumn


Column = Counter | Gauge | Number | Label


def columns_of(chosen: SetName, counters: int) -> tuple[Column, ...]:
    """The columns of a set after its keys: all its labels, and ``counters`` numeric ones."""
    documented = _SETS[chosen]
    numeric: dict[str, Column] = {}
    for column in chain(documented, _more(chosen)):
        if len(numeric) == counters:
            break
        if not isinstance(column, Label):
            numeric.setdefault(column.name, column)
    first = [column for column in documented if isinstance(column, Label) or column.name in numeric]
    return (*first, *(column for column in numeric.values() if column not in documented))


def _errors(name: str, quantity: str = "", bits: Literal[32, 64] = 64) -> Counter:
    """A counter of errors: a few per second, and some hundreds more per slot on a port that is as sick as can be."""
    return Counter(name, -6, wear=8, bits=bits, quantity=quantity)


def _histogram(name: str, bin_: int) -> Counter:
    """A counter of code words with ``bin_`` corrected symbols: the more symbols, the fewer code words."""
    return Counter(name, max(-6, 20 - 3 * bin_), empty_when_down=True, quantity=f"hist{bin_}")


def _lanes(prefix: str, first: int, low: int, high: int) -> list[Column]:
    """A gauge with three decimals for each lane, from ``first`` to 7."""
    return [Gauge(f"{prefix}_{lane}", low, high, 3) for lane in range(first, 8)]


def _raw_errors(first: int, last: int) -> list[Column]:
    return [Counter(f"Raw_Errors_Lane_{lane}", -2, wear=14) for lane in range(first, last + 1)]


def _labels(*names: str) -> list[Column]:
    return [Label(name, LABELS[name]) for name in names]


_PRIMARY: tuple[Column, ...] = (
    Counter("Infiniband_MBOut_u_Gb", 22, preset=True, quantity="PortXmitDataExtended"),
    Counter("Infiniband_MBIn_u_Gb", 22, preset=True, quantity="PortRcvDataExtended"),
    Counter("Infiniband_PckOut_u_Packets", 13, quantity="PortXmitPktsExtended"),
    Counter("Infiniband_PckIn_u_Packets", 13, quantity="PortRcvPktsExtended"),
    Counter("Infiniband_SymbolErrors_u_Errors", None, wear=4, quantity="Symbol_Errors"),
    Counter("Infiniband_LinkRecovers_u_Errors", None, wear=0, quantity="LinkErrorRecoveryCounter"),
    Number("Infiniband_LinkDowned_u_Errors", gauges.link_downs),
    _errors("Infiniband_RcvErrors_u_Errors", "PortRcvErrors"),
    _errors("Infiniband_RcvRemotePhysErrors_u_Errors", "PortRcvRemotePhysicalErrors"),
    _errors("Infiniband_RcvSwRelayErrors_u_Errors", "PortRcvSwitchRelayErrorsExtended"),
    _errors("Infiniband_XmtDiscards_u_Errors", "PortXmitDiscards"),
    _errors("Infiniband_XmtConstraintErrors_u_Errors", "PortXmitConstraintErrorsExtended"),
    _errors("Infiniband_RcvConstraintErrors_u_Errors", "PortRcvConstraintErrorsExtended"),
    _errors("Infiniband_LinkIntegrityErrors_u_Errors", "LocalLinkIntegrityErrorsExtended"),
    _errors("Infiniband_ExcBufOverrunErrors_u_Errors", "ExcessiveBufferOverrunErrorsExtended"),
    _errors("Infiniband_VL15Dropped_u_Drops", "VL15DroppedExtended"),
    Counter("Infiniband_XmitWait_u_Ticks", 9, quantity="PortXmitWait"),
    *(_histogram(f"hist{bin_}_u_count", bin_) for bin_ in range(5)),
    Number("Infiniband_CBW_f_u_Gbps", gauges.congestion_bandwidth),
    Number("Infiniband_Normalized_CBW_f_u_Percent", gauges.normalized_congestion_bandwidth),
    Number("Infiniband_Normalized_MBOut_f_u_Percent", gauges.normalized_bandwidth),
)

_SECONDARY: tuple[Column, ...] = (
    *_labels("Device_ID", "node_description"),
    Number("lid", gauges.lid),
    *_labels("port_label", "Phy_Manager_State", "phy_state", "logical_state"),
    *_labels("Link_speed_active", "Link_width_active", "Active_FEC"),
    Number("Total_Raw_BER", gauges.total_raw_ber),
    Number("Effective_BER", gauges.effective_ber),
    Number("Symbol_BER", gauges.symbol_ber),
    *_raw_errors(0, 3),
    Counter("Effective_Errors", None, wear=6),
    Counter("Symbol_Errors", None, wear=4),
    Number("Time_since_last_clear_Min", gauges.minutes_since_clear),
    *(_histogram(f"hist{bin_}", bin_) for bin_ in range(16)),
    *_labels("FW_Version"),
    Number("Chip_Temp", gauges.chip_temperature),
    Number("Temperature", gauges.temperature),
    Number("Module_Temperature", gauges.module_temperature),
    Number("Link_Down", gauges.link_downs),
    Number("Link_Down_IB", gauges.link_downs),
    Counter("LinkErrorRecoveryCounter", None, wear=0),
    Counter("PortXmitDataExtended", 22, preset=True),
    Counter("PortRcvDataExtended", 22, preset=True),
    Counter("PortRcvPktsExtended", 13),
    _errors("PortRcvErrors", bits=32),
    _errors("PortRcvRemotePhysicalErrors", bits=32),
    _errors("PortXmitDiscards", bits=32),
    Counter("PortXmitWait", 9, bits=32),
    Gauge("Module_Voltage", 31_350, 34_650, 1),
    Gauge("rx_power_lane_0", -3_500, 2_500, 3),
    Gauge("rx_power_lane_1", -3_500, 2_500, 3),
    *(Number(name, gauges.lane_alarms) for name in ("tx_cdr_lol", "rx_cdr_lol", "tx_los", "rx_los")),
    *_labels("Cable_PN", "Cable_SN", "cable_type", "cable_vendor"),
    Number("cable_length", gauges.cable_length),
    *_labels("cable_identifier", "vendor_rev", "cable_fw_version", "Status_Message"),
    Number("Advanced_Status_Opcode", gauges.advanced_status_opcode),
    *_labels("local_reason_opcode", "remote_reason_opcode", "down_blame"),
    Number("time_to_link_up_ext_msec", gauges.time_to_link_up),
    *_labels("link_partner_description", "link_partner_node_guid", "link_partner_port_num"),
    Number("link_partner_lid", gauges.link_partner_lid),
    Counter("successful_recovery_events", None, wear=1),
    Counter("total_successful_recovery_events", None, wear=2),
)

_SETS: dict[SetName, tuple[Column, ...]] = {"primary": _PRIMARY, "secondary": _SECONDARY}

_RAW: tuple[Column, ...] = (
    Counter("PortXmitDataExtended", 22, preset=True),
    Counter("PortRcvDataExtended", 22, preset=True),
    Counter("PortXmitPktsExtended", 13),
    Counter("PortRcvPktsExtended", 13),
    Counter("SymbolErrorCounterExtended", None, wear=4, quantity="Symbol_Errors"),
    Counter("LinkErrorRecoveryCounterExtended", None, wear=0, quantity="LinkErrorRecoveryCounter"),
    Number("LinkDownedCounterExtended", gauges.link_downs),
    _errors("PortRcvErrorsExtended", "PortRcvErrors"),
    _errors("PortRcvRemotePhysicalErrorsExtended", "PortRcvRemotePhysicalErrors"),
    _errors("PortRcvSwitchRelayErrorsExtended"),
    _errors("PortXmitDiscardsExtended", "PortXmitDiscards"),
    _errors("PortXmitConstraintErrorsExtended"),
    _errors("PortRcvConstraintErrorsExtended"),
    _errors("LocalLinkIntegrityErrorsExtended"),
    _errors("ExcessiveBufferOverrunErrorsExtended"),
    _errors("VL15DroppedExtended"),
    Counter("PortXmitWaitExtended", 9, quantity="PortXmitWait"),
    _errors("QP1DroppedExtended"),
    Counter("PortUnicastXmitPkts", 13),
    Counter("PortUnicastRcvPkts", 13),
    Counter("PortMulticastXmitPkts", 4),
    Counter("PortMulticastRcvPkts", 4),
)

_LANES: tuple[Column, ...] = (
    *_raw_errors(4, 7),
    *_lanes("rx_power_lane", 2, -3_500, 2_500),
    *_lanes("tx_power_lane", 0, -1_500, 3_500),
    *_lanes("tx_bias_lane", 0, 6_000, 9_000),
    *(Counter(f"FEC_Corrected_Symbols_Lane_{lane}", 2, wear=16) for lane in range(8)),
    *_lanes("snr_media_lane", 0, 15_000, 27_000),
    *_lanes("snr_host_lane", 0, 15_000, 27_000),
)

_VIRTUAL_LANES: tuple[Column, ...] = tuple(
    Counter(f"{prefix}{lane}", pace)
    for prefix, pace in (("PortXmitDataVL", 18), ("PortRcvDataVL", 18), ("PortVLXmitWait", 5))
    for lane in range(16)
)


def _more(chosen: SetName) -> Iterator[Column]:
    """The columns with which a set goes on, without end."""
    if chosen == "primary":
        yield from (_histogram(f"hist{bin_}_u_count", bin_) for bin_ in range(5, 16))
        yield from (column for column in _SECONDARY if not isinstance(column, Label))
    yield from chain(_RAW, _LANES, _VIRTUAL_LANES)
    yield from (_histogram(f"hist{bin_}", bin_) for bin_ in count(16))
