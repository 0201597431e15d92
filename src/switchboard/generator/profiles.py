"""Which value a metric of a switch has in a slot.

A value is a pure function of (seed, switch name, metric name, slot): nothing is carried from slot to slot, so any
slot can be computed at any time, in any order, on any machine. Shares and ``hash(…)`` below are those of `draws`.

Profile ``basic``. Values count the metric's smallest steps; span = HIGH - LOW.

gauge (any metric that is not a counter)
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

from switchboard.generator.draws import GOLDEN, ONE, draw, hash64, purpose, scale
from switchboard.generator.fabric import Fabric, Metric
from switchboard.generator.load import load_share

LINK_WINDOW_SLOTS = 64
MIN_LIFE_SLOTS, MAX_LIFE_SLOTS = 2_048, 16_383

_LEVEL, _NOISE, _FLAP, _LIFE, _TOP = (purpose(number) for number in range(5))


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
    series_keys = hash64(switch_keys, metric.key)
    if metric.is_counter:
        share, top = _growth(switch_keys, series_keys, slot, metric)
        steps = scale(top, share)
    else:
        level, noise = draw(series_keys, _LEVEL), draw(series_keys, _NOISE, slot)
        share = (np.uint64(load_share(time_seconds) * 4) + level * np.uint64(3) + noise) >> np.uint64(3)
        steps = scale(_span(metric), share)
        if metric.follows_link:
            steps[_link_is_down(switch_keys, slot)] = 0
    return metric.low + steps.view(np.int64)


def _growth(
    switch_keys: NDArray[np.uint64], series_keys: NDArray[np.uint64], slot: int, metric: Metric
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Per row of a counter: the share of its life that is over, and the steps at which that life would end."""
    bits = hash64(switch_keys, _LIFE)
    length = np.uint64(MIN_LIFE_SLOTS) + bits % np.uint64(MAX_LIFE_SLOTS - MIN_LIFE_SLOTS + 1)
    since = np.uint64(slot) + (bits >> np.uint64(32)) % length
    life: NDArray[np.uint64] = np.floor_divide(since, length)
    age = since - life * length
    jitter = draw(series_keys, _NOISE, slot)
    jitter[age == 0] = 0
    # age < 2 ** 14, so 2 ** 46 holds the numerator.
    progress = ((age << np.uint64(32)) + jitter) // length
    drawn = hash64(series_keys + life * np.uint64(GOLDEN), _TOP) >> np.uint64(32)
    top_share = (np.uint64(ONE) + drawn * np.uint64(3)) >> np.uint64(2)
    return progress, scale(_span(metric), top_share)


def _link_is_down(switch_keys: NDArray[np.uint64], slot: int) -> NDArray[np.bool_]:
    """Whether the link of each switch is down in this slot."""
    since = np.uint64(slot) + (switch_keys >> np.uint64(32)) % np.uint64(LINK_WINDOW_SLOTS)
    window, place = since // np.uint64(LINK_WINDOW_SLOTS), since % np.uint64(LINK_WINDOW_SLOTS)
    bits = hash64(switch_keys + window * np.uint64(GOLDEN), _FLAP)
    duration = np.uint64(1) + (bits >> np.uint64(8)) % np.uint64(4)
    first = (bits >> np.uint64(16)) % np.uint64(LINK_WINDOW_SLOTS - 4)
    down: NDArray[np.bool_] = (bits % np.uint64(32) == 0) & (place >= first) & (place < first + duration)
    return down


def _span(metric: Metric) -> NDArray[np.uint64]:
    """The number of different values: one more than HIGH - LOW, at most 2 ** 63."""
    return np.array([metric.high - metric.low + 1], dtype=np.uint64)
