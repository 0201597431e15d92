"""The sieve: lines that cannot be rows are left out all at once, and reported as if they had been read one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv import rows
from switchboard.inputs.csv.context import MOST_LINE_BYTES, Context
from switchboard.inputs.csv.dialects import recognise
from switchboard.inputs.csv.sieve import SIEVE_BYTES, sieve
from switchboard.inputs.rejects import MOST_EXAMPLES_OF_REASON, Rejects
from switchboard.inputs.times import Clock
from switchboard.model import Reject
from tests.lab.fuzz import fuzz
from tests.lab.parsing import parse
from tests.lab.reference import NOW_US

LINE = 7
LINES = st.lists(
    st.one_of(
        st.integers(1, 9).map(lambda number: b"sw%d,5" % number),
        st.sampled_from(
            [b"", b"x", b"sw1,5,6", b"sw1,5,", b"sw1,\x00", b"\x7f", b"sw1\t,5,6", b"\xff", b",,", b"\xc3\xa9,1"]
        ),
    ),
    min_size=1,
    max_size=3 * MOST_EXAMPLES_OF_REASON,
)


def context() -> Context:
    return Context(recognise(["switch_id", "a"], ColumnSettings()), Clock(NOW_US, "us"), Rejects())


def found(rejects: Rejects) -> tuple[list[Reject], dict[str, int]]:
    return rejects.examples, rejects.counts


@fuzz()
@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_rejects_what_the_careful_way_rejects(lines: list[bytes], line_end: bytes, last: bool) -> None:
    """Counts, examples and their order are the same, and the lines that are left are those of its rows."""
    chunk = line_end.join(lines) + (b"" if last else line_end)
    careful, sieving = context(), context()
    batches, _ = rows.parse(careful, chunk, LINE, last=last)
    sieved = sieve(sieving, chunk, LINE)
    if sieved is None:
        assert (found(careful.rejects), b"" in lines) == (([], {}), False)
        return
    sieved.reject(sieving.rejects)
    assert found(sieving.rejects) == found(careful.rejects)
    assert sieved.lines.tolist() == [line for batch in batches for line in batch.lines.tolist()]
    assert sieved.rows == b"".join(line + b"\n" for line in lines if b"," in line and line.endswith((b"5", b"1")))


@pytest.mark.parametrize(
    "chunk", [b"sw1,5\nsw2,6", b'x\n"sw1",5\n', b"x\nsw1\r,5\n", b"x\n" + b"5" * MOST_LINE_BYTES + b",5\n"]
)
def test_leaves_to_the_careful_way_what_is_not_for_it(chunk: bytes) -> None:
    """It says nothing where no line is bad, where there are quotes, and where the whole body is unusable."""
    assert sieve(context(), chunk, LINE) is None


def test_bad_lines_do_not_send_their_neighbours_the_careful_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second line of a large body is bad: the others are read without a look at each of them."""
    monkeypatch.setattr(rows, "parse", None)
    count = 2 * SIEVE_BYTES // len("sw1,5\nx\n")
    parsed = parse(b"switch_id,a\n" + b"sw1,5\nx\n" * count)
    assert parsed.error is None
    assert [line for batch in parsed.batches for line in batch.lines.tolist()] == list(range(2, 2 * count + 2, 2))
    assert parsed.parser.rejects.counts == {"columns": count}
    assert [line for line, *_ in parsed.rejects] == list(range(3, 3 + 2 * MOST_EXAMPLES_OF_REASON, 2))


def test_a_body_without_a_row_is_not_read_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad lines without end are counted, also by what looks for the first rows."""

    def no_lines(chunk: bytes, _line: int) -> list[rows.Line]:
        assert chunk == b""
        return []

    monkeypatch.setattr(rows, "_lines", no_lines)
    parsed = parse(b"switch_id,a\n" + b"x\n" * SIEVE_BYTES)
    assert parsed.error is not None
    assert parsed.error.reason == "no_rows"
    assert parsed.parser.rejects.counts == {"columns": SIEVE_BYTES}
