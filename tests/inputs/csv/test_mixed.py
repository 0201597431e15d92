"""Columns with numbers that no single type holds: every cell exact, every row where it was, blocks that are large."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from switchboard.inputs.csv.mixed import MOST_COMBINATIONS
from switchboard.snapshot.builder import BLOCK_ROWS, SMALL_ROWS
from tests.lab.fuzz import fuzz
from tests.lab.parsing import parse
from tests.lab.snapshots import pack, round_trip, rows_of_switch

HEADER = "switch_id,port,a,b,c\n"
CELLS = ("-1", "0", "0.5", "5", "1e300", str(2**53 + 1), str(-(2**53) - 1), str(-(2**63)), str(2**63), str(2**64 - 1))
MANY = st.one_of(st.integers(1, 60), st.sampled_from([SMALL_ROWS - 1, SMALL_ROWS + 1, 3 * BLOCK_ROWS]))


def exact(text: str) -> Fraction | None:
    """The number that a cell says; None: none."""
    if text in ("", "NA"):
        return None
    return Fraction(text) if text.lstrip("-").isdigit() else Fraction(float(text))


@st.composite
def bodies(draw: st.DrawFn) -> list[tuple[str, list[str]]]:
    """Rows of a few switches: for each its switch, and the cells of two mixed columns and one of small numbers."""
    random = draw(st.randoms(use_true_random=False))
    pools = [draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=4)) + draw(st.sampled_from([[], [""]]))]
    pools += [draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=3)), ["1", "2", "", "300"]]
    run = draw(st.integers(1, 5))
    return [(f"sw{at // run % 7}", [random.choice(pool) for pool in pools]) for at in range(draw(MANY))]


@fuzz(0.2)
@given(bodies(), st.sampled_from([100, 4000, 1 << 20]))
@example([(f"s{at}", [["-1", str(2**64 - 1)][at % 2], "0.5", "1"]) for at in range(200)], 1 << 20)
@example([("s", [["0.5", str(2**53 + 1)][at % 2], "0.5", "1"]) for at in range(200)], 1 << 20)
def test_every_cell_is_exact_and_every_row_in_its_place(rows: list[tuple[str, list[str]]], chunk_bytes: int) -> None:
    """Whatever stands beside what: nothing is dropped or rounded, and rows of a switch keep their order."""
    body = HEADER + "".join(f"{switch},p{at},{','.join(cells)}\n" for at, (switch, cells) in enumerate(rows))
    parsed = parse(body.encode(), chunk_bytes=chunk_bytes)
    assert parsed.parser.rejects.counts == {}
    packed = pack(body.encode(), chunk_bytes=chunk_bytes)
    snapshot = round_trip(packed)
    assert list(snapshot.switches) == list(dict.fromkeys(switch for switch, _ in rows))
    for switch in snapshot.switches:
        wanted = [
            (f"p{at}", [exact(cell) for cell in cells]) for at, (name, cells) in enumerate(rows) if name == switch
        ]
        found = rows_of_switch(snapshot, switch)
        assert [
            (port, [None if (cell := metrics.get(name)) is None else Fraction(cell) for name in "abc"])
            for _, _, port, _, metrics in found
        ] == wanted
    assert parsed.parser.values == sum(exact(cell) is not None for _, cells in rows for cell in cells)


@pytest.mark.parametrize("texts", [("-1", str(2**64 - 1)), ("0.5", str(2**53 + 1)), ("-1", str(2**64 - 1), "0.5")])
def test_rows_by_turns_do_not_shatter_a_snapshot(texts: tuple[str, ...]) -> None:
    """Rows with one combination of types share blocks, however often they alternate with others."""
    rows = 12 * BLOCK_ROWS
    body = "switch_id,a\n" + "".join(f"sw{at},{texts[at % len(texts)]}\n" for at in range(rows))
    packed = pack(body.encode())
    assert len(packed.index.schemas) == 2
    assert len(packed.blocks) <= rows // BLOCK_ROWS + len(texts)


def test_a_wide_body_does_not_shatter_either() -> None:
    """Where a part that is read row by row has few rows, and all cells of some parts are of one kind."""
    wide = ",".join(f"m{at}" for at in range(300))
    zeros = ",".join("0" * 300)
    lines = [f"sw{at},{-1 if at // 3 % 2 else 2**64 - 1},{zeros}\n" for at in range(4 * BLOCK_ROWS)]
    packed = pack((f"switch_id,a,{wide}\n" + "".join(lines)).encode())
    assert len(packed.blocks) < 10


def test_an_older_row_counts_before_a_later_one_of_other_types() -> None:
    """Of two rows with one key the first counts, and the second is the duplicate, whatever their types are."""
    packed = pack(b"switch_id,a\ns,18446744073709551615\ns,-1\ns,18446744073709551614\n")
    assert [row[4]["a"] for row in rows_of_switch(round_trip(packed), "s")] == [2**64 - 1, -1, 2**64 - 2]


def test_too_many_combinations_are_rejects_that_say_so() -> None:
    """A body whose columns are mixed at random in every way costs a bounded number of schemas; the rest is counted."""
    columns = 8
    lines = [
        ",".join("0.5" if number >> at & 1 else str(2**53 + 1) for at in range(columns)) for number in range(2**columns)
    ]
    body = "switch_id," + ",".join("abcdefgh") + "\n" + "".join(f"s{at},{line}\n" for at, line in enumerate(lines))
    parsed = parse(body.encode())
    assert len(pack(body.encode()).index.schemas) == MOST_COMBINATIONS + 1
    lost = sum(name not in row[4] for row in parsed.rows for name in "abcdefgh")
    assert dict(parsed.parser.rejects.counts) == {"mixed": lost}
