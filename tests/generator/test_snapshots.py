from __future__ import annotations

import asyncio
import csv
import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.snapshots import Simulator, SnapshotKeeper, compress
from tests.generator.harness import Clock

GOLDEN = """\
timestamp,switch_id,bandwidth_mbps,temp,rx_bytes
1795460000,sw1,7464.84,42.6,786031953164613358
1795460000,spine/2,6124.61,37.7,2285108783253643070
1795460000,Zürich,7367.70,21.1,1754957513376065975
"""


def test_body_is_the_documented_csv() -> None:
    """The default settings give a header, a row for each of 100 switches, decimals always written, a final newline."""
    body = Simulator(GeneratorSettings()).snapshot(179_546_000).plain.body.decode()
    header, *rows = body.split("\n")
    assert header == "timestamp,switch_id,bandwidth_mbps,latency_ms,packet_errors"
    assert rows.pop() == ""
    assert [row.split(",")[1] for row in rows] == [f"sw{i}" for i in range(1, 101)]
    assert all(re.fullmatch(r"1795460000,sw\d+,\d{3,5}\.\d\d,\d{1,4}\.\d\d,\d{1,3}", row) for row in rows)


def test_bytes_of_a_slot_never_change() -> None:
    """A slot of a fabric has these bytes on every machine and with every version of the libraries."""
    settings = GeneratorSettings(
        switches="sw1,spine/2,Zürich",
        metrics="bandwidth_mbps=100.00:10000.00,temp=-5.0:70.0,rx_bytes=0:9000000000000000000",
    )
    assert Simulator(settings).snapshot(179_546_000).plain.body.decode() == GOLDEN


def test_many_rows_are_written_in_order_and_whole() -> None:
    """A fabric that is written in several pieces has every row once, in order."""
    body = Simulator(GeneratorSettings(switches="40000", metrics="a=-9:9,b=-0.9:0.9")).snapshot(5).plain.body
    rows = list(csv.reader(body.decode().splitlines()))
    assert [row[1] for row in rows[1:]] == [f"sw{i}" for i in range(1, 40_001)]
    assert {len(row) for row in rows} == {4}
    assert body.endswith(b"\n")


@given(
    slots=st.lists(st.integers(0, 2**40), min_size=1, max_size=6),
    seed=st.integers(0, 2**70),
    hold=st.sampled_from([0.2, 0.3, 1.0, 7.5, 10.0]),
)
def test_snapshots_are_pure(slots: list[int], seed: int, hold: float) -> None:
    """Whatever slots were made before, in whatever order, a slot has the bytes and tag of a generator just started."""
    settings = GeneratorSettings(switches="3", seed=seed, hold=hold)
    old = Simulator(settings)
    for slot in slots:
        assert old.snapshot(slot) == Simulator(settings).snapshot(slot)


@given(
    hold=st.one_of(st.sampled_from([0.1, 0.2, 0.3, 0.7, 1.1]), st.floats(0.001, 1e6)),
    now=st.floats(0, 4e9),
)
def test_slots_cut_time_without_gap(hold: float, now: float) -> None:
    """Every time lies in the slot that is found for it, and a slot's timestamp is its start, rounded down."""
    simulator = Simulator(GeneratorSettings(switches="1", hold=hold))
    slot = simulator.slot_at(now)
    assert slot * simulator.hold_seconds <= now < (slot + 1) * simulator.hold_seconds
    assert simulator.snapshot(slot).start_seconds == slot * simulator.hold_seconds // 1


def test_fractions_of_a_second_are_the_written_ones() -> None:
    """Five slots of 0.2 s make a second, with no drift after half a century."""
    simulator = Simulator(GeneratorSettings(hold=0.2))
    assert [simulator.slot_at(1_795_460_000 + n) for n in range(3)] == [8_977_300_000, 8_977_300_005, 8_977_300_010]


def test_tag_names_the_bytes() -> None:
    """All that changes the bytes changes the tag: slot, seed, switches, metrics, profile."""
    tags = {
        Simulator(settings).snapshot(slot).plain.etag
        for slot in (8, 9)
        for settings in (
            GeneratorSettings(),
            GeneratorSettings(seed=2),
            GeneratorSettings(switches="99"),
            GeneratorSettings(metrics="a=0:1"),
            GeneratorSettings(profile="encoded"),
        )
    }
    assert len(tags) == 10
    assert all(re.fullmatch(r'"[0-9a-f]{32}"', tag) for tag in tags)


def test_gzip_form_is_the_same_text_under_its_own_tag() -> None:
    """Unpacked, the gzip form is the body; packed, it has the same bytes each time it is made."""
    plain = Simulator(GeneratorSettings()).snapshot(1).plain
    packed = compress(plain)
    assert gzip.decompress(packed.body) == plain.body
    assert packed.etag == plain.etag[:-1] + '-gzip"'
    assert compress(plain) == packed


async def test_snapshot_is_made_once_for_all_who_ask() -> None:
    """Requests that arrive together get one and the same snapshot, and its one gzip form."""
    keeper = SnapshotKeeper(Simulator(GeneratorSettings()), Clock(1000.0))
    first, *others = await asyncio.gather(*(keeper.current() for _ in range(20)))
    assert all(other is first for other in others)
    packed, *others_packed = await asyncio.gather(*(keeper.compressed(first) for _ in range(20)))
    assert all(other is packed for other in others_packed)


@pytest.mark.parametrize("later", [1010.0, 900.0])
async def test_snapshot_is_kept_until_the_slot_changes(later: float) -> None:
    """Within the hold the snapshot is the same object; another slot has its own, also after the clock was set back."""
    clock = Clock(1000.0)
    simulator = Simulator(GeneratorSettings())
    keeper = SnapshotKeeper(simulator, clock)
    first = await keeper.current()
    clock.seconds = 1009.999
    assert await keeper.current() is first
    clock.seconds = later
    assert await keeper.current() == simulator.snapshot(int(later / 10))
