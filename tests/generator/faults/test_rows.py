from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.generator.faults.rows import BAD_CELLS, ROW_FAULTS, RowFault, change_rows
from switchboard.generator.faults.times import TIME_FAULTS

KINDS = ROW_FAULTS | TIME_FAULTS
HEADER = b"timestamp,switch_id,a,b"
ROWS = [b"1795460000,sw%d,%d,0.5" % (number, number * 3) for number in range(1_000)]
AMOUNTS = {"clock_ahead": 60, "clock_behind": 60, "mixed_timestamps": 60}
BODY = b"".join(row + b"\n" for row in (HEADER, *ROWS))


def fault(name: str) -> RowFault:
    return KINDS[name](AMOUNTS.get(name, 0.3), 5)


async def changed(faults: list[RowFault], *pieces: bytes) -> list[bytes]:
    """Header and rows as they come out."""

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    text = b"".join([piece async for piece in change_rows(body(), faults)])
    assert text.endswith(b"\n")
    return text.split(b"\n")[:-1]


@pytest.mark.parametrize("name", KINDS)
@given(cuts=st.lists(st.integers(0, len(BODY)), max_size=12))
async def test_change_does_not_depend_on_the_pieces(name: str, cuts: list[int]) -> None:
    """However the body is cut, the rows come out the same."""
    edges = [0, *sorted(cuts), len(BODY)]
    pieces = [BODY[start:end] for start, end in pairwise(edges)]
    assert await changed([fault(name)], *pieces) == await changed([fault(name)], BODY)


@pytest.mark.parametrize("name", KINDS)
async def test_header_stays_and_the_key_decides(name: str) -> None:
    """The first line is never changed, and one key always has the same outcome."""
    lines = await changed([fault(name)], BODY)
    assert lines[0] == HEADER
    assert lines[1:] != ROWS
    assert await changed([fault(name)], BODY) == lines


async def test_ragged_rows_have_a_cell_too_many_or_too_few() -> None:
    """A third of the rows, some of each; all others are as they were."""
    lines = await changed([KINDS["ragged_rows"](0.3, 5)], BODY)
    cells = [line.count(b",") for line in lines[1:]]
    assert set(cells) == {2, 3, 4}
    assert 230 < len(ROWS) - cells.count(3) < 370
    assert all(line == row for line, row in zip(lines[1:], ROWS, strict=True) if line.count(b",") == 3)


async def test_bad_cells_never_hide_whose_row_it_is() -> None:
    """All kinds of bad cells occur, one per row, and never in time or switch."""
    lines = await changed([KINDS["bad_cells"](1, 5)], BODY)
    seen = set()
    for line, row in zip(lines[1:], ROWS, strict=True):
        assert line.split(b",")[:2] == row.split(b",")[:2]
        bad = [cell for cell in BAD_CELLS if cell in line.removeprefix(row.rpartition(b",0.5")[0][:16])]
        assert bad
        seen.update(bad)
    assert seen == set(BAD_CELLS)


async def test_bad_cells_spare_the_keys_of_ufm() -> None:
    """Where rows have GUIDs and port numbers, what is before the port number stays too."""
    header = b"timestamp,source_id,tag,Node_GUID,port_guid,Port_Number,a"
    row = b"1795460000000000,0x1,,0x1,0x1,5,7"
    _, line = await changed([KINDS["bad_cells"](1, 5)], header + b"\n" + row + b"\n")
    assert line.rpartition(b",5,")[0] == row.rpartition(b",5,")[0]
    assert line != row


async def test_duplicate_rows_follow_each_other() -> None:
    """About the share of the rows comes twice, in place, and none is lost."""
    lines = await changed([KINDS["duplicate_rows"](0.3, 5)], BODY)
    assert [line for place, line in enumerate(lines) if line != lines[place - 1]] == [HEADER, *ROWS]
    assert 230 < len(lines) - 1 - len(ROWS) < 370


async def test_row_collapse_loses_the_same_rows_each_time() -> None:
    """The share of the rows is left, whatever the slot."""
    lines = await changed([KINDS["row_collapse"](0.1, 5)], BODY)
    assert 60 < len(lines) < 140
    assert set(lines[1:]) < set(ROWS)
    assert await changed([KINDS["row_collapse"](0.1, 6)], BODY) == lines


@pytest.mark.parametrize(
    ("time", "moved"),
    [
        (b"1795460000", b"1795456400"),
        (b"1795460000000", b"1795456400000"),
        (b"1795460000000123", b"1795456400000123"),
        (b"1795460000000000123", b"1795456400000000123"),
        (b"soon", b"soon"),
        (b"", b""),
    ],
)
async def test_time_is_moved_in_its_own_unit(time: bytes, moved: bytes) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds are told by their digits; what is no time stays."""
    assert await changed([KINDS["clock_behind"](3600, 5)], b"timestamp,x\n%b,1" % time) == [
        b"timestamp,x",
        moved + b",1",
    ]


async def test_clock_ahead_moves_all_rows_and_mixed_times_half() -> None:
    """Ahead, every row has the same new time; mixed, about half of the rows keep theirs."""
    ahead = await changed([KINDS["clock_ahead"](60, 5)], BODY)
    assert {line.split(b",")[0] for line in ahead[1:]} == {b"1795460060"}
    mixed = [line.split(b",")[0] for line in (await changed([KINDS["mixed_timestamps"](60, 5)], BODY))[1:]]
    assert set(mixed) == {b"1795460000", b"1795459940"}
    assert 400 < mixed.count(b"1795460000") < 600


async def test_faults_add_up() -> None:
    """Several faults change one body, each what the one before it has left."""
    lines = await changed([KINDS["row_collapse"](0.5, 5), KINDS["duplicate_rows"](1, 5)], BODY)
    assert lines[1::2] == lines[2::2]
    assert 400 < len(set(lines)) < 600
