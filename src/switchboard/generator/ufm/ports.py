"""The state of a fabric's ports at a slot: a pure function of (settings, slot), in closed form.

An event happens to a port at slots that its key draws, over and over with a period of its own. So how often and how
long it has happened up to a slot is a division, and no slot needs the one before it.

clear
    All counters of a switch are cleared every 2,048 to 16,383 slots; ``minutes_since_clear`` counts from there.
reset
    One port of 16 is reset on its own every 512 to 4,095 slots: its counters begin at 0, but the minutes go on.
flap
    The link goes down once per period, for 1 to 4 slots: every 256 slots on one port of 64, else every 16,384.
unplugged
    One port of 32 has no cable, for ever.
wear
    One port of 128 goes bad over 4,096 slots, then its cable is replaced. ``sickness`` is how bad it is, ``wear`` the
    sickness added up since the port's counters began: what a bad port adds to its error counters is in proportion.
work
    The load added up since the counters began, times the share of the load that the port carries. Traffic counters are
    in proportion to it. A port that is down does no work; when it is up again, it is where it would have been.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from switchboard.generator.draws import GOLDEN, UInts, draw, hash64, purpose
from switchboard.generator.load import WORK_PER_MS, work_until
from switchboard.generator.ufm.fabric import Selection, UfmFabric

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MIN_CLEAR_SLOTS, MAX_CLEAR_SLOTS = 2_048, 16_383
MIN_RESET_SLOTS, MAX_RESET_SLOTS = 512, 4_095
FLAPPY_SLOTS, STABLE_SLOTS = 256, 16_384
MOST_DOWN_SLOTS = 4
SICK_SLOTS = 4_096

_MOST_LEVEL = 256
_PORT, _CLEAR, _RESET, _FLAPPY, _FLAP, _UNPLUGGED, _SICK, _LEVEL, _PRESET = (purpose(n) for n in range(33, 42))


@dataclass(frozen=True, slots=True, eq=False)
class Ports:
    """Some ports at one slot: arrays with a value per row, unless stated otherwise."""

    fabric: UfmFabric
    slot: int
    switches: Ints
    """Places of the switches that occur, in `UfmFabric.names`; not per row."""
    switch: Ints
    """Place in ``switches``."""
    number: Ints
    keys: UInts
    """64 random bits per port, which never change."""
    aggregation: Bools
    unplugged: Bools
    down: Bools
    """Without a link: unplugged, or in a flap."""
    level: UInts
    """Share of the fabric's load that the port carries, in 256ths."""
    work: UInts
    """Work since the counters began, in milliseconds at the peak load of the busiest port."""
    step: UInts
    """How much more work there will be in the next slot."""
    sickness: UInts
    """Below SICK_SLOTS; 0 on a port that is well."""
    cable: UInts
    """How often the cable was replaced."""
    wear: UInts
    flaps: UInts
    """How often the link went down since the counters began."""
    minutes_since_clear: Ints
    preset: UInts
    """Where 64-bit traffic counters begin: anywhere on one port of 32, just below 2 ** 64 on another, else at 0."""

    def __len__(self) -> int:
        return len(self.number)

    @property
    def start_ms(self) -> int:
        """Unix time at which the slot starts."""
        return self.slot * self.fabric.hold_ms


