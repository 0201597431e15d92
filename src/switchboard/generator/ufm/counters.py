"""Counters: whole numbers that grow with the work of their port, and with its wear.

    value = begin + rate(port, counter) * (work + noise * step) + wear * growth,   cut to 32 or 64 bits

``noise`` is a share drawn anew in every slot: as ``work + step`` is the work of the next slot, the sum never falls
between two slots in which the counter neither began anew nor wrapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from switchboard.generator.draws import GOLDEN, UInts, hash64, key_of, purpose
from switchboard.generator.ufm.cells import Integers
from switchboard.generator.ufm.ports import SICK_SLOTS, Ports

COLUMNS_AT_ONCE = 16
"""Columns that are made in one go: so many, of a thousand rows, stay in the processor's cache meanwhile."""

_NOISE_BITS = 16
_LEAST_RATE_BITS = 16
_RATE, _NOISE = purpose(48), purpose(49)


@dataclass(frozen=True, slots=True)
class Counter:
    """A column that counts."""

    name: str
    pace: int | None
    """The counter grows by 2 ** pace to 2 ** (pace + 1) per millisecond of work; None: work does not count."""
    wear: int | None = None
    """On a port that is as sick as can be the counter grows by 2 ** wear more per slot; None: wear does not count."""
    bits: Literal[32, 64] = 64
    preset: bool = False
    """Whether the counter begins at the port's preset."""
    empty_when_down: bool = False
    quantity: str = ""
    """What the counter counts: columns of one quantity have equal values. By default the column's name."""


class CounterGroup:
    """Counters that are made in one go: they differ in their rates only."""

    def __init__(self, counters: Sequence[Counter]) -> None:
        first = counters[0]
        self.names = tuple(counter.name for counter in counters)
        self._bits, self._preset, self._empty_when_down = first.bits, first.preset, first.empty_when_down
        self._keys = _column(key_of(0, "counter", counter.quantity or counter.name) for counter in counters)
        paces = [0 if counter.pace is None else counter.pace for counter in counters]
        shifts = [max(0, _LEAST_RATE_BITS - pace) for pace in paces]
        self._rate = _column(1 << pace + shift for pace, shift in zip(paces, shifts, strict=True))
        self._shift = _column(shifts)
        self._works = first.pace is not None
        self._growth = None if first.wear is None else _column(1 << (counter.wear or 0) for counter in counters)

    def cells(self, ports: Ports) -> Integers:
        """The values at the ports' slot."""
        values = self._grown(ports) if self._works else np.zeros((len(self.names), len(ports)), np.uint64)
        if self._growth is not None and ports.wear.any():
            values += ports.wear * self._growth // SICK_SLOTS
        if self._preset:
            values += ports.preset
        if self._bits == 32:
            values &= 0xFFFFFFFF
        return Integers(values, ports.down | ports.aggregation if self._empty_when_down else None)

    def _grown(self, ports: Ports) -> UInts:
        """What the work has added: below 2 ** 61, because work is below 2 ** 37 and a rate below 2 ** 24."""
        series = hash64(ports.keys + self._keys, _RATE)
        # One multiplication by an odd number spreads bits that are random already: a new noise for every slot.
        odd = hash64(np.array([ports.slot], np.int64).view(np.uint64), _NOISE) | 1
        work = series * (odd * GOLDEN)
        work >>= 64 - _NOISE_BITS
        work *= ports.step
        work >>= _NOISE_BITS
        work += ports.work
        series &= self._rate - 1
        series |= self._rate
        series *= work
        series >>= self._shift
        return series


def group_counters(counters: Sequence[Counter]) -> list[CounterGroup]:
    """Groups of counters that can be made in one go, at most COLUMNS_AT_ONCE in each."""

    def kind(counter: Counter) -> tuple[bool, bool, int, bool, bool]:
        return counter.pace is None, counter.wear is None, counter.bits, counter.preset, counter.empty_when_down

    groups = []
    for _, alike in groupby(sorted(counters, key=kind), kind):
        members = list(alike)
        groups += [
            CounterGroup(members[first : first + COLUMNS_AT_ONCE]) for first in range(0, len(members), COLUMNS_AT_ONCE)
        ]
    return groups


def _column(numbers: Iterable[int]) -> UInts:
    return np.array(list(numbers), np.uint64)[:, np.newaxis]
