"""Two rows of one switch and port."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.etl.transform import Transform
from switchboard.snapshot.duplicates import Duplicates
from tests.etl.limits import limits

PORTS = ("1", "2", "12", "21", "1/2", "", "\x01", "\x01\x01", "a" * 128, "a" * 127, "é")
ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(PORTS)), max_size=40)


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 1200), st.sampled_from([["1"], ["-1", str(2**64 - 1)]]))
def test_a_duplicate_has_the_switch_of_its_line(switches: list[int], before: int, values: list[str]) -> None:
    """The rows are numbered as they stand in the body, also if it is so large that blocks are cut early, or has odd
    rows, which stand in blocks of their own.
    """
    names = [*(f"first{number}" for number in range(before)), *(f"sw{number}" for number in switches)]
    transform = Transform(ColumnSettings(), limits(), 1_795_460_003_500_000)
    rows = (f"{name},{values[at % len(values)]}" for at, name in enumerate(names))
    transform.feed("\n".join(["switch_id,x", *rows]).encode())
    transform.finish()
    again = [(at + 2, name) for at, name in enumerate(names) if name in names[:at]]
    assert transform.builder.duplicates() == again


@given(ROWS, st.integers(1, 9))
def test_all_but_the_first_row_of_a_key_are_found(rows: list[tuple[int, str]], size: int) -> None:
    """However the rows are batched, the lines are those whose key stood in an earlier line."""
    duplicates = Duplicates()
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        switches = np.array([switch for switch, _ in some], np.int32)
        lines = np.arange(start, start + len(some), dtype=np.int32)
        ports = pa.array(["before", *(port for _, port in some)], pa.string()).slice(1)
        duplicates.add(switches, ports, lines)
    found = duplicates.rows()
    assert found.tolist() == [number for number, row in enumerate(rows) if row in rows[:number]]
    assert duplicates.lines(found) == found.tolist()


def test_switches_without_ports_are_keys_themselves() -> None:
    """Where rows have no port, the second row of a switch is one too many."""
    duplicates = Duplicates()
    duplicates.add(np.array([0, 1, 0], np.int32), pa.nulls(3), np.array([2, 3, 4], np.int32))
    assert duplicates.lines(duplicates.rows()) == [4]


def test_they_become_rejects_of_the_body() -> None:
    """A transform counts every row too many, with its line."""
    transform = Transform(ColumnSettings(timestamp="-"), limits(), 1_795_460_003_500_000)
    transform.feed(b"switch_id,x\na,1\nb,2\n\na,3\na,4\n")
    transform.finish()
    rejects = transform.decoder.rejects
    assert rejects.counts == {"duplicate": 2}
    assert [(reject.line, reject.value) for reject in rejects.examples] == [(5, "a"), (6, "a")]
    assert rejects.only_switch(["duplicate"]) == "a"