def look(fabric: UfmFabric, selection: Selection, rows: slice, slot: int) -> Ports:
    """The state of some rows of a selection at a slot."""
    start, stop, _ = rows.indices(len(selection))
    switch, place = np.divmod(np.arange(start, stop), len(selection.ports))
    switches = selection.switches[switch[0] : switch[-1] + 1]
    switch -= switch[0]
    number = selection.ports[place]
    switch_keys = fabric.keys[switches]
    keys = hash64(switch_keys[switch] + number.astype(np.uint64) * GOLDEN, _PORT)
    aggregation = number == fabric.aggregation_port
    unplugged = ~aggregation & _one_in(32, keys, _UNPLUGGED)
    idle = aggregation | unplugged

    cleared = slot - _age(hash64(switch_keys, _CLEAR), slot, MIN_CLEAR_SLOTS, MAX_CLEAR_SLOTS)
    reset = slot - _age(hash64(keys, _RESET), slot, MIN_RESET_SLOTS, MAX_RESET_SLOTS)
    since = np.where(_one_in(16, keys, _RESET), np.maximum(reset, cleared[switch]), cleared[switch])

    period = np.where(_one_in(64, keys, _FLAPPY), FLAPPY_SLOTS, STABLE_SLOTS)
    flaps, flap_began, flap_ended = _last_flap(keys, period, np.full_like(since, slot))
    flapping = ~idle & (slot < flap_ended)

    level = np.where(idle, 0, 64 + _signed(draw(keys, _LEVEL)) % (_MOST_LEVEL - 63))
    seen = np.maximum(np.where(flapping, flap_began, slot), since)
    work = _work(fabric, since, seen, level)
    step = np.where(flapping, 0, _work(fabric, since, seen + 1, level) - work)

    sick = ~idle & _one_in(128, keys, _SICK)
    phase = _signed(draw(keys, _SICK, 1)) % SICK_SLOTS
    cable, sickness = np.divmod(slot + phase, SICK_SLOTS)
    wear = _wear(slot + phase) - _wear(since + phase)

    bits = hash64(keys, _PRESET)
    kind = np.where(idle, 0, bits % 32)
    # In unsigned numbers 0 - 1 is 2 ** 64 - 1.
    preset = np.select([kind == 1, kind == 2], [bits >> 1, -(bits >> 18)], 0)
    return Ports(
        fabric=fabric,
        slot=slot,
        switches=switches,
        switch=switch,
        number=number,
        keys=keys,
        aggregation=aggregation,
        unplugged=unplugged,
        down=unplugged | flapping,
        level=level.view(np.uint64),
        work=work.view(np.uint64),
        step=step.view(np.uint64),
        sickness=np.where(sick, sickness, 0).view(np.uint64),
        cable=np.where(sick, cable, 0).view(np.uint64),
        wear=np.where(sick, wear, 0).view(np.uint64),
        flaps=np.where(idle, 0, flaps - _last_flap(keys, period, since)[0]).view(np.uint64),
        minutes_since_clear=((slot - cleared) * fabric.hold_ms // 60_000)[switch],
        preset=preset,
    )


def _signed(values: UInts) -> Ints:
    """Numbers below 2 ** 63 in a type that can be subtracted and mixed with times."""
    signed: Ints = values.view(np.int64)
    return signed


def _one_in(number: int, keys: UInts, end: int) -> Bools:
    """True for one key in ``number``, a power of two. ``end`` is the purpose of the draw."""
    chosen: Bools = draw(keys, end) % number == 0
    return chosen


def _age(bits: UInts, slot: int, shortest: int, longest: int) -> Ints:
    """Slots since an event last happened that recurs at a pace of its own, every ``shortest`` to ``longest`` slots."""
    length = shortest + _signed(bits % (longest - shortest + 1))
    age: Ints = (slot + _signed(bits >> np.uint64(32)) % length) % length
    return age


def _last_flap(keys: UInts, period: Ints, slots: Ints) -> tuple[Ints, Ints, Ints]:
    """How often the link went down up to a slot; the slot at which it last did; the slot at which it came up again."""
    shifted = slots + _signed(keys >> np.uint64(32)) % period
    window = shifted // period
    begin, end = _flap_in(keys, period, window)
    before = shifted < begin
    # The flap of this window is still to come in half of the cases: then the last one is that of the window before.
    begin_before, end_before = _flap_in(keys, period, window - 1)
    shift = shifted - slots
    return window - before, np.where(before, begin_before, begin) - shift, np.where(before, end_before, end) - shift


def _flap_in(keys: UInts, period: Ints, window: Ints) -> tuple[Ints, Ints]:
    bits = hash64(keys + window.view(np.uint64) * GOLDEN, _FLAP)
    begin = window * period + _signed(bits >> np.uint64(32)) % (period - MOST_DOWN_SLOTS)
    return begin, begin + 1 + _signed(bits % MOST_DOWN_SLOTS)


def _work(fabric: UfmFabric, since: Ints, until: Ints, level: Ints) -> Ints:
    """Work that ports of these levels do between two slots; it never falls as ``until`` grows."""
    hold_ms = fabric.hold_ms
    work: Ints = (work_until(until * hold_ms) - work_until(since * hold_ms)) * level // (WORK_PER_MS * _MOST_LEVEL)
    return work


def _wear(slots: Ints) -> Ints:
    """Sickness added up over all slots before each of these."""
    cycles, sickness = np.divmod(slots, SICK_SLOTS)
    wear: Ints = cycles * (SICK_SLOTS * (SICK_SLOTS - 1) // 2) + sickness * (sickness - 1) // 2
    return wear
