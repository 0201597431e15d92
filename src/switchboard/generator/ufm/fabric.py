"""Which switches and ports there are, and which of them belong to a shard.

A switch `swN` has a GUID made of the seed and N; a switch with another name has one made of seed and name. So a switch
keeps its identity and its values whatever else is configured, and fabrics of different seeds do not meet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from switchboard.config.settings import GeneratorSettings
from switchboard.errors import ConfigError
from switchboard.generator.draws import UInts, hash64, key_of, purpose
from switchboard.generator.fabric import check_seed_and_hold, keys_of_switches, parse_switches, shown

AGGREGATION_PORT = 65
"""Number of the port of a switch's aggregation node, unless the switch has that many ports or more."""
MOST_SHARDS = 1_000

_LONGEST_HOLD_SECONDS = 3_600
_SHARD = purpose(32)
_NUMBERED = re.compile(r"sw([1-9][0-9]{0,6})")
_NUMBERED_GUIDS, _NAMED_GUIDS = 0xFC6A1C << 40, 0x248A07 << 40


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the rows. For one sharding field, the shards 0 … count - 1 together have every row once."""

    count: int
    number: int
    by_port: bool
    """Whether rows are assigned by their port number; else by the GUID of their switch."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Rows to make: each of the switches with each of the ports, switch by switch."""

    switches: NDArray[np.int64]
    """Places in `UfmFabric.names`."""
    ports: NDArray[np.int64]
    """Port numbers."""

    def __len__(self) -> int:
        return len(self.switches) * len(self.ports)


@dataclass(frozen=True, slots=True, eq=False)
class UfmFabric:
    """All that is simulated; the arrays are never written to."""

    names: tuple[str, ...]
    keys: UInts
    """64 random bits per switch."""
    guids: UInts
    ports: NDArray[np.int64]
    """Port numbers of every switch, the one of the aggregation node last."""
    hold_ms: int

    @property
    def aggregation_port(self) -> int:
        """Number of the aggregation node's port."""
        return int(self.ports[-1])

    def select(self, shard: Shard | None) -> Selection:
        """The rows of a shard, or all."""
        switches = np.arange(len(self.names))
        if shard is None:
            return Selection(switches, self.ports)
        if shard.by_port:
            return Selection(switches, self.ports[_is_in(self.ports.astype(np.uint64), shard)])
        return Selection(switches[_is_in(self.guids, shard)], self.ports)


def build_ufm_fabric(settings: GeneratorSettings) -> UfmFabric:
    """Read and check the settings that say what is simulated.

    Raises ConfigError, naming the setting and the value that cannot be used.
    """
    check_seed_and_hold(settings)
    hold_ms = round(settings.hold * 1000)
    if hold_ms / 1000 != settings.hold or settings.hold > _LONGEST_HOLD_SECONDS:
        raise ConfigError(
            f"generator hold {settings.hold:g} s cannot be used by profile 'ufm': it must be a whole number of "
            f"milliseconds, at most {_LONGEST_HOLD_SECONDS} s"
        )
    names = parse_switches(settings.switches)
    for name in names:
        if max(name) > "\xff":
            raise ConfigError(f"generator switches: the name {shown(name)} cannot be written in ISO-8859-1")
    guids = np.fromiter((_guid(settings.seed, name) for name in names), np.uint64, len(names))
    if len(np.unique(guids)) < len(names):
        raise ConfigError("generator switches: two names get the same GUID; use other names or another seed")
    ports = np.append(np.arange(1, settings.ports + 1), max(AGGREGATION_PORT, settings.ports + 1))
    for array in (guids, ports):
        array.flags.writeable = False
    return UfmFabric(names, keys_of_switches(settings.seed, names), guids, ports, hold_ms)


def _guid(seed: int, name: str) -> int:
    """A GUID in NVIDIA's form: 24 bits for the maker and 40 for the switch. swN leaves the last six to parts of it."""
    numbered = _NUMBERED.fullmatch(name)
    if numbered and int(numbered[1]) < 1 << 20:
        return _NUMBERED_GUIDS | (key_of(seed, "fabric", "") >> 50) << 26 | int(numbered[1]) << 6
    return _NAMED_GUIDS | key_of(seed, "guid", name) >> 24


def _is_in(values: UInts, shard: Shard) -> NDArray[np.bool_]:
    within: NDArray[np.bool_] = hash64(values, _SHARD) % shard.count == shard.number
    return within
