"""The careful way: what is accepted, what is rejected, and where a reject says that it is."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.reasons import explain
from tests.lab import cells
from tests.lab.fuzz import fuzz
from tests.lab.parsing import parse
from tests.lab.reference import number

HEADER = b"switch_id,a\n"


def one(cell: str) -> float | str:
    """Value of a cell that stands in a column of numbers, or the reason of its reject, or ``missing``."""
    parsed = parse(HEADER + b"sw0,1\n" * 64 + f"sw1,{cell}\n".encode())
    assert parsed.error is None
    if parsed.rejects:
        assert parsed.rejects == [(66, "a", parsed.rejects[0][2], cell if len(cell) <= 80 else cell[:79] + "…")]
        return parsed.rejects[0][2]
    value = parsed.rows[-1][4].get("a", "missing")
    assert isinstance(value, int | float | str)
    return value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("007", 7),
        ("-0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2**63),
        ("18446744073709551615", 2**64 - 1),
        ("000018446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9007199254740993", 2**53 + 1),
        ("0.5", 0.5),
        ("-1.5e-254", -1.5e-254),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("1e-400", 0.0),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("", "missing"),
        ("NA", "missing"),
        ("N/A", "missing"),
        ("18446744073709551616", "out_of_range"),
        ("-9223372036854775809", "out_of_range"),
        ("9" * 5000, "out_of_range"),
        ("1e400", "not_finite"),
        ("9" * 400 + ".5", "not_finite"),
        ("NaN", "not_finite"),
        ("-Infinity", "not_finite"),
        ("+inf", "not_finite"),
        ("37C", "bad_number"),
        (" 5", "bad_number"),
        ("5 ", "bad_number"),
        ("+5", "bad_number"),
        (".5", "bad_number"),
        ("5.", "bad_number"),
        ("1.e5", "bad_number"),
        ("1e", "bad_number"),
        ("--1", "bad_number"),
        ("-", "bad_number"),
        ("0x1F", "bad_number"),
        ("-0x1", "bad_number"),
        ("1_0", "bad_number"),
        ("１２", "bad_number"),
        ("na", "bad_number"),
    ],
)
def test_reads_a_number_exactly_or_says_why_not(cell: str, value: float | str) -> None:
    """An integer is exact up to 2^64-1, a decimal is the nearest double, all else is a reject with its reason."""
    assert one(cell) == value


@fuzz()
@given(cells.NUMERIC_LOOKING.filter(lambda cell: cell.isprintable()))
@example("1" * 20)
def test_reads_any_cell_as_the_grammar_says(cell: str) -> None:
    """Whatever a cell looks like, value or reason are those of the reference."""
    assert one(cell) == number(cell)


@fuzz(0.5)
@given(st.lists(st.one_of(cells.LARGE_INTEGERS, cells.PLAIN_DECIMALS, cells.PLAIN_INTEGERS), min_size=1, max_size=12))
def test_integers_stay_exact_beside_decimals(texts: list[str]) -> None:
    """A column that mixes decimals with integers that no double holds loses no digit of either."""
    values = [number(text) for text in texts]
    parsed = parse(HEADER + b"sw0,1\n" * 64 + b"".join(b"sw1,%s\n" % text.encode() for text in texts))
    assert [row[4].get("a") for row in parsed.rows[64:]] == [
        None if isinstance(value, str) else value for value in values
    ]
    assert all(math.isfinite(row[4].get("a", 0)) for row in parsed.rows)


def test_a_column_widens_and_the_others_keep_their_type() -> None:
    """A decimal makes a column double from there on, a large integer uint64; batches before keep what they had."""
    body = b"switch_id,a,b,c\n" + b"sw,1,1,1\n" * 40 + b"sw,0.5,18446744073709551615,1\n" * 40
    parsed = parse(body, chunk_bytes=9 * 40)
    assert [[str(field.type) for field in batch.rows.schema][2:] for batch in parsed.batches] == [
        ["int32", "int32", "int32"],
        *[["double", "uint64", "int32"]] * (len(parsed.batches) - 1),
    ]


def test_a_counter_that_outgrows_32_bits_gets_64_from_there_on() -> None:
    """What began small is kept in 32 bits until a chunk has more; the other columns stay as they are."""
    body = b"switch_id,a,b\n" + b"sw,1,1\n" * 90 + b"sw,2147483648,1\n" + b"sw,1,1\n" * 90
    parsed = parse(body, chunk_bytes=7 * 30)
    types = [[str(field.type) for field in batch.rows.schema][2:] for batch in parsed.batches]
    assert types[0] == ["int32", "int32"]
    assert types[-1] == ["int64", "int32"]
    assert types == sorted(types)
    assert [row[4]["a"] for row in parsed.rows].count(2147483648) == 1


@pytest.mark.parametrize(
    ("texts", "metric"),
    [
        (["1", "2.5", "-3"], True),
        (["1", "x"], True),
        (["1", "x", "y"], False),
        (["", "NA", "7"], True),
        (["0x1f", "0x2f"], False),
        (["nan", "inf", "5"], True),
    ],
    ids=["numbers", "half numbers", "mostly text", "missing but one", "hexadecimal", "not finite but one"],
)
def test_first_rows_tell_a_metric_from_a_label(texts: list[str], metric: bool) -> None:
    """A column is a metric if at least half of its first cells with text are numbers; nan and inf say neither."""
    parsed = parse(HEADER + b"".join(b"sw,%s\n" % text.encode() for text in texts))
    assert [bool(batch.labels) for batch in parsed.batches] == [not metric]


def test_a_column_that_says_nan_at_first_is_still_a_metric() -> None:
    """Cells that are not finite are rejects, and numbers that come later are values."""
    parsed = parse(HEADER + b"sw,nan\n" * 100 + b"sw,5\n")
    assert parsed.rows[-1][4] == {"a": 5}
    assert parsed.parser.rejects.counts == {"not_finite": 100}


def test_a_column_without_text_waits_for_its_first_cell() -> None:
    """A column that starts empty is left out until it says what it holds, in whichever chunk that is."""
    body = b"switch_id,a,b\n" + b"sw,,\n" * 100 + b"sw,5,up\n" + b"sw,,\n" * 100
    parsed = parse(body, chunk_bytes=64)
    names = [batch.rows.schema.names[2:] for batch in parsed.batches]
    assert names[0] == []
    assert names[-1] == ["b", "a"]
    assert [row for row in parsed.rows if row[4]] == [("sw", parsed.rows[0][1], None, {"b": "up"}, {"a": 5})]


ROWS: dict[str, tuple[str | bytes, str, str]] = {
    "columns": ("sw1,1,2", "", "sw1,1,2"),
    "no_switch": (",1", "switch_id", ""),
    "long_switch": ("x" * 129 + ",1", "switch_id", "x" * 79 + "…"),
    "control": ("sw\x01,1", "", "sw\x01,1"),
    "bad_quote": ('sw"1",1', "", 'sw"1",1'),
    "bad_utf8": (b"sw\xff,1", "", "sw\\xff,1"),
}


@pytest.mark.parametrize("reason", ROWS)
def test_drops_a_row_that_cannot_be_assigned(reason: str) -> None:
    """The row is counted with its line and text, and the rest of the body goes on."""
    text, column, value = ROWS[reason]
    row = text if isinstance(text, bytes) else text.encode()
    parsed = parse(HEADER + b"sw0,1\n" + row + b"\nsw9,9\n")
    assert parsed.rejects == [(3, column, reason, value)]
    assert [row[0] for row in parsed.rows] == ["sw0", "sw9"]


BIG = 3000
"""Rows of a body that is larger than a part that is read row by row."""


@pytest.mark.parametrize("count", [1, 5, BIG])
@pytest.mark.parametrize("quote", ["", '"'], ids=["plain", "quoted"])
def test_a_delimiter_at_the_end_of_rows_only_is_called_that(count: int, quote: str) -> None:
    """The sentence is about the end of the row, and names the setting, which reads such a body."""
    body = "switch_id,a\n" + "".join(f"{quote}sw{at}{quote},{at},\n" for at in range(count))
    parsed = parse(body.encode())
    assert parsed.parser.rejects.counts == {"trailing": count}
    assert parsed.error is not None
    assert parsed.error.reason == "no_rows"
    sentence = explain(parsed.parser.rejects.examples[0])
    assert "one cell more than the header, an empty one at its end" in sentence
    assert "columns.trailing_delimiter = true" in sentence
    parsed = parse(body.encode(), ColumnSettings(trailing_delimiter=True))
    assert [row[4] for row in parsed.rows] == [{"a": at} for at in range(count)]
    assert parsed.rejects == []


@pytest.mark.parametrize("header", ["switch_id,a", "switch_id,a,", "switch_id , a, "])
def test_with_the_setting_the_header_may_end_in_a_delimiter_as_well(header: str) -> None:
    """A source that begins to end its header like its rows is read as before."""
    parsed = parse(f"{header}\ns,5,\nt,6,\n".encode(), ColumnSettings(trailing_delimiter=True))
    assert [row[4] for row in parsed.rows] == [{"a": 5}, {"a": 6}]
    assert parsed.rejects == []


def test_a_delimiter_at_the_end_of_the_header_only_is_called_that() -> None:
    """If rows have one too, it does no harm; if they do not, the sentence says what is different."""
    assert [row[4] for row in parse(b"switch_id,a,\ns,5,\n").rows] == [{"a": 5}]
    parsed = parse(b"switch_id,a,\ns,5\nt,6\n")
    assert parsed.parser.rejects.counts == {"no_trailing": 2}
    assert "one cell less than the header, which ends in a delimiter" in explain(parsed.parser.rejects.examples[0])


@pytest.mark.parametrize("row", ["s,5,6", "s,5,,", "s", "s,5, "])
def test_other_numbers_of_cells_are_another_thing(row: str) -> None:
    """Only one empty cell at the end is a delimiter too many."""
    assert parse(f"switch_id,a\ns,5\n{row}\n".encode()).parser.rejects.counts == {"columns": 1}


@pytest.mark.parametrize(
    ("row", "reason", "column"),
    [
        ("1795460003500000,sw1,,1", "bad_port", "port"),
        (f"1795460003500000,sw1,{'p' * 129},1", "bad_port", "port"),
        ('1795460003500000,sw1,"1\n2",1', "control", "port"),
        ('1795460003500000,"sw\n1",1,1', "control", "switch_id"),
        ('1795460003500000,"sw\r\n1",1,1', "control", "switch_id"),
        (",sw1,1,1", "bad_timestamp", "timestamp"),
        ("NA,sw1,1,1", "bad_timestamp", "timestamp"),
        ("17954600035e5,sw1,1,1", "bad_timestamp", "timestamp"),
        ("946684799999999,sw1,1,1", "bad_timestamp", "timestamp"),
        ("99999999999999999999999,sw1,1,1", "bad_timestamp", "timestamp"),
        ("1795460603500001,sw1,1,1", "future", "timestamp"),
    ],
)
def test_drops_a_row_with_a_bad_port_or_time(row: str, reason: str, column: str) -> None:
    """Port and time are keys like the switch; a name with a line end in it cannot be a key."""
    body = f"timestamp,switch_id,port,a\n{row}\n1795460003500000,sw9,1,9\n"
    parsed = parse(body.encode(), ColumnSettings(timestamp_unit="us"))
    assert [(each[1], each[2]) for each in parsed.rejects] == [(column, reason)]
    assert [row[0] for row in parsed.rows] == ["sw9"]


@pytest.mark.parametrize("chunk_bytes", [8, 40, 1 << 20])
def test_rejects_name_their_line_after_all_kinds_of_line_ends(chunk_bytes: int) -> None:
    """Blank lines, CRLF and line ends in quotes count as a text editor counts them, in whichever chunk they are."""
    body = (
        b"\r\n\nswitch_id,note,a\r\n"  # lines 1 to 3
        b"sw0,x,1\nsw0,x,1\nsw0,x,1\n"  # 4 to 6
        b"sw1,x,bad\r\n"  # 7
        b"\n\r\n"  # 8, 9
        b'sw2,"two\r\nlines\n and a half",bad\n'  # 10 to 12
        b"sw3,x,bad"  # 13
    )
    parsed = parse(body, ColumnSettings(labels=("note",)), chunk_bytes=chunk_bytes)
    assert parsed.rejects == [(line, "a", "bad_number", "bad") for line in (7, 10, 13)]
    assert parsed.rows[4][3] == {"note": "two\r\nlines\n and a half"}


def test_quotes_are_those_of_rfc_4180() -> None:
    """A quoted cell may hold commas, doubled quotes and line ends, and is the same number or name without quotes."""
    body = b'switch_id,note,a\n"sw1","a ""b"", c","5"\nsw2,"",""\n"sw3","x\ny",6\n'
    parsed = parse(body, ColumnSettings(labels=("note",)))
    assert [(switch, notes["note"], metrics) for switch, _, _, notes, metrics in parsed.rows] == [
        ("sw1", 'a "b", c', {"a": 5}),
        ("sw2", "", {}),
        ("sw3", "x\ny", {"a": 6}),
    ]


def test_a_number_with_a_line_end_in_quotes_is_none() -> None:
    """A cell is taken as it is: `5` and a line end are no 5."""
    parsed = parse(HEADER + b'sw1,5\nsw2,"5\n"\n')
    assert parsed.rejects == [(3, "a", "bad_number", "5\n")]
