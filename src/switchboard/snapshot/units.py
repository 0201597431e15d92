"""Units of metrics, as far as the name of a metric says its unit for certain.

Units are codes of UCUM, as OpenTelemetry writes them:

    By        bytes
    Mbit/s    megabits per second
    Cel       degrees Celsius
    %         percent
    1         a ratio
    {packet}  in braces: what is counted
    dBm       power in decibels; the one code that is not UCUM's

A wrong unit is worse than no unit, so a metric whose unit is not certain has none.

Sources. InfiniBand's port counters: InfiniBand Architecture Specification, volume 1, PortCounters and
PortCountersExtended; data counters there count "data octets, divided by 4", so their unit is ``4.By``. Names with
``_u_``: NVIDIA's UFM Telemetry writes the unit behind that. The others: UFM Enterprise User Manual, Low-Frequency
(Secondary) Telemetry Fields, and NVIDIA's InfiniBand Cluster Bring-up Procedure (temperature of a transceiver).

Left out on purpose: ``Time_since_last_clear_Min`` (minutes by its name, milliseconds by the manual),
``Infiniband_MBOut_u_Gb`` (megabytes or gigabits), ``Chip_Temp``, ``Module_Voltage`` and ``rx_power_lane_0`` (no unit is
documented), and names that end in ``_s``, ``_min`` or ``_MBPS``, which may mean two things.
"""

from __future__ import annotations

from functools import lru_cache

_REMEMBERED = 4096
"""Names whose units are remembered ..."""
_LONGEST_REMEMBERED = 256
"""... if they have at most so many characters."""


def unit_of(metric: str) -> str | None:
    """The unit of a metric, as a code of UCUM; None if the name of the metric does not say it for certain."""
    return _remembered(metric) if len(metric) <= _LONGEST_REMEMBERED else _unit_of(metric)


def _unit_of(metric: str) -> str | None:
    exact = _COUNTERS.get(metric.removesuffix("Extended"))
    if exact is not None:
        return exact
    name, _, stated = metric.rpartition("_u_")
    if name and stated:
        return _STATED.get(stated)
    *before, word = metric.removesuffix("_total").split("_")
    if not before or "per" in map(str.lower, before):
        return None  # the word alone is a name, and after "per" it is half of a unit
    return _EXACT_WORDS.get(word) or _WORDS.get(word.lower())


_remembered = lru_cache(_REMEMBERED)(_unit_of)

_COUNTERS = {
    "PortXmitData": "4.By",
    "PortRcvData": "4.By",
    "PortXmitPkts": "{packet}",
    "PortRcvPkts": "{packet}",
    "PortUnicastXmitPkts": "{packet}",
    "PortUnicastRcvPkts": "{packet}",
    "PortMulticastXmitPkts": "{packet}",
    "PortMulticastRcvPkts": "{packet}",
    "PortRcvErrors": "{packet}",
    "PortRcvRemotePhysicalErrors": "{packet}",
    "PortRcvSwitchRelayErrors": "{packet}",
    "PortXmitDiscards": "{packet}",
    "PortXmitConstraintErrors": "{packet}",
    "PortRcvConstraintErrors": "{packet}",
    "VL15Dropped": "{packet}",
    "QP1Dropped": "{packet}",
    "PortXmitWait": "{tick}",
    "SymbolErrorCounter": "{error}",
    "LocalLinkIntegrityErrors": "{error}",
    "ExcessiveBufferOverrunErrors": "{error}",
    "LinkErrorRecoveryCounter": "{event}",
    "LinkDownedCounter": "{event}",
    "Link_Down": "{event}",
    "Link_Down_IB": "{event}",
    "Raw_Errors_Lane_0": "bit",
    "Raw_Errors_Lane_1": "bit",
    "Raw_Errors_Lane_2": "bit",
    "Raw_Errors_Lane_3": "bit",
    "Effective_Errors": "bit",
    "Symbol_Errors": "bit",
    "Total_Raw_BER": "1",
    "Effective_BER": "1",
    "Symbol_BER": "1",
    "Module_Temperature": "Cel",
}
"""Unit by name of a counter, without ``Extended`` at its end."""

_STATED = {
    "Packets": "{packet}",
    "Errors": "{error}",
    "Drops": "{packet}",
    "Ticks": "{tick}",
    "Gbps": "Gbit/s",
    "Percent": "%",
}
"""Unit by what NVIDIA writes behind ``_u_`` at the end of a name."""

_EXACT_WORDS = {
    "bps": "bit/s",
    "kbps": "kbit/s",
    "mbps": "Mbit/s",
    "gbps": "Gbit/s",
    "tbps": "Tbit/s",
    "Kbps": "kbit/s",
    "Mbps": "Mbit/s",
    "Gbps": "Gbit/s",
    "Tbps": "Tbit/s",
    "Bps": "By/s",
    "kBps": "kBy/s",
    "MBps": "MBy/s",
    "GBps": "GBy/s",
    "pps": "{packet}/s",
    "ms": "ms",
    "us": "us",
    "ns": "ns",
}
"""Unit by the last word of a name, where capitals make a difference: a B is a byte, a b is a bit."""

_WORDS = {
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "msec": "ms",
    "msecs": "ms",
    "milliseconds": "ms",
    "usec": "us",
    "usecs": "us",
    "microseconds": "us",
    "nsec": "ns",
    "nsecs": "ns",
    "nanoseconds": "ns",
    "minutes": "min",
    "hours": "h",
    "days": "d",
    "bits": "bit",
    "bytes": "By",
    "octets": "By",
    "packets": "{packet}",
    "pkts": "{packet}",
    "frames": "{frame}",
    "errors": "{error}",
    "ticks": "{tick}",
    "percent": "%",
    "ratio": "1",
    "ber": "1",
    "celsius": "Cel",
    "kelvin": "K",
    "watts": "W",
    "milliwatts": "mW",
    "volts": "V",
    "millivolts": "mV",
    "amperes": "A",
    "amps": "A",
    "milliamps": "mA",
    "hertz": "Hz",
    "rpm": "{rotation}/min",
    "joules": "J",
    "dbm": "dBm",
}
"""Unit by the last word of a name in lower case, whatever case the name has."""

UNIT_TABLES = (_COUNTERS, _STATED, _EXACT_WORDS, _WORDS)
"""All that ``unit_of`` knows of names."""
