"""Which value a metric of a switch has in a slot.

A value is a pure function of (seed, switch name, metric name, slot): nothing is carried from slot to slot, so any
slot can be computed at any time, in any order, on any machine. To keep the bytes equal everywhere, all arithmetic is
on 64-bit integers; a *share* is a number from 0 up to, but not including, 1, written as a multiple of 2 ** -32.
``hash(…)`` below is a counter-based hash (the finaliser of splitmix64), so that a draw needs no generator state.

Profile ``basic``. Values count the metric's smallest steps; span = HIGH - LOW.

gauge (any metric that is no counter)
    share = 1/2 load(hour of day, UTC) + 3/8 hash(switch, metric) + 1/8 hash(switch, metric, slot)
    value = LOW + floor(share * (span + 1))
link flap
    Slots are grouped into windows of 64, shifted per switch. In one window of 32 the switch's link is down for 1 to 4
    slots, and its bandwidth-like gauges are at LOW.
counter (a whole number named …errors, …packets, …bytes, …octets, …drops, …discards or …total)
    A switch reboots every 2,048 to 16,383 slots, each at its own pace; ``age`` counts the slots since. Within a life
        progress = (age + jitter) / length of life,   jitter = hash(switch, metric, slot), 0 when age = 0
        top      = (1/4 + 3/4 hash(switch, metric, life)) * (span + 1)
        value    = LOW + floor(progress * top)
    As age + jitter < age + 1, progress never falls within a life and stays below 1; a new life begins at LOW.

Profile ``encoded`` is for tests that look for torn answers: see `encode`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from switchboard.generator.fabric import Fabric, Metric

LINK_WINDOW_SLOTS = 64
MIN_LIFE_SLOTS, MAX_LIFE_SLOTS = 2_048, 16_383

# Share of the peak load at each full hour, in per cent: a quiet night, a working day, an evening of backups.
_LOAD_PERCENT = (28, 22, 18, 16, 16, 19, 26, 40, 60, 78, 88, 92, 86, 88, 94, 97, 93, 82, 66, 55, 52, 56, 48, 37)

_ONE = 1 << 32
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
# Draws of one key for different ends must not be related: each adds a number of its own to the key.
_LEVEL, _NOISE, _FLAP, _LIFE, _TOP = (0x1000193 * (i + 1) << 20 for i in range(5))


class Encoded(NamedTuple):
    """What a value of the profile ``encoded`` says about itself."""

    slot: int
    switch: int
    """Place of the switch in the settings, counted from 1: the number in its name if a number of switches is set."""
    metric: int
    """Place of the metric in the settings, counted from 0."""


def encode(slot: int, switch: int, metric: int) -> int:
    """The value of a cell in the profile ``encoded``; ranges of the metrics play no part."""
    return slot * 1_000_000 + switch * 100 + metric


def decode(value: int) -> Encoded:
    """The inverse of `encode`: two cells belong to one snapshot if they have the same slot."""
    slot, rest = divmod(value, 1_000_000)
    return Encoded(slot, *divmod(rest, 100))


def encoded_values(fabric: Fabric, column: int, slot: int, rows: slice) -> NDArray[np.int64]:
    """Values of metric number ``column`` for some of the switches, as `encode` has them."""
    start, stop, _ = rows.indices(len(fabric.switches))
    return encode(slot, 1, column) + 100 * np.arange(start, stop, dtype=np.int64)


def basic_values(fabric: Fabric, column: int, slot: int, time_seconds: int, rows: slice) -> NDArray[np.int64]:
    """Values of metric number ``column`` for some of the switches, in steps of the metric (shape: the rows).

    ``time_seconds`` is the Unix time at which the slot starts; it sets the hour of the load.
    """
    metric = fabric.metrics[column]
    switch_keys = fabric.switch_keys[rows]
    series_keys = _hash(switch_keys, metric.key)
    if metric.is_counter:
        share, top = _growth(switch_keys, series_keys, slot, metric)
        steps = _scale(top, share)
    else:
        level, noise = _draw(series_keys, _LEVEL), _draw(series_keys, _NOISE, slot)
        share = (np.uint64(load_share(time_seconds) * 4) + level * np.uint64(3) + noise) >> np.uint64(3)
        steps = _scale(_span(metric), share)
        if metric.follows_link:
            steps[_link_is_down(switch_keys, slot)] = 0
    return metric.low + steps.view(np.int64)


def load_share(time_seconds: int) -> int:
    """Load of the fabric at a Unix time, as a share of the peak: straight lines between the full hours of the day."""
    hour, second = divmod(time_seconds % 86_400, 3_600)
    before, after = _LOAD_PERCENT[hour], _LOAD_PERCENT[(hour + 1) % 24]
    return (before * (3_600 - second) + after * second) * _ONE // 360_000


def _growth(
    switch_keys: NDArray[np.uint64], series_keys: NDArray[np.uint64], slot: int, metric: Metric
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Of a counter: how far its life has come, as a share, and the steps at which that life would end."""
    draw = _hash(switch_keys, _LIFE)
    length = np.uint64(MIN_LIFE_SLOTS) + draw % np.uint64(MAX_LIFE_SLOTS - MIN_LIFE_SLOTS + 1)
    since = np.uint64(slot) + (draw >> np.uint64(32)) % length
    life: NDArray[np.uint64] = np.floor_divide(since, length)
    age = since - life * length
    jitter = _draw(series_keys, _NOISE, slot)
    jitter[age == 0] = 0
    # age < 2 ** 14, so 2 ** 46 holds the numerator.
    progress = ((age << np.uint64(32)) + jitter) // length
    drawn = _hash(series_keys + life * np.uint64(_GOLDEN), _TOP) >> np.uint64(32)
    top_share = (np.uint64(_ONE) + drawn * np.uint64(3)) >> np.uint64(2)
    return progress, _scale(_span(metric), top_share)


def _link_is_down(switch_keys: NDArray[np.uint64], slot: int) -> NDArray[np.bool_]:
    """Whether the link of each switch is down in this slot."""
    since = np.uint64(slot) + (switch_keys >> np.uint64(32)) % np.uint64(LINK_WINDOW_SLOTS)
    window, place = since // np.uint64(LINK_WINDOW_SLOTS), since % np.uint64(LINK_WINDOW_SLOTS)
    draw = _hash(switch_keys + window * np.uint64(_GOLDEN), _FLAP)
    duration = np.uint64(1) + (draw >> np.uint64(8)) % np.uint64(4)
    first = (draw >> np.uint64(16)) % np.uint64(LINK_WINDOW_SLOTS - 4)
    down: NDArray[np.bool_] = (draw % np.uint64(32) == 0) & (place >= first) & (place < first + duration)
    return down


def _span(metric: Metric) -> NDArray[np.uint64]:
    """The number of different values: one more than HIGH - LOW, at most 2 ** 63."""
    return np.array([metric.high - metric.low + 1], dtype=np.uint64)


def _scale(steps: NDArray[np.uint64], share: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """floor(steps * share), exactly: below ``steps``, as a share is below 1. ``steps`` is at most 2 ** 63."""
    high, low = steps >> np.uint64(32), steps & np.uint64(_ONE - 1)
    return high * share + (low * share >> np.uint64(32))


def _draw(keys: NDArray[np.uint64], purpose: int, slot: int = 0) -> NDArray[np.uint64]:
    """A random share for each key: the upper half of its hash."""
    return _hash(keys, purpose + slot * _GOLDEN) >> np.uint64(32)


def _hash(keys: NDArray[np.uint64], addend: int) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)."""
    x = keys + np.uint64(addend & _MASK)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x
