from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.fabric import MAX_DECIMALS, Fabric, build_fabric
from switchboard.generator.load import load_share
from switchboard.generator.profiles import MAX_LIFE_SLOTS, MIN_LIFE_SLOTS, basic_values, decode, encode
from switchboard.generator.snapshots import Simulator

EVERY_ROW = slice(None)
NOON = 1_795_435_200
SLOTS = st.integers(0, 2_000_000_000_000)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=8).filter(
    lambda name: not name.isdigit()
)


def fabric_of(metrics: str, switches: str = "20", seed: int = 1) -> Fabric:
    return build_fabric(GeneratorSettings(metrics=metrics, switches=switches, seed=seed))


def limits(low: int, high: int, decimals: int) -> str:
    """``LOW:HIGH``, each with so many decimals."""
    low_text, high_text = (
        f"{'-' * (n < 0)}{abs(n) // 10**decimals}.{abs(n) % 10**decimals:0{decimals}d}" for n in (low, high)
    )
    return f"{low_text}:{high_text}" if decimals else f"{low}:{high}"


@given(
    low=st.integers(-(10**17), 10**17),
    span=st.integers(0, 10**17),
    decimals=st.integers(0, MAX_DECIMALS),
    name=st.sampled_from(["bandwidth", "latency", "errors"]),
    slot=SLOTS,
    time_seconds=st.integers(0, 2**40),
    seed=st.integers(0, 2**70),
)
def test_values_keep_within_their_range(
    *, low: int, span: int, decimals: int, name: str, slot: int, time_seconds: int, seed: int
) -> None:
    """No value of any metric is ever below LOW or above HIGH."""
    fabric = fabric_of(f"{name}={limits(low, low + span, decimals)}", seed=seed)
    values = basic_values(fabric, 0, slot, time_seconds, EVERY_ROW)
    assert values.dtype == np.int64
    assert values.min() >= low
    assert values.max() <= low + span


@pytest.mark.parametrize("name", ["errors", "latency", "bandwidth"])
@pytest.mark.parametrize(("low", "high"), [(0, 2**63 - 1), (-(2**63) + 1, -1), (5, 5)])
def test_range_may_be_as_wide_as_the_integers(name: str, low: int, high: int) -> None:
    """The widest ranges do not overflow, and the narrowest has one value."""
    fabric = fabric_of(f"{name}={low}:{high}", switches="1000")
    values = basic_values(fabric, 0, 7, NOON, EVERY_ROW)
    assert values.min() >= low
    assert values.max() <= high
    assert len(np.unique(values)) == min(high - low + 1, 1000) or name != "latency"


@given(names=st.lists(NAMES, min_size=1, max_size=6, unique=True), others=st.lists(NAMES, max_size=6), slot=SLOTS)
def test_switch_keeps_its_values_whatever_else_is_configured(names: list[str], others: list[str], slot: int) -> None:
    """The cells of a switch do not depend on the other switches and metrics, nor on the order of either."""
    more = [*dict.fromkeys(["other", *others, *names])]
    few = Simulator(GeneratorSettings(switches=",".join(["one", *names]), metrics="gbps=0.0:9.9,drops=0:99"))
    many = Simulator(GeneratorSettings(switches=",".join([*more, "one"]), metrics="drops=0:99,x=0:9,gbps=0.0:9.9"))
    rows_of_few, rows_of_many = (
        {row["switch_id"]: (row["timestamp"], row["gbps"], row["drops"]) for row in csv.DictReader(text)}
        for text in (s.snapshot(slot).plain.body.decode().splitlines() for s in (few, many))
    )
    assert rows_of_few == {name: rows_of_many[name] for name in rows_of_few}


def test_seed_changes_the_values() -> None:
    """Two seeds have different values, even if they differ by 2 ** 64."""
    drawn = [
        basic_values(fabric_of("a=0:1000000000", seed=seed), 0, 0, 0, EVERY_ROW).tolist() for seed in (1, 2, 1 + 2**64)
    ]
    assert len({tuple(values) for values in drawn}) == 3


