"""Which switches are far from the others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from switchboard.etl.lag import SwitchTimes
from switchboard.snapshot.block import RowBatch

SECOND = 1_000_000


def watched(*batches: dict[str, list[float]]) -> SwitchTimes:
    """The times of batches of rows: by switch, those of its rows in seconds."""
    times = SwitchTimes()
    for batch in batches:
        switches = [switch for switch, of_rows in batch.items() for _ in of_rows]
        of_rows = [round(each * SECOND) for some in batch.values() for each in some]
        rows = pa.RecordBatch.from_arrays([pa.array(of_rows), pa.nulls(len(of_rows))], names=["time_us", "port"])
        times.add(RowBatch(pa.array(switches), rows, 0, np.arange(len(of_rows), dtype=np.int32)))
    return times


@pytest.mark.parametrize(
    ("batches", "sentence"),
    [
        ([], ""),
        ([{"a": [100], "b": [90]}], ""),
        ([{"a": [100], "b": [79]}], "1 of 2 switches is behind: 'b' by 21 s"),
        ([{"a": [100], "b": [100], "c": [400]}], "1 of 3 switches is ahead: 'c' by 300 s"),
        ([{"a": [100], "b": [100, 20]}, {"c": [100]}], "1 of 3 switches is behind: 'b' by 80 s"),
        ([{"a": [100], "b": [100]}, {"b": [50], "c": [100]}], "1 of 3 switches is behind: 'b' by 50 s"),
        (
            [{f"sw{number}": [100.5] for number in range(9)} | {"x": [0.5], "y": [50], "z": [40], "w": [60]}],
            "4 of 13 switches are behind: 'x' by 100 s, 'z' by 60.5 s, 'y' by 50.5 s, …",
        ),
        (
            [{"a": [100], "b": [100], "c": [100], "d": [0], "e": [200]}],
            "1 of 5 switches is behind: 'd' by 100 s; 1 of 5 switches is ahead: 'e' by 100 s",
        ),
        ([{"a": [100], "b\n\x1b": [0]}], "1 of 2 switches is behind: 'b\\n\\x1b' by 100 s"),
    ],
)
def test_switches_far_from_the_one_in_the_middle_are_named(
    batches: list[dict[str, list[float]]], sentence: str
) -> None:
    """The furthest first, on both sides, by the oldest or the newest of all their rows."""
    assert watched(*batches).who(20 * SECOND) == sentence
