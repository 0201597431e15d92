"""The metrics of NVIDIA UFM Telemetry's CSV: kind, unit and meaning of each column, by its name.

Names are those of the header, with one exception: `Time_since_last_clear_[Min]`, `Time_since_last_clear__Min_` and
`Time_since_last_clear_Min` are one column, and its row stands under the last of them, the name that the dialect keeps.

How a kind is chosen
- COUNTER: it only grows until it is reset; a reset may be a reboot, a command, or a counter that begins anew at zero.
- GAUGE: it goes up and down, or changes with the hardware.
- STATE: a number that is a code, an address, a flag or one bit per lane; sums and averages of it mean nothing.
- UNKNOWN: the documents do not settle it; a comment says what is missing.

Text columns have no row, except those of `TEXT_OR_NUMBER`.

Units are those of `unit_of`, which leaves out what is not certain. A row has a unit that `unit_of` does not know where
the document that defines the column says what is counted: blocks, symbols, bits of other lanes, data of a virtual lane.

Sources
- InfiniBand Architecture Specification, volume 1: PortCounters, PortCountersExtended and the counters per virtual lane.
- UFM Enterprise User Manual: Low-Frequency (Secondary) Telemetry Fields. It describes most fields of the secondary set.
- Registers that the fields are read from, as NVIDIA publishes them in mstflint and for Linux. PPCNT: counters of the
  port. PDDR: link and module. MTMP and MVCR: sensors of the switch.
- UFM's REST interface has `Infiniband_RcvErrors` beside `Infiniband_RcvErrors_Delta`, and `Infiniband_MBOut` beside
  `Infiniband_MBOutRate`: the names without an ending are totals. The names with `_u_` are those of the primary set.
- `switchboard.generator.ufm` for the names with which the generator goes on when it is asked for more columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from switchboard.snapshot.metrics import Kind, MetricInfo

_counter = partial(MetricInfo, Kind.COUNTER)
_gauge = partial(MetricInfo, Kind.GAUGE)
_state = partial(MetricInfo, Kind.STATE, None)
_unknown = partial(MetricInfo, Kind.UNKNOWN)

_LANES = range(8)
_VIRTUAL_LANES = range(16)
_BINS = range(16)
"""PPCNT has 16. The generator, asked for very many columns, invents more: `hist16` and so on have no row."""

# The counters of the InfiniBand specification. Each has a wide form, whose name ends in Extended. The narrow ones of 32
# bits and less stop at their greatest value by that specification; the manual does not say whether UFM's do.
_INFINIBAND = {
    "PortXmitData": _counter("4.By", "Data sent, in words of four octets, without link packets."),
    "PortRcvData": _counter("4.By", "Data received, in words of four octets, without link packets."),
    "PortXmitPkts": _counter("{packet}", "Packets sent, without link packets."),
    "PortRcvPkts": _counter("{packet}", "Packets received, without link packets."),
    "PortUnicastXmitPkts": _counter("{packet}", "Unicast packets sent."),
    "PortUnicastRcvPkts": _counter("{packet}", "Unicast packets received."),
    "PortMulticastXmitPkts": _counter("{packet}", "Multicast packets sent."),
    "PortMulticastRcvPkts": _counter("{packet}", "Multicast packets received."),
    "PortXmitWait": _counter("{tick}", "Ticks in which data waited to be sent and none was sent."),
    "PortXmitDiscards": _counter("{packet}", "Packets dropped before sending: the port was down or congested."),
    "PortXmitConstraintErrors": _counter("{packet}", "Packets not sent because a partition or filter rule forbids it."),
    "PortRcvErrors": _counter("{packet}", "Packets received with an error."),
    "PortRcvRemotePhysicalErrors": _counter("{packet}", "Packets received that an earlier port had marked as bad."),
    "PortRcvSwitchRelayErrors": _counter("{packet}", "Packets received that the switch could not forward."),
    "PortRcvConstraintErrors": _counter("{packet}", "Packets received and dropped by a partition or filter rule."),
    "VL15Dropped": _counter("{packet}", "Subnet management packets (virtual lane 15) dropped for lack of resources."),
    "QP1Dropped": _counter("{packet}", "General management packets (queue pair 1) dropped for lack of resources."),
    "SymbolErrorCounter": _counter("{error}", "Symbol errors seen on any lane."),
    "LocalLinkIntegrityErrors": _counter("{error}", "How often local physical errors exceeded their threshold."),
    "ExcessiveBufferOverrunErrors": _counter("{error}", "How often buffer overruns went on for too long."),
    "LinkErrorRecoveryCounter": _counter("{event}", "How often the link recovered from errors without going down."),
    "LinkDownedCounter": _counter("{event}", "How often error recovery failed and the link went down."),
}

_INFINIBAND_EXTENDED = {f"{name}Extended": info for name, info in _INFINIBAND.items()}

_PER_VIRTUAL_LANE = {
    f"{name}{lane}": _counter(unit, f"{what} on virtual lane {lane}.")
    for name, unit, what in (
        ("PortXmitDataVL", "4.By", "Data sent, in words of four octets,"),
        ("PortRcvDataVL", "4.By", "Data received, in words of four octets,"),
        ("PortVLXmitWait", "{tick}", "Ticks in which data waited to be sent and none was sent,"),
    )
    for lane in _VIRTUAL_LANES
}

# In the primary set, the unit in the name wins over that of the same counter in the specification.
_PRIMARY = {
    # No unit: the name says both megabytes and gigabits. In NVIDIA's own sample the column is 288 times the number of
    # packets, and a management packet has 288 octets.
    "Infiniband_MBOut_u_Gb": _counter(None, "Data sent, without link packets."),
    "Infiniband_MBIn_u_Gb": _counter(None, "Data received, without link packets."),
    "Infiniband_PckOut_u_Packets": _counter("{packet}", "Packets sent, without link packets."),
    "Infiniband_PckIn_u_Packets": _counter("{packet}", "Packets received, without link packets."),
    "Infiniband_XmitWait_u_Ticks": _counter("{tick}", "Ticks in which data waited to be sent and none was sent."),
    "Infiniband_VL15Dropped_u_Drops": _counter("{packet}", "Subnet management packets dropped for lack of resources."),
    **{
        f"Infiniband_{name}_u_Errors": _counter("{error}", text)
        for name, text in {
            "SymbolErrors": "Symbol errors seen on any lane.",
            "LinkRecovers": "How often the link recovered from errors without going down.",
            "LinkDowned": "How often error recovery failed and the link went down.",
            "RcvErrors": "Packets received with an error.",
            "RcvRemotePhysErrors": "Packets received that an earlier port had marked as bad.",
            "RcvSwRelayErrors": "Packets received that the switch could not forward.",
            "RcvConstraintErrors": "Packets received and dropped by a partition or filter rule.",
            "XmtDiscards": "Packets dropped before sending: the port was down or congested.",
            "XmtConstraintErrors": "Packets not sent because a partition or filter rule forbids it.",
            "LinkIntegrityErrors": "How often local physical errors exceeded their threshold.",
            "ExcBufOverrunErrors": "How often buffer overruns went on for too long.",
        }.items()
    },
    "Infiniband_CBW_f_u_Gbps": _gauge("Gbit/s", "Congested bandwidth."),
    "Infiniband_Normalized_CBW_f_u_Percent": _gauge("%", "Congested bandwidth, as a share of the link's bandwidth."),
    "Infiniband_Normalized_MBOut_f_u_Percent": _gauge(
        "%", "Bandwidth used for sending, as a share of the link's bandwidth."
    ),
    # The same under the name that UFM's own dashboard shows; there no unit is stated.
    "Normalized_CBW": _gauge(None, "Congested bandwidth, as a share of the link's bandwidth."),
}

_HISTOGRAM = {
    f"hist{bin_}{ending}": _counter("{block}", f"FEC blocks in bin {bin_} of the histogram of symbol errors.")
    for ending in ("", "_u_count")
    for bin_ in _BINS
}

_ERRORS = {
    **{
        f"Raw_Errors_Lane_{lane}": _counter("bit", f"Wrong bits on lane {lane} before error correction.")
        for lane in _LANES
    },
    **{
        f"FEC_Corrected_Symbols_Lane_{lane}": _counter("{symbol}", f"Symbols on lane {lane} that FEC corrected.")
        for lane in _LANES
    },
    "Effective_Errors": _counter("bit", "Wrong bits that are left after forward error correction."),
    "Symbol_Errors": _counter("bit", "Wrong bits that are left after all corrections of the physical layer."),
    "Total_Raw_BER": _gauge("1", "Bit error rate before error correction."),
    "Effective_BER": _gauge("1", "Bit error rate after forward error correction."),
    "Symbol_BER": _gauge("1", "Bit error rate after all corrections of the physical layer."),
    # An age that begins anew when the counters are cleared: by the definition above, a counter. It has no unit because
    # its name says minutes and the manual says milliseconds.
    "Time_since_last_clear_Min": _counter(None, "Time since the counters of the physical layer were cleared."),
}

_BIT_ERROR_RATE_WINDOWS = {
    **{
        f"{which}_{layer}_ber": _gauge("1", f"{text} {when}.")
        for layer, text in (
            ("raw", "Bit error rate before error correction,"),
            ("eff", "Bit error rate after forward error correction,"),
            ("symbol", "Bit error rate after all corrections,"),
        )
        for which, when in (("last", "latest window"), ("max", "worst window"), ("min", "best window"))
    },
    # PDDR's page about the last time the link went down has them: 16 bits, and nothing says whether a new link, a new
    # window or only a command begins them anew.
    **{
        f"num_of_{layer}_ber_alarms": _unknown(None, f"Windows in which the {word} BER crossed its alarm threshold.")
        for layer, word in (("raw", "raw"), ("eff", "effective"), ("symbol", "symbol"))
    },
}

# Retransmission in the physical layer, PPCNT's group of PLR counters.
_RETRANSMISSION = {
    "PlrRcvCodes": _counter("{code}", "Code words received with retransmission (PLR) in use."),
    "PlrRcvCodeErr": _counter("{code}", "Code words received with an error and rejected."),
    "PlrRcvUncorrectableCode": _counter("{code}", "Code words received that could not be corrected."),
    "PlrXmitCodes": _counter("{code}", "Code words sent with retransmission (PLR) in use."),
    "PlrXmitRetryCodes": _counter("{code}", "Code words sent again."),
    "PlrXmitRetryEvents": _counter("{event}", "Retransmission events."),
    "PlrSyncEvents": _counter("{event}", "Synchronisation events of the retransmission (PLR)."),
    # Called a rate, but a field of 64 bits among counters; neither its unit nor its reset is documented.
    "HiRetransmissionRate": _unknown(None, "Receive bandwidth lost because code words were sent again."),
    # A greatest value: nothing says whether it is kept until the counters are cleared or per period.
    "PlrXmitRetryCodesWithinTSecMax": _unknown(None, "Most code words sent again within one period of T seconds."),
}

_LINK = {
    # The manual equals Link_Down with LinkDownedCounter and describes Link_Down_IB in the words of the specification.
    "Link_Down": _counter("{event}", "How often the link went down."),
    "Link_Down_IB": _counter("{event}", "How often error recovery failed and the link went down."),
    "successful_recovery_events": _counter("{event}", "Successful recoveries of the link."),
    "total_successful_recovery_events": _counter("{event}", "Successful recoveries of any type since a port reset."),
    "unintentional_link_down_events": _counter("{event}", "How often a fault took the link down."),
    "intentional_link_down_events": _counter(
        "{event}", "How often the link was taken down on purpose, by a command or by unplugging."
    ),
    # 0 until the link is up; each new attempt measures anew.
    "time_to_link_up_ext_msec": _gauge("ms", "Time from disabled to physically up when the link last came up."),
    "fast_link_up_status": _state("Whether the link came up the fast way, or why not, as a code."),
    "e2e_reason_opcode": _state("Why the link last went down, seen from both ends, as a code."),
    "Advanced_Status_Opcode": _state("State of the link as a code; Status_Message says it in words."),
    "lid": _state("Local identifier (address) of the device in its subnet."),
    "link_partner_lid": _state("Local identifier (address) of the device at the other end of the link."),
}

# No units for electrical and optical values. PDDR has voltages in 100 uV, powers in dBm or microwatts as the module
# likes, and currents in 2 uA times a factor; the manual does not say what UFM makes of them, and an NVIDIA program that
# reads them says milliwatts.
_MODULE = {
    "Module_Temperature": _gauge("Cel", "Temperature of the transceiver."),
    "Module_Voltage": _gauge(None, "Supply voltage that the transceiver measures."),
    **{
        f"{name}_lane_{lane}": _gauge(None, f"{what}, lane {lane}.")
        for name, what in (
            ("rx_power", "Optical power received"),
            ("tx_power", "Optical power sent"),
            ("tx_bias", "Bias current of the laser"),
            ("snr_media", "Signal-to-noise ratio on the side of the fibre"),
            ("snr_host", "Signal-to-noise ratio on the side of the host"),
        )
        for lane in _LANES
    },
    "tx_cdr_lol": _state("Lanes whose sending side lost clock lock, one bit per lane."),
    "rx_cdr_lol": _state("Lanes whose receiving side lost clock lock, one bit per lane."),
    "tx_los": _state("Lanes whose sending side lost its signal, one bit per lane."),
    "rx_los": _state("Lanes whose receiving side lost its signal, one bit per lane."),
    "Temp_flags": _state("Temperature alarms of the transceiver, one bit per alarm."),
    "Vcc_flags": _state("Voltage alarms of the transceiver, one bit per alarm."),
    # PDDR: metres for some modules, for others six bits and a multiplier in two more.
    "cable_length": _gauge(None, "Length of the cable."),
    "cable_technology": _state("Technology of the cable, such as the kind of laser, as a code."),
}

# Chip_Temp and dev_temperature are documented without a unit; of Temperature, documents differ even on whose it is.
_DEVICE = {
    "Chip_Temp": _gauge(None, "Temperature of the switch chip."),
    "Temperature": _gauge(None, "Temperature of the switch or of the cable."),
    "dev_temperature": _gauge(None, "Temperature of the device."),
    "switch_temperature": _gauge(None, "Temperature at the sensor that mtmp_sensor_name names."),
    "switch_voltage": _gauge(None, "Voltage at the sensor that mvcr_sensor_name names."),
    "switch_current": _gauge(None, "Current at the sensor that mvcr_sensor_name names."),
}

TEXT_OR_NUMBER: Mapping[str, MetricInfo] = {
    "Phy_Manager_State": _state("State of the firmware's link manager: 0 disabled, 2 polling, 3 active and others."),
    "phy_state": _state("Physical state of the port: 5 is link up."),
    "logical_state": _state("Logical state of the port: 1 down, 2 init, 3 armed, 4 active."),
    "Link_speed_active": _state("Speed of the link as a code."),
    "Link_width_active": _state("Width of the link as a code."),
    "Active_FEC": _state("Forward error correction in use, as a code."),
    "local_reason_opcode": _state("Why the link last went down, seen from this end, as a code."),
    "remote_reason_opcode": _state("Why the link last went down, seen from the other end, as a code."),
    "down_blame": _state("Which receiver took the link down last: 0 unknown, 1 this end, 2 the other end."),
    "cable_type": _state("Type of cable or module, such as active or passive copper, as a code."),
    "cable_identifier": _state("Form factor of the module, such as QSFP or OSFP, as a code."),
    "cable_vendor": _state("Vendor of the cable: 0 other, 1 Mellanox, 2 another known one, 3 NVIDIA."),
    "port_type": _state("Type of port: 1 legacy, 2 plane, 4 aggregated."),
}
"""Labels of the dialect that arrive as a word or as its code, depending on firmware and on UFM's settings.

They are labels, kept as text. A row says what the codes are; it counts only if the dialect stops calling them labels.
"""

_PARTS: tuple[Mapping[str, MetricInfo], ...] = (
    _INFINIBAND,
    _INFINIBAND_EXTENDED,
    _PER_VIRTUAL_LANE,
    _PRIMARY,
    _HISTOGRAM,
    _ERRORS,
    _BIT_ERROR_RATE_WINDOWS,
    _RETRANSMISSION,
    _LINK,
    _MODULE,
    _DEVICE,
    TEXT_OR_NUMBER,
)

UFM_COLUMNS: Mapping[str, MetricInfo] = {name: info for part in _PARTS for name, info in part.items()}
"""The rows of all these tables, by column name."""
