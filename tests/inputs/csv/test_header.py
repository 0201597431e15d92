"""The header: marks, blanks and cases of its names, and the sentence that helps if it cannot be used."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.inputs.csv.dialects import recognise
from switchboard.reasons import explain, explain_note
from tests.lab.fuzz import fuzz
from tests.lab.parsing import parse

SECONDS = 1_795_460_000
TIME_US = SECONDS * 1_000_000


@pytest.mark.parametrize("marks", ["\ufeff", "\ufeff\ufeff", "\ufeff\ufeff\ufeff"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_byte_order_marks_are_no_part_of_a_name(marks: str, quote: str) -> None:
    """Two programs that each write one leave two; the first column is known all the same."""
    parsed = parse(f"{marks}{quote}timestamp{quote},switch_id,rx\n{SECONDS},sw1,5\n".encode())
    assert parsed.rows == [("sw1", TIME_US, None, {}, {"rx": 5})]
    assert parsed.parser.rejects.notes == []


@pytest.mark.parametrize(
    "header",
    [
        "Timestamp,Switch_ID,Port,rx",
        "TIMESTAMP,SWITCH_ID,PORT,rx",
        "Timestamp,NODE_GUID,port_Num,rx",
        "timestamp,node_GUID,PORT,rx",
    ],
)
def test_names_are_known_in_any_case(header: str) -> None:
    """Switch, port and time, in every dialect."""
    parsed = parse(f"{header}\n{SECONDS},sw1,7,5\n".encode())
    assert parsed.rows == [("sw1", TIME_US, "7", {}, {"rx": 5})]


def test_names_of_settings_are_known_in_any_case() -> None:
    """Also those of labels, units, renamed and excluded columns."""
    settings = ColumnSettings(
        switch="device",
        port="ifname",
        timestamp="when",
        labels=("site",),
        exclude=("NOISE",),
        rename={"RX": "received"},
        units={"Temp": "C"},
        counters=("rx",),
    )
    parsed = parse(f"When,Device,IfName,Site,Noise,rx,temp\n{SECONDS},sw1,7,9,1,5,37C\n".encode(), settings)
    assert parsed.rows == [("sw1", TIME_US, "7", {"Site": "9"}, {"received": 5, "temp": 37})]
    assert [str(column.info.kind) for column in parsed.parser.columns if column.name == "received"] == ["counter"]


def test_a_name_in_its_own_case_goes_before_one_in_another() -> None:
    """Where two names differ in case only, the one that is written as it is known has the role, or none of them."""
    columns = recognise(["Timestamp", "timestamp", "SWITCH_ID", "switch_id", "Port", "PORT"], ColumnSettings())
    assert (columns.timestamp, columns.switch, columns.port) == (1, 3, None)
    with pytest.raises(BodyError, match="'SWITCH_ID', 'Switch_ID'"):
        recognise(["SWITCH_ID", "Switch_ID"], ColumnSettings())
    with pytest.raises(BodyError, match="'Device'"):
        recognise(["DEVICE", "device"], ColumnSettings(switch="Device"))
    assert recognise(["switch_id", "\u212aey", "key"], ColumnSettings(labels=("Key",))).labels == {2}  # a Kelvin sign


@pytest.mark.parametrize(
    ("header", "settings", "noted"),
    [
        ("switch_id,rx", {}, "switch_id, rx"),
        ("time,switch_id,rx", {}, "time, switch_id, rx"),
        ("timestamp,switch_id,rx", {}, ""),
        ("time,switch_id,rx", {"timestamp": "time"}, ""),
        ("switch_id,rx", {"timestamp": "-"}, ""),
    ],
)
def test_a_body_without_times_says_so(header: str, settings: dict[str, Any], noted: str) -> None:
    """One line with the names of the columns, unless the settings say that there are no times."""
    row = ",".join(str(SECONDS) for _ in header.split(","))
    rejects = parse(f"\n{header}\n{row}\n".encode(), ColumnSettings(**settings)).parser.rejects
    assert [(note.reason, note.line, note.value) for note in rejects.notes] == (
        [("no_times", 2, noted)] if noted else []
    )
    for note in rejects.notes:
        assert explain_note(note).startswith(
            f"the columns {noted!r} have no times, so rows get the time of the scrape."
        )
        assert "columns.timestamp names the column with times" in explain_note(note)
        assert explain(note).startswith(f"Line 2: {noted!r} are the columns, and none of them has times; rows get")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("timestamp, switch_id, port, site, rx", "{}, sw1, 7, a b, 5"),
        ("timestamp , switch_id , port , site , rx ", "{} , sw1 , 7 , a b , 5 "),
        ("  timestamp,   switch_id,port,site,rx", "  {},     sw1,7   ,  a b,   5"),
        ('timestamp, "switch_id", port, "site", rx', '{}, "sw1", 7, "a b", 5'),
        ("timestamp, switch_id, port, site, rx", "{},sw1,7,a b,5"),
    ],
    ids=["after each comma", "around", "columns", "quoted", "in the header only"],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("many", [1, 300])
def test_blanks_around_names_and_cells_are_no_part_of_them(header: str, row: str, line_end: str, many: int) -> None:
    """If the names in the header have blanks at their ends, so may cells have."""
    lines = [header, *[row.format(SECONDS)] * many, ""]
    parsed = parse(line_end.join(lines).encode(), ColumnSettings(labels=("site",)))
    assert parsed.rejects == []
    assert parsed.rows == [("sw1", TIME_US, "7", {"site": "a b"}, {"rx": 5})] * many


def test_blanks_within_quotes_stay() -> None:
    """They were written on purpose."""
    parsed = parse(b'switch_id, site\nsw1, " a, b " \nsw2,c\n', ColumnSettings(labels=("site",)))
    assert [row[3]["site"] for row in parsed.rows] == [" a, b ", "c"]


def test_blanks_stay_where_the_header_has_none() -> None:
    """A blank is part of a name, and a number has none, unless the header says otherwise."""
    parsed = parse(b"switch_id,site,rx\n sw1 , x ,1\nsw2,y, 5\n", ColumnSettings(labels=("site",)))
    assert [(row[0], row[3]["site"]) for row in parsed.rows] == [(" sw1 ", " x "), ("sw2", "y")]
    assert parsed.rejects == [(3, "rx", "bad_number", " 5")]


PADDED = st.text(' ",x5é\n', max_size=12)


@fuzz()
@given(st.lists(PADDED, max_size=6), st.sampled_from([16, 64, 1 << 20]), st.lists(st.integers(0, 300), max_size=6))
def test_padded_bodies_are_read_the_same_however_they_are_cut(
    lines: list[str], chunk_bytes: int, cuts: list[int]
) -> None:
    """Blanks and quotes in any order, in chunks of any size."""
    body = ("switch_id, site, rx\n" + "".join(f"sw{at}, a{line}, 5\n" for at, line in enumerate(lines))).encode()
    settings = ColumnSettings(labels=("site",))
    whole = parse(body, settings, chunk_bytes=chunk_bytes)
    assert parse(body, settings, chunk_bytes=chunk_bytes, cuts=cuts).outcome == whole.outcome


ADVICE = {
    "timestamp;switch_id;rx\n1;sw1;5\n": ['columns.delimiter = ";"', "semicolons"],
    "timestamp\tswitch_id\trx\n1\tsw1\t5\n": ['columns.delimiter = "\\t"', "tabs"],
    "timestamp|switch_id|rx\n1|sw1|5\n": ['columns.delimiter = "|"', "bars"],
    "a;b;c\n1;2;3\n": ['columns.delimiter = ";"', "semicolons", "'a', 'b', 'c'"],
    "sep=,\ntimestamp,switch_id,rx\n": ["columns.skip_lines = 1", "line 2 looks like the header"],
    "sep=;\ntimestamp;switch_id;rx\n": ["columns.skip_lines = 1", 'columns.delimiter = ";"'],
    "Report of today\n\nmade by hand\ntimestamp,Switch_ID,rx\n": ["columns.skip_lines = 3", "line 4"],
    "# made by hand\ntimestamp,switch_id,rx\n": ['columns.comment = "#"', "line 2"],
    "# one\n# two\ntimestamp\tnode_guid\trx\n": ['columns.comment = "#"', 'columns.delimiter = "\\t"'],
    "// made by hand\nwhat,ever\n": ['columns.comment = "//"'],
    "timestamp, switch, rx\n": ["'timestamp', 'switch', 'rx'"],
    "timestamp,switch ,\xa0rx\n": ["'timestamp', 'switch', '\\xa0rx'"],
    "host,when\nx,1\n": ["switch_id, node_guid", "'host', 'when'"],
    '{"switch_id": "sw1"}\n': ["the body is JSON"],
    '[\n  {"switch_id": "sw1"}\n]\n': ["the body is JSON"],
}


@pytest.mark.parametrize("body", ADVICE)
@pytest.mark.parametrize("cuts", [(), range(200)], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("more", ["", "x,y\n" * 3000], ids=["short", "long"])
def test_a_header_that_cannot_be_used_says_what_helps(body: str, cuts: range, more: str) -> None:
    """The sentence names the setting with its value, and every column in quotes."""
    parsed = parse((body + more).encode(), cuts=cuts)
    assert parsed.error is not None
    assert all(word in str(parsed.error) for word in ADVICE[body]), str(parsed.error)


def test_what_the_sentence_says_does_help() -> None:
    """With the settings that the sentence names, the body is read."""
    body = f"sep=;\ntimestamp;switch_id;rx\n{SECONDS};sw1;5\n".encode()
    assert 'columns.skip_lines = 1, columns.delimiter = ";"' in str(parse(body).error)
    assert parse(body, ColumnSettings(skip_lines=1, delimiter=";")).rows == [("sw1", TIME_US, None, {}, {"rx": 5})]
