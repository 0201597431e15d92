"""Numeric columns that do not count work: error rates, temperatures, optics, and what the link is or has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from switchboard.generator.draws import ONE, UInts, draw, hash64, key_of, purpose, scale
from switchboard.generator.load import load_share
from switchboard.generator.ufm.cells import Decimals, Integers, Vocabulary, Words
from switchboard.generator.ufm.ports import SICK_SLOTS, Bools, Ints, Ports
from switchboard.generator.ufm.traits import cable_kinds, has_cable, is_optical, status

_COLUMNS_AT_ONCE = 16
_LEVEL, _NOISE, _BER, _TEMPERATURE, _COPPER, _LINK_UP, _PARTNER, _LID = (purpose(n) for n in range(50, 58))


@dataclass(frozen=True, slots=True)
class Gauge:
    """A decimal column of the optical module: a level per port, and some noise; empty without a module."""

    name: str
    low: int
    high: int
    """``low`` and ``high`` are counted in steps of 10 ** -decimals."""
    decimals: int


class GaugeGroup:
    """Gauges that are made in one go."""

    def __init__(self, gauges: Sequence[Gauge]) -> None:
        self.names = tuple(gauge.name for gauge in gauges)
        self._decimals = gauges[0].decimals
        self._keys = np.array([[key_of(0, "gauge", gauge.name)] for gauge in gauges], np.uint64)
        self._low = np.array([[gauge.low] for gauge in gauges], np.int64)
        self._span = np.array([[gauge.high - gauge.low + 1] for gauge in gauges], np.uint64)

    def cells(self, ports: Ports) -> Decimals:
        """The values at the ports' slot."""
        series = ports.keys + self._keys
        level, noise = draw(series, _LEVEL), draw(series, _NOISE, ports.slot)
        steps = self._low + scale(self._span, (level * 7 + noise) >> np.uint64(3)).view(np.int64)
        return Decimals(steps, self._decimals, ~is_optical(ports))


def group_gauges(gauges: Sequence[Gauge]) -> list[GaugeGroup]:
    """Groups of gauges that can be made in one go, at most _COLUMNS_AT_ONCE in each."""
    groups = []
    for _, alike in groupby(sorted(gauges, key=lambda gauge: gauge.decimals), lambda gauge: gauge.decimals):
        members = list(alike)
        groups += [
            GaugeGroup(members[first : first + _COLUMNS_AT_ONCE]) for first in range(0, len(members), _COLUMNS_AT_ONCE)
        ]
    return groups


# Bit error rates have two digits, and the rate at which no error was seen is written as 1.5e-254.
_LEAST_EXPONENT, _MOST_EXPONENT = 3, 15
_RATES = [
    f"{mantissa // 10}.{mantissa % 10}e-{exponent:02d}"
    for exponent in range(_MOST_EXPONENT, _LEAST_EXPONENT - 1, -1)
    for mantissa in range(10, 100)
]
_NO_ERRORS, _NO_RATE = len(_RATES), len(_RATES) + 1
_BERS = Vocabulary([*_RATES, "1.5e-254", ""], [*(float(rate) for rate in _RATES), 1.5e-254, None])


def total_raw_ber(ports: Ports) -> Words:
    """Raw bit error rate: about 1e-8; five powers of ten more on a port that is as sick as can be."""
    decades = (draw(ports.keys, _BER) >> 31) + ports.sickness * 6 // SICK_SLOTS
    return _ber(ports, 9 - decades.view(np.int64), np.zeros(len(ports), bool))


def effective_ber(ports: Ports) -> Words:
    """Bit error rate after correction: no errors, until a port is a quarter sick."""
    decades = ports.sickness * 8 // SICK_SLOTS
    return _ber(ports, 15 - decades.view(np.int64), decades < 2)


def symbol_ber(ports: Ports) -> Words:
    """Bit error rate from symbols: no errors, until a port is half sick."""
    decades = ports.sickness * 8 // SICK_SLOTS
    return _ber(ports, 17 - decades.view(np.int64), decades < 4)


def _ber(ports: Ports, exponents: Ints, perfect: Bools) -> Words:
    level, noise = draw(ports.keys, _BER, 1), draw(ports.keys, _BER, ports.slot)
    mantissas = level % 80 + noise % 10
    places = (_MOST_EXPONENT - np.minimum(exponents, _MOST_EXPONENT)) * 90 + mantissas.view(np.int64)
    without = ports.down | ports.aggregation
    return Words(_BERS, np.select([without, perfect], [_NO_RATE, _NO_ERRORS], places))


_MOST_CELSIUS = 127
# The text for a copper cable, which has no sensor, differs between firmwares and cables.
_NO_SENSOR = ("NA", "N/A", "", "0C", "0")
_MODULES = Vocabulary(
    [*(f"{celsius}C" for celsius in range(_MOST_CELSIUS + 1)), *_NO_SENSOR],
    [*range(_MOST_CELSIUS + 1), None, None, None, 0, 0],
)


