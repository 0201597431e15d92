from __future__ import annotations

import numpy as np
import pytest

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.draws import UInts
from switchboard.generator.ufm.columns import SetName, columns_of
from switchboard.generator.ufm.counters import Counter, CounterGroup, group_counters
from switchboard.generator.ufm.fabric import build_ufm_fabric
from switchboard.generator.ufm.ports import Ports, look

START = 179_546_000
FABRIC = build_ufm_fabric(GeneratorSettings(profile="ufm", switches="40"))
SELECTION = FABRIC.select(None)


def ports_at(slot: int, rows: slice = slice(0, 260)) -> Ports:
    return look(FABRIC, SELECTION, rows, slot)


def values_of(counter: Counter, ports: Ports) -> UInts:
    values: UInts = CounterGroup([counter]).cells(ports).values[0].astype(np.uint64)
    return values


@pytest.mark.parametrize("pace", [22, 13, 0, -6])
def test_counter_never_falls_but_to_begin_anew(pace: int) -> None:
    """From slot to slot a counter grows, unless the port's counters begin anew or the link is down."""
    before = ports_at(START)
    for slot in range(START + 1, START + 400):
        after = ports_at(slot)
        first, then = (values_of(Counter("a", pace, wear=3), ports) for ports in (before, after))
        anew = after.work < before.work
        assert (then >= first)[~anew].all()
        if pace >= 0:
            assert (then > first)[~anew & ~after.down & ~before.down & (before.step > 0)].all()
        before = after


def test_value_keeps_within_what_the_pace_says() -> None:
    """A counter of pace p has grown by 2 ** p to 2 ** (p + 1) per millisecond of work."""
    ports = ports_at(START)
    busy = ports.work > 10**6
    for pace in (22, 9, -6):
        share = values_of(Counter("a", pace), ports)[busy] / ports.work[busy].astype(float)
        assert share.min() >= 0.99 * 2.0**pace
        assert share.max() <= 1.01 * 2.0 ** (pace + 1)


def test_counter_does_not_depend_on_its_group() -> None:
    """Made together with others or alone, a counter has the same values."""
    counters = [Counter(f"c{number}", number, wear=abs(number), preset=number > 5) for number in range(-6, 20)]
    ports = ports_at(START)
    for group in group_counters(counters):
        for name, values in zip(group.names, group.cells(ports).values, strict=True):
            (counter,) = (counter for counter in counters if counter.name == name)
            assert values.tolist() == values_of(counter, ports).tolist()


def test_columns_of_one_quantity_are_equal() -> None:
    """Two names for one quantity have one value."""
    ports = ports_at(START)
    one, other = Counter("PortXmitDataExtended", 22), Counter("MBOut", 22, quantity="PortXmitDataExtended")
    assert (values_of(one, ports) == values_of(other, ports)).all()
    assert not (values_of(one, ports) == values_of(Counter("MBOut", 22), ports))[ports.work > 0].any()


def test_counter_of_32_bits_wraps() -> None:
    """A counter of 32 bits is the lower half of the same one with 64 bits, and falls when that passes 2 ** 32."""
    slots = [ports_at(slot) for slot in range(START, START + 4_000, 40)]
    short = np.array([values_of(Counter("a", 9, bits=32), ports) for ports in slots]).astype(np.int64)
    long = np.array([values_of(Counter("a", 9), ports) for ports in slots]).astype(np.int64)
    assert (short == long % 2**32).all()
    assert ((np.diff(short, axis=0) < 0) & (np.diff(long, axis=0) > 0)).any()


def test_few_counters_of_64_bits_wrap() -> None:
    """Traffic counters of some ports begin below 2 ** 64, pass it within hours, and go on near 0."""
    rows = slice(0, len(SELECTION))
    counter = Counter("a", 22, preset=True)
    first, later = (values_of(counter, ports_at(slot, rows)) for slot in (START, START + 360))
    assert (first > 2**63).any()
    assert (first < 2**53).mean() > 0.8
    wrapped = (first > 2**63) & (later < 2**50)
    assert wrapped.any()


def test_sick_ports_have_more_errors() -> None:
    """An error counter grows faster on a port that is going bad; one that only wear drives is 0 elsewhere."""
    rows = slice(0, len(SELECTION))
    before, after = ports_at(START, rows), ports_at(START + 50, rows)
    sick = (before.sickness > 1_000) & (after.sickness > before.sickness) & (after.work > before.work)
    assert sick.any()
    symbol = Counter("Symbol_Errors", None, wear=4)
    assert not values_of(symbol, before)[before.sickness == 0].any()
    assert (values_of(symbol, after) > values_of(symbol, before))[sick].all()


@pytest.mark.parametrize("chosen", ["primary", "secondary"])
def test_practically_every_counter_changes_in_every_slot(chosen: SetName) -> None:
    """But for links that are down, and counters of rare events, 99 % of all counters differ in the next slot."""
    counters = [column for column in columns_of(chosen, 195) if isinstance(column, Counter) and column.pace is not None]
    for slot in (START, START + 4_320):  # by day and by night
        before, after = ports_at(slot), ports_at(slot + 1)
        up = ~before.down & ~after.down & ~before.aggregation
        changed = np.concatenate(
            [(group.cells(before).values != group.cells(after).values)[:, up] for group in group_counters(counters)]
        )
        assert len(changed) > 100
        assert changed.mean() > 0.99
