"""Traits of a port that several columns tell in different words: its cable, and why it is up or down."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from switchboard.generator.draws import draw, hash64, purpose
from switchboard.generator.ufm.ports import Bools, Ints, Ports

_CABLE, _FIRMWARE, _REASON = (purpose(n) for n in range(60, 63))

UP, UNPLUGGED, FLAPPING, AGGREGATION = range(4)
"""States of a port, in the order of all vocabularies that tell them."""


class CableKind(NamedTuple):
    """A cable as a product."""

    part_number: str
    technology: str
    vendor: str
    metres: int
    identifier: str
    revision: str
    firmware: str


CABLE_KINDS = (
    CableKind("MFP7E10-N015", "850 nm VCSEL", "NVIDIA", 15, "OSFP", "A1", "46.120.133"),
    CableKind("MFP7E10-N030", "850 nm VCSEL", "NVIDIA", 30, "OSFP", "A2", "46.120.133"),
    CableKind("MMA4Z00-NS", "850 nm VCSEL", "Mellanox", 50, "OSFP", "A3", "46.122.21"),
    CableKind("MCP4Y10-N002", "Copper cable- unequalized", "Mellanox", 2, "OSFP", "A5", "NA"),
)
_COPPER = len(CABLE_KINDS) - 1
_METRES = np.array([kind.metres for kind in CABLE_KINDS])

FIRMWARES = ("31.2010.6102", "31.2012.1068", "31.2014.1866")
FIRMWARE_SLOTS = 65_536
_FIRST_WITH_WORDS = 1

REASONS = (
    (0, "No_link_down_indication"),
    (23, "Cable_was_unplugged"),
    (2, "Hi_SER_or_Hi_BER"),
    (25, "Thermal_shutdown"),
    (5, "FEC_sync_loss"),
    (11, "Heartbeat_errors"),
)
"""Codes and words for why a link is down."""


class Cables(NamedTuple):
    """Per port: the place in CABLE_KINDS, and the length."""

    kinds: Ints
    metres: Ints


def cable_kinds(ports: Ports) -> Cables:
    """The cable of each port that has one; one of eight is of copper."""
    eighth = (draw(ports.keys, _CABLE) % 8).view(np.int64)
    kinds = np.where(eighth == 0, _COPPER, eighth % _COPPER)
    return Cables(kinds, _METRES[kinds])


def has_cable(ports: Ports) -> Bools:
    """Whether a cable is plugged in."""
    cable: Bools = ~(ports.unplugged | ports.aggregation)
    return cable


def is_optical(ports: Ports) -> Bools:
    """Whether the cable has modules with sensors."""
    optical: Bools = has_cable(ports) & (cable_kinds(ports).kinds != _COPPER)
    return optical


def status(ports: Ports) -> Ints:
    """Per port one of UP, UNPLUGGED, FLAPPING and AGGREGATION."""
    return np.select([ports.aggregation, ports.unplugged, ports.down], [AGGREGATION, UNPLUGGED, FLAPPING], UP)


def reasons(ports: Ports) -> Ints:
    """Per port a place in REASONS: sick ports go down for other reasons than ports that are well."""
    either = (hash64(ports.keys + ports.flaps, _REASON) % 2).view(np.int64)
    flapping = np.where(ports.sickness > 0, 2, 4) + either
    return np.select([ports.unplugged, ports.down], [1, flapping], 0)


def firmwares(ports: Ports) -> Ints:
    """Per switch that occurs, a place in FIRMWARES: an upgrade every FIRMWARE_SLOTS, and after the last the first."""
    cycle = FIRMWARE_SLOTS * len(FIRMWARES)
    phase = (draw(ports.fabric.keys[ports.switches], _FIRMWARE) % cycle).view(np.int64)
    return (ports.slot + phase) % cycle // FIRMWARE_SLOTS


def writes_words(ports: Ports) -> Bools:
    """Per port, whether the firmware of its switch gives reasons as words; older ones give numbers."""
    words: Bools = (firmwares(ports) >= _FIRST_WITH_WORDS)[ports.switch]
    return words