def test_counters_only_fall_back_to_low() -> None:
    """A counter never falls, unless a reboot takes all counters of its switch, and only these, back to LOW."""
    fabric = fabric_of("rx_bytes=1000:9000000000000,errors=3:1000", switches="8")
    slots = range(10**9, 10**9 + MAX_LIFE_SLOTS + 1)
    fell = []
    for column, metric in enumerate(fabric.metrics):
        values = np.array([basic_values(fabric, column, slot, 0, EVERY_ROW) for slot in slots])
        fell.append(np.diff(values, axis=0) < 0)
        assert (values[1:][fell[column]] == metric.low).all()
        assert values.max() > metric.low + (metric.high - metric.low) // 2
    assert (fell[0] == fell[1]).all()
    reboots = fell[0].sum(axis=0)
    assert reboots.min() >= 1
    assert reboots.max() <= MAX_LIFE_SLOTS // MIN_LIFE_SLOTS + 1
    assert fell[0].sum(axis=1).max() == 1


def test_link_flaps_take_bandwidth_to_low_for_a_few_slots() -> None:
    """Now and then the bandwidth-like gauges of a switch are at LOW together, for 1 to 4 slots; others are not."""
    fabric = fabric_of("rx_gbps=10.00:90000000.00,tx_gbps=10.00:90000000.00,latency=10.00:90000000.00", switches="50")
    rx, tx, latency = (
        np.array([basic_values(fabric, column, slot, NOON, EVERY_ROW) for slot in range(6400)]) for column in range(3)
    )
    down = rx == 1000
    assert (down == (tx == 1000)).all()
    assert not (latency == 1000).any()
    assert 0.0002 < down.mean() < 0.005
    for row in down.T:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]])))
        assert set(edges[1::2] - edges[::2]) <= {1, 2, 3, 4}


def test_gauges_follow_the_hour() -> None:
    """The load has its valley at night and its peak by day, and the gauges go with it."""
    hours = [load_share(NOON + 3600 * hour) for hour in range(24)]
    assert hours.index(min(hours)) in range(14, 18)
    assert hours.index(max(hours)) in range(1, 6)
    fabric = fabric_of("latency=0:1000000", switches="200")
    night, day = (basic_values(fabric, 0, 1, NOON + 3600 * hour, EVERY_ROW).mean() for hour in (-9, 3))
    assert day > night + 300_000


@given(second=st.integers(0, 2**40))
def test_load_changes_without_jumps(second: int) -> None:
    """From one second to the next the load changes by less than a thousandth of the peak."""
    assert 0 < load_share(second) < 2**32
    assert abs(load_share(second + 1) - load_share(second)) < 2**32 // 1000


@given(slot=st.integers(0, 9 * 10**12), switch=st.integers(1, 9_999), metric=st.integers(0, 98))
def test_encoding_is_exact_and_reversible(slot: int, switch: int, metric: int) -> None:
    """What is encoded is decoded, and the value fits into 64 bits with a sign."""
    value = encode(slot, switch, metric)
    assert decode(value) == (slot, switch, metric)
    assert value < 2**63


def test_encoded_profile_tells_slot_switch_and_metric() -> None:
    """Each cell of the profile `encoded` says where and when it belongs, whatever the ranges say."""
    metrics = ",".join(f"m{i}=0.0:1.0" for i in range(99))
    simulator = Simulator(GeneratorSettings(profile="encoded", switches="9999", metrics=metrics, hold=0.2))
    slot = simulator.slot_at(1_795_460_000.1)
    _, *rows = csv.reader(simulator.snapshot(slot).plain.body.decode().splitlines())
    assert [row[1] for row in rows] == [f"sw{i}" for i in range(1, 10_000)]
    for place, row in enumerate(rows, 1):
        assert row[2:] == [str(encode(slot, place, column)) for column in range(99)]
