from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.ufm.fabric import UfmFabric, build_ufm_fabric
from switchboard.generator.ufm.ports import FLAPPY_SLOTS, MAX_CLEAR_SLOTS, MOST_DOWN_SLOTS, SICK_SLOTS, Ports, look

START = 179_546_000


def fabric_of(**settings: Any) -> UfmFabric:
    return build_ufm_fabric(GeneratorSettings(profile="ufm", **settings))


def ports_at(fabric: UfmFabric, slot: int) -> Ports:
    selection = fabric.select(None)
    return look(fabric, selection, slice(0, len(selection)), slot)


@given(
    slot=st.integers(0, 2**33),
    rows=st.integers(0, 300).flatmap(lambda first: st.tuples(st.just(first), st.integers(first + 1, 301))),
    seed=st.integers(0, 2**70),
)
def test_port_does_not_depend_on_the_others_that_are_looked_at(slot: int, rows: tuple[int, int], seed: int) -> None:
    """Any part of the rows has the state that it has among all rows."""
    fabric = fabric_of(switches="7", ports=42, seed=seed)
    whole = ports_at(fabric, slot)
    part = look(fabric, fabric.select(None), slice(*rows), slot)
    assert part.switches[part.switch].tolist() == whole.switches[whole.switch][slice(*rows)].tolist()
    for name in (
        "number",
        "keys",
        "down",
        "work",
        "step",
        "sickness",
        "wear",
        "flaps",
        "minutes_since_clear",
        "preset",
    ):
        assert getattr(part, name).tolist() == getattr(whole, name)[slice(*rows)].tolist(), name


@pytest.fixture(scope="module")
def history() -> list[Ports]:
    """260 ports over as many slots as the longest time between two clears."""
    fabric = fabric_of(switches="4", seed=3)
    return [ports_at(fabric, slot) for slot in range(START, START + MAX_CLEAR_SLOTS)]


def of(history: list[Ports], name: str) -> Any:
    """One property of all ports over all slots, with signs: shape (slots, ports)."""
    return np.array([getattr(ports, name) for ports in history]).astype(np.int64)


def test_work_only_falls_when_counters_begin_anew(history: list[Ports]) -> None:
    """Work never falls but to 0, and every switch is cleared, all its ports at once, within the longest time."""
    work = of(history, "work")
    fell = np.diff(work, axis=0) < 0
    assert (work[1:][fell] == 0).all()
    cleared = np.diff(of(history, "minutes_since_clear"), axis=0) < 0
    assert cleared.any(axis=0).all()
    busy = work[1:] > 0
    assert (work[1:][cleared & busy] == 0).all()
    for switch in range(4):
        assert len(np.unique(cleared[:, switch * 65 : switch * 65 + 65], axis=1)[0]) == 1


def test_step_is_how_much_more_work_the_next_slot_has(history: list[Ports]) -> None:
    """Work and step together are the work of the next slot, except around a flap or a new beginning."""
    work, step, down = of(history, "work"), of(history, "step"), of(history, "down").astype(bool)
    usual = ~down[:-1] & ~down[1:] & (work[1:] >= work[:-1])
    assert usual.mean() > 0.9
    assert (work[1:][usual] == (work + step)[:-1][usual]).all()


def test_flaps_are_counted(history: list[Ports]) -> None:
    """Each time a link goes down its count grows by one, and it comes up again after 1 to 4 slots."""
    down = of(history, "down").astype(bool)
    flaps, work = of(history, "flaps"), of(history, "work")
    went_down = ~down[:-1] & down[1:]
    assert went_down.sum() > 100
    grew = np.diff(flaps, axis=0)
    began_anew = (grew < 0) | (work[1:] < work[:-1]) | (work[1:] == 0)
    assert (grew[went_down & ~began_anew] == 1).all()
    assert not grew[~went_down & ~began_anew].any()
    for column in down.T[~down.all(axis=0)]:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], column, [False]])))
        assert set((edges[1::2] - edges[::2]).tolist()) <= set(range(1, MOST_DOWN_SLOTS + 1))
        assert len(edges) // 2 <= MAX_CLEAR_SLOTS // FLAPPY_SLOTS + 2


def test_port_that_is_down_does_no_work(history: list[Ports]) -> None:
    """Without a link nothing is counted, and a port without a cable has never counted anything."""
    down, work = of(history, "down").astype(bool), of(history, "work")
    still_down = down[:-1] & down[1:]
    assert (np.diff(work, axis=0)[still_down] <= 0).all()
    unplugged = history[0].unplugged | history[0].aggregation
    assert unplugged.any()
    assert not work[:, unplugged].any()


def test_few_ports_go_bad_slowly(history: list[Ports]) -> None:
    """A sick port gets worse by one step per slot until its cable is replaced; wear is what has added up."""
    sickness, wear, cable = of(history, "sickness"), of(history, "wear"), of(history, "cable")
    sick = sickness.any(axis=0)
    assert 1 <= sick.sum() <= 10
    assert not wear[:, ~sick].any()
    steps = np.diff(sickness[:, sick], axis=0)
    assert set(np.unique(steps).tolist()) == {1, 1 - SICK_SLOTS}
    assert ((steps == 1 - SICK_SLOTS) == (np.diff(cable[:, sick], axis=0) == 1)).all()
    grew = np.diff(wear[:, sick], axis=0)
    assert (grew[grew >= 0] == sickness[:-1, sick][grew >= 0]).all()
    assert (wear[1:, sick][grew < 0] == 0).all()
