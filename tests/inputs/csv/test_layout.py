"""Delimiters, comments and lines before the header, as the settings of a source say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv.context import MOST_LINE_BYTES
from switchboard.inputs.csv.layout import DELIMITERS, Layout
from tests.lab.fuzz import fuzz
from tests.lab.parsing import Parsed, parse

SECONDS = 1_795_460_000
TIME_US = SECONDS * 1_000_000
CHUNKS = st.sampled_from([16, 64, 1 << 20])


def read(lines: list[str], chunk_bytes: int = 1 << 20, **settings: Any) -> Parsed:
    columns = ColumnSettings(labels=("site",), **settings)
    return parse("".join(f"{line}\n" for line in lines).encode(), columns, chunk_bytes=chunk_bytes)


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("quote", ["", '"'], ids=["fast", "careful"])
def test_cells_are_separated_by_the_delimiter(delimiter: str, quote: str) -> None:
    """And only by it: the others are part of a cell."""
    other = "; |" if delimiter == "," else ", |" if delimiter == ";" else ", ;"
    rows = [["timestamp", "switch_id", "site", "rx"], [str(SECONDS), "sw1", f"{quote}Zürich{other}{quote}", "5"]]
    parsed = read([delimiter.join(row) for row in rows], delimiter=delimiter)
    assert parsed.rows == [("sw1", TIME_US, None, {"site": f"Zürich{other}"}, {"rx": 5})]
    assert parsed.rejects == []


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_a_label_in_windows_1252_ends_at_the_delimiter(delimiter: str) -> None:
    """Cell by cell, whatever separates them."""
    body = delimiter.join(["switch_id", "site", "note"]) + "\n" + delimiter.join(["sw1", "Zürich", "S–d"]) + "\n"
    parsed = parse(body.encode("cp1252"), ColumnSettings(labels=("site", "note"), delimiter=delimiter))  # type: ignore[arg-type]
    assert [row[3] for row in parsed.rows] == [{"site": "Zürich", "note": "S–d"}]


def test_tabs_separate_and_nothing_else() -> None:
    """A tab is a control character in every other body, and in a switch also in quotes."""
    assert read(["switch_id,site", "a\tb,c", "d,e"]).parser.rejects.counts == {"control": 1}
    parsed = read(["switch_id\tsite", '"a\tb"\tc', 'd\t"e\tf"', "g\th\x01"], delimiter="\t")
    assert parsed.parser.rejects.counts == {"control": 2}
    assert [row[3] for row in parsed.rows] == [{"site": "e\tf"}]


@pytest.mark.parametrize(
    ("comment", "lines"),
    [("#", ["# made, by hand", "#", '# "quoted, and open', "#,,", "# \x01 \t"]), ("//", ["// x,y,z", "//"])],
)
@pytest.mark.parametrize("quote", ["", '"'], ids=["fast", "careful"])
@pytest.mark.parametrize("chunk_bytes", [16, 1 << 20])
def test_comments_are_left_out_wherever_they_stand(
    comment: str, lines: list[str], quote: str, chunk_bytes: int
) -> None:
    """Before the header and among the rows; rejects keep the number of their line."""
    rows = ["sw1,5,", f"{quote}sw2{quote},bad,", f"sw{comment}3,6,"]
    body = [*lines, "switch_id,rx,", *[line for row in rows for line in (row, *lines)]]
    parsed = read(body, chunk_bytes, comment=comment)
    assert [(row[0], row[4]) for row in parsed.rows] == [("sw1", {"rx": 5}), ("sw2", {}), (f"sw{comment}3", {"rx": 6})]
    assert parsed.rejects == [(2 * len(lines) + 3, "rx", "bad_number", "bad")]


def test_a_comment_is_no_row_though_it_has_as_many_cells() -> None:
    """The fast way does not take it for one."""
    parsed = read(["switch_id,rx", *[f"sw{at},1" for at in range(500)], "#sw,7", "sw500,2"], comment="#")
    assert len(parsed.rows) == 501
    assert "#sw" not in {row[0] for row in parsed.rows}


def test_without_the_setting_a_comment_is_a_line_like_others() -> None:
    """A switch may be called #1."""
    assert [row[0] for row in read(["switch_id,rx", "#1,5"]).rows] == ["#1"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_lines_before_the_header_are_left_out(line_end: str) -> None:
    """As many as the setting says, counted as an editor counts them; rejects keep the number of their line."""
    body = line_end.join(["\ufeffReport", "", "sep=;", "switch_id;rx", "sw1;5", "sw2;bad", ""])
    parsed = parse(body.encode(), ColumnSettings(skip_lines=3, delimiter=";"))
    assert parsed.rows[0][4] == {"rx": 5}
    assert parsed.rejects == [(6, "rx", "bad_number", "bad")]


@pytest.mark.parametrize("settings", [{"skip_lines": 9}, {"comment": "s"}])
def test_a_body_of_which_nothing_is_left_says_why(settings: dict[str, Any]) -> None:
    """The sentence names the settings that left everything out."""
    parsed = read(["switch_id,rx", "sw1,5"], **settings)
    assert parsed.error is not None
    assert parsed.error.reason == "empty"
    assert "columns.skip_lines" in str(parsed.error)
    assert "columns.comment" in str(parsed.error)


@fuzz()
@given(
    st.lists(st.text('#,;|\t" 5x\r\né', max_size=14), max_size=8),
    st.tuples(st.sampled_from(list(DELIMITERS)), st.sampled_from(["", "#", "##"]), st.booleans()),
    CHUNKS,
    st.lists(st.integers(0, 300), max_size=6),
)
def test_any_layout_is_read_the_same_however_it_is_cut(
    lines: list[str], layout: tuple[str, str, bool], chunk_bytes: int, cuts: list[int]
) -> None:
    """And in small chunks, of which some are read row by row, as in large ones."""
    delimiter, comment, padded = layout
    blank = " " if padded else ""
    head = f"switch_id{blank}{delimiter}site{delimiter}rx\nsw{delimiter}x{delimiter}{blank}5\n"
    columns = ColumnSettings(labels=("site",), delimiter=delimiter, comment=comment)  # type: ignore[arg-type]
    body = (head + "\n".join(lines)).encode()
    whole = parse(body, columns, chunk_bytes=chunk_bytes)
    assert parse(body, columns, chunk_bytes=chunk_bytes, cuts=cuts).outcome == whole.outcome
    large = parse(body, columns)
    if large.error is None and whole.error is None:
        assert (large.rows, large.rejects) == (whole.rows, whole.rejects)


@fuzz()
@given(st.lists(st.lists(st.text(" 5x", max_size=5), min_size=1, max_size=4), min_size=1, max_size=5), st.booleans())
def test_unpadded_chunks_have_no_blanks_at_the_ends_of_cells(lines: list[list[str]], final: bool) -> None:
    """Blanks within a cell stay."""
    for delimiter in DELIMITERS:
        text = "\n".join(delimiter.join(line) for line in lines) + ("\n" if final else "")
        expected = "\n".join(delimiter.join(cell.strip(" ") for cell in line) for line in lines) + (
            "\n" if final else ""
        )
        if final:
            assert Layout(delimiter, padded=True).unpadded(text.encode()) == expected.encode()


def test_a_padded_line_has_the_limit_of_others() -> None:
    """Blanks count, though they are left out."""
    row = b"sw1," + b" " * (MOST_LINE_BYTES - 5)
    for more, reason in ((b"5", None), (b" 5", "line_too_long")):
        error = parse(b"switch_id, a\n" + row + more + b"\n").error
        assert (error.reason if error else None) == reason


def test_the_last_comment_may_have_no_line_end() -> None:
    """As a row may."""
    body = b"switch_id,a\nsw1,5\n# end"
    assert len(parse(body, ColumnSettings(comment="#")).rows) == 1
    assert parse(body, ColumnSettings(comment="#")).rejects == []
