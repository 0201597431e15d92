"""Rankings of one snapshot, against a plain sort."""

from __future__ import annotations

from fractions import Fraction
from heapq import merge
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.selection.rank import Presence, Ranked, Ranking
from switchboard.snapshot import builder
from switchboard.snapshot.block import RowBatch
from switchboard.snapshot.builder import BlockBuilder
from switchboard.snapshot.snapshot import Snapshot
from tests.lab.fabric import Written, row, snapshot, write
from tests.lab.fuzz import fuzz

NUMBERS: dict[pa.DataType, st.SearchStrategy[int | float]] = {
    pa.int32(): st.integers(-3, 3),
    pa.int64(): st.integers(-3, 3) | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63)]),
    pa.uint64(): st.integers(0, 3) | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]),
    pa.float64(): st.sampled_from([-1.5, -0.0, 0.0, 1.0, 2.0, 2.0**53, 2.0**63, 2.0**64, 1e300, 5e-324]),
}


class Line(NamedTuple):
    switch: str
    port: str
    value: int | float | None


@st.composite
def chunks(draw: st.DrawFn) -> list[tuple[pa.DataType, list[Line]]]:
    """Rows in chunks, the metric with a type of its own in each."""
    chunk = st.sampled_from(list(NUMBERS)).flatmap(
        lambda kind: st.tuples(
            st.just(kind),
            st.lists(
                st.builds(Line, st.sampled_from("abc"), st.sampled_from("123"), st.none() | NUMBERS[kind]),
                min_size=1,
                max_size=12,
            ),
        )
    )
    return draw(st.lists(chunk, min_size=1, max_size=5))


def loaded(body: list[tuple[pa.DataType, list[Line]]]) -> Snapshot:
    builder = BlockBuilder()
    blocks = []
    for kind, lines in body:
        columns = [
            pa.array([0] * len(lines), pa.int64()),
            pa.array([line.port for line in lines], pa.string()),
            pa.array([line.value for line in lines], kind),
        ]
        rows = pa.record_batch(columns, names=["timestamp", "port", "metric"])
        switches = pa.array([line.switch for line in lines], pa.string())
        blocks += builder.add(RowBatch(switches, rows, 0, np.arange(len(lines), dtype=np.int32)))
    blocks += builder.finish()
    counts = {"rows": builder.rows, "switches": builder.switches, "blocks": len(blocks)}
    manifest = msgspec.structs.replace(write([]).manifest, **counts)
    return Written(manifest, builder.index, blocks).load()


def ranked(ranking: Ranking, *, page: int, descending: bool) -> list[Ranked]:
    """All rows in order, one after the other."""
    sign = -1 if descending else 1
    (iterators,) = (step for step in ranking.rank("metric", page, descending=descending) if step is not None)
    return list(merge(*iterators, key=lambda each: (each.value, sign * each.place), reverse=descending))


@pytest.mark.parametrize("small_rows", [0, 1000], ids=["packed blocks", "a block per switch"])
@given(
    chunks(),
    st.integers(1, 40),
    st.booleans(),
    st.tuples(
        st.none() | st.sets(st.sampled_from("abc"), min_size=1),
        st.none() | st.sets(st.sampled_from("1239"), min_size=1),
    ),
)
@fuzz()
def test_a_ranking_is_a_sorted_list(
    small_rows: int,
    body: list[tuple[pa.DataType, list[Line]]],
    page: int,
    descending: bool,
    chosen: tuple[set[str] | None, set[str] | None],
) -> None:
    """Exact across types, equal values in the order of a list, however many rows are made at once."""
    switches, ports = chosen
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "SMALL_ROWS", small_rows)
        patch.setattr(builder, "BLOCK_ROWS", 4)
        held = loaded(body)
    lines = [line for _, each in body for line in each]
    order = list(dict.fromkeys(line.switch for line in lines))
    wanted = [
        line
        for line in sorted(lines, key=lambda line: order.index(line.switch))
        if (switches is None or line.switch in switches) and (ports is None or line.port in ports)
    ]
    there = [line for line in wanted if line.value is not None]
    sign = -1 if descending else 1
    expected = sorted(there, key=lambda line: sign * Fraction(line.value or 0))
    ranking = Ranking(held, None if switches is None else switches & set(order), ports)
    found = ranked(ranking, page=page, descending=descending)
    assert [exact(each.switch, each.port, each.value) for each in found] == [exact(*line) for line in expected]
    assert ranking.look("metric") == Presence(port=bool(wanted), value=bool(there), label=False)


def exact(switch: str, port: str | None, value: float | None) -> tuple[Any, ...]:
    return switch, port, type(value), value


def test_what_there_is_of_a_label() -> None:
    """A text column is distinguished from a missing one; a row without a port is not a port."""
    held = snapshot([row("sw1", state="Active", errors=None)])
    assert Ranking(held).look("state") == Presence(port=True, value=False, label=True)
    assert Ranking(held).look("errors") == Presence(port=True, value=False, label=False)
    assert Ranking(held, ports={"1"}).look("state") == Presence(port=False, value=False, label=True)
    assert Ranking(snapshot([])).look("state") == Presence(port=False, value=False, label=False)


def test_rows_of_many_blocks_are_gathered_in_steps() -> None:
    """No step looks at all blocks of a large snapshot."""
    held = snapshot([row(f"sw{number}", metric=number % 7) for number in range(1000)])
    steps = list(Ranking(held).rank("metric", 3, descending=True))
    assert len(steps) > 5
    assert steps[:-1] == [None] * (len(steps) - 1)
    assert [each.switch for each in ranked(Ranking(held), page=3, descending=True)[:3]] == ["sw6", "sw13", "sw20"]