def module_temperature(ports: Ports) -> Words:
    """``37C``: 34 to 58 by port, up to 6 more by load, up to 25 more on a sick port; NA where no module is."""
    level = 34 + draw(ports.keys, _TEMPERATURE) % 25
    # Half a degree of noise, so that not all ports of the fabric step at once.
    warmth = (_load(ports) * 12 + draw(ports.keys, _TEMPERATURE, ports.slot)) // (2 * ONE)
    celsius = level + warmth + ports.sickness * 25 // SICK_SLOTS
    words = _MOST_CELSIUS + 1 + (draw(ports.keys, _COPPER) % np.uint64(len(_NO_SENSOR))).view(np.int64)
    words = np.where(has_cable(ports), words, _MOST_CELSIUS + 1 + ports.aggregation)
    return Words(_MODULES, np.where(is_optical(ports), celsius.view(np.int64), words))


def chip_temperature(ports: Ports) -> Integers:
    """Temperature of the switch: a whole number without a unit."""
    return Integers(_chip_celsius(ports))


def temperature(ports: Ports) -> Words:
    """Temperature of the switch with its unit: ``57C``."""
    return Words(_MODULES, _chip_celsius(ports)[0])


def _chip_celsius(ports: Ports) -> Ints:
    keys = ports.fabric.keys[ports.switches]
    noise = draw(keys, _TEMPERATURE, ports.slot)
    celsius = 52 + draw(keys, _TEMPERATURE) % 9 + (_load(ports) * 16 + noise) // (2 * ONE)
    return celsius.view(np.int64)[ports.switch][np.newaxis]


def _load(ports: Ports) -> int:
    """Load of the whole fabric, as a share of the peak."""
    return load_share(ports.start_ms // 1000)


def _used(ports: Ports) -> UInts:
    """Share of its bandwidth that each port uses, in units of 2 ** -32; 0 if the link is down."""
    load = ports.level * np.uint64(_load(ports)) // 256
    noise = draw(ports.keys, _NOISE, ports.slot)
    return np.where(ports.down, 0, (load * 7 + noise * (load > 0)) >> 3)


def congestion_bandwidth(ports: Ports) -> Decimals:
    """Bandwidth in Gb/s, with two decimals."""
    return _hundredths(40_000, _used(ports))


def normalized_congestion_bandwidth(ports: Ports) -> Decimals:
    """Bandwidth in per cent, with two decimals."""
    return _hundredths(10_000, _used(ports))


def normalized_bandwidth(ports: Ports) -> Decimals:
    """Bandwidth in per cent: tiny numbers with eleven decimals."""
    return Decimals(_part_of(1_000_000, _used(ports)), 11, bare_zero=True)


def _hundredths(most: int, shares: UInts) -> Decimals:
    return Decimals(_part_of(most, shares), 2, bare_zero=True)


def _part_of(most: int, shares: UInts) -> Ints:
    return (most * shares >> 32).view(np.int64)[np.newaxis]


def minutes_since_clear(ports: Ports) -> Integers:
    """Minutes since the counters of the switch were cleared."""
    return Integers(ports.minutes_since_clear[np.newaxis])


def link_downs(ports: Ports) -> Integers:
    """How often the link went down since the counters began."""
    return Integers(ports.flaps[np.newaxis])


def lid(ports: Ports) -> Integers:
    """Local identifier of the switch."""
    lids = 1 + draw(ports.fabric.keys[ports.switches], _LID) % 48_000
    return Integers(lids[ports.switch][np.newaxis])


def link_partner_lid(ports: Ports) -> Integers:
    """Local identifier of what the cable leads to."""
    lids = 1 + draw(ports.keys, _PARTNER) % 48_000
    return Integers(lids[np.newaxis], ~has_cable(ports))


def cable_length(ports: Ports) -> Integers:
    """Length of the cable in metres."""
    return Integers(cable_kinds(ports).metres[np.newaxis], ~has_cable(ports))


def lane_alarms(ports: Ports) -> Integers:
    """A bit per lane that has lost its signal or lock: none, or all while a link with a cable is down."""
    return Integers(np.where(ports.down, 15, 0)[np.newaxis], ~is_optical(ports))


def time_to_link_up(ports: Ports) -> Integers:
    """How long the link took to come up, in milliseconds; differs between flaps."""
    bits = hash64(ports.keys + ports.flaps, _LINK_UP)
    return Integers((2_000 + bits % 30_000)[np.newaxis], ports.down | ports.aggregation)


_OPCODES = Vocabulary(["0", "1024", "15", ""], [0, 1024, 15, None])


def advanced_status_opcode(ports: Ports) -> Words:
    """What `Status_Message` says, as a number."""
    return Words(_OPCODES, status(ports))
