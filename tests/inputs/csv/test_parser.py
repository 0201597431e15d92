"""Whole bodies: how they may be cut, what makes them unusable, and the samples from the field."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv.context import MOST_LINE_BYTES
from tests.lab import cells
from tests.lab.fuzz import fuzz
from tests.lab.parsing import parse
from tests.lab.reference import NOW_US, Spec, read

DATA = Path(__file__).parents[2] / "data"
CHUNKS = st.sampled_from([1, 2, 7, 16, 64, 1 << 20])
NAMES = ("timestamp", "switch_id", "port", "note", "a", "b")
SPEC = Spec(NAMES, switch=1, port=2, timestamp=0, labels=frozenset({3}))
SETTINGS = ColumnSettings(timestamp_unit="us", labels=("note",))
NOISE = st.text('",\r\n5x\x00é', max_size=12)


@st.composite
def rows(draw: st.DrawFn) -> str:
    """One line, mostly right."""
    line = [
        draw(cells.TIMES),
        draw(cells.NAMES),
        draw(st.integers(1, 9).map(str)),
        draw(st.one_of(st.just(""), cells.NAMES, st.text('a,"\n\r é', max_size=8))),
        draw(st.one_of(cells.PLAIN_INTEGERS, cells.NUMERIC_LOOKING)),
        draw(st.one_of(cells.PLAIN_DECIMALS, cells.PLAIN_INTEGERS, cells.LARGE_INTEGERS)),
    ]
    line = [cells.quoted(cell) if set(cell) & set('",\r\n') or draw(st.integers(0, 9)) == 0 else cell for cell in line]
    kind = draw(st.integers(0, 19))
    return draw(NOISE) if kind == 0 else ",".join(line[:-1] if kind == 1 else line)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A body with a header, and as many plain rows as odd ones, first: they say that ``a`` and ``b`` are metrics."""
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    plain = f"{NOW_US},sw0,1,,1,1"
    odd = st.lists(st.one_of(rows(), rows(), st.just(plain), st.just("")), max_size=8)
    lines = [",".join(NAMES), *[plain] * 8, *draw(odd)]
    text = line_end.join(lines) + draw(st.sampled_from(["", line_end, "\n\n"]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()


@fuzz()
@given(bodies(), CHUNKS)
def test_reads_what_the_grammar_says(body: bytes, chunk_bytes: int) -> None:
    """Rows, exact values and rejects are those of the plain-Python reference, whatever the size of the chunks."""
    parsed = parse(body, SETTINGS, chunk_bytes=chunk_bytes)
    expected = read(body, SPEC)
    if parsed.error is not None:
        assert parsed.error.reason in expected.errors
        return
    assert not expected.errors
    assert parsed.rows == expected.rows
    assert sorted(parsed.rejects) == sorted(expected.rejects)
    assert parsed.parser.rows == len(expected.rows)
    assert parsed.parser.values == sum(len(metrics) for *_, metrics in expected.rows)
    assert parsed.parser.data_min_us == min(time for _, time, *_ in expected.rows)
    assert parsed.parser.data_max_us == max(time for _, time, *_ in expected.rows)


@fuzz()
@given(bodies(), CHUNKS, st.lists(st.integers(0, 4000), max_size=12))
def test_any_chunking_of_the_bytes_gives_the_same(body: bytes, chunk_bytes: int, cuts: list[int]) -> None:
    """How the bytes arrive changes neither rows, types, rejects nor the error, if there is one."""
    whole = parse(body, SETTINGS, chunk_bytes=chunk_bytes)
    assert parse(body, SETTINGS, chunk_bytes=chunk_bytes, cuts=cuts).outcome == whole.outcome


@fuzz(0.2)
@given(bodies(), CHUNKS)
def test_byte_by_byte_gives_the_same(body: bytes, chunk_bytes: int) -> None:
    """A body that drips in gives what it gives as a whole."""
    whole = parse(body, SETTINGS, chunk_bytes=chunk_bytes)
    assert parse(body, SETTINGS, chunk_bytes=chunk_bytes, cuts=range(len(body))).outcome == whole.outcome


ANY_BYTES = st.one_of(
    st.binary(max_size=200),
    st.text('switch_id,timestamp 0123456789.-eE"\r\n\t\x00é<', max_size=200).map(str.encode),
    st.tuples(st.just(b"switch_id,a\n"), st.binary(max_size=100)).map(b"".join),
    st.tuples(st.just(b"timestamp,switch_id,a\n"), st.text('0123456789,.-"\r\ns', max_size=120).map(str.encode)).map(
        b"".join
    ),
)


@fuzz(2)
@given(ANY_BYTES, CHUNKS, st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_give_rows_or_our_error(body: bytes, chunk_bytes: int, cuts: list[int]) -> None:
    """Nothing that a source may send raises anything but BodyError, and a body without rows is an error."""
    parsed = parse(body, chunk_bytes=chunk_bytes, cuts=cuts)
    assert (parsed.error is None) <= (parsed.parser.rows > 0)
    assert parsed.outcome == parse(body, chunk_bytes=chunk_bytes).outcome


UNUSABLE = {
    "empty": [b"", b"\n", b"\r\n\n", b"\xef\xbb\xbf", b"switch_id,a\n", b"switch_id,a", b"switch_id,a\n\n\r\n"],
    "html": [b"<html><body>Login</body></html>", b"\n  <!DOCTYPE html>\n<html>", b"\xef\xbb\xbf<?xml version='1.0'?>"],
    "schema": [
        b"a,b\n1,2\n",
        b"switch_id,a,a\n",
        b"switch_id,switch_id\n",
        b"switch_id,\x00\n",
        b"switch_id,\xff\n",
        b'switch_id,"a\nsw1,1\n',
        b"\x1f\x8b\x08\x00 gzip in disguise",
    ],
    "lone_cr": [
        b"switch_id,a\rsw1,1\r",
        b"switch_id,a\nsw1,1\rsw2,2\n",
        b'switch_id,a\nsw1,1\rsw2,2\n"sw3",3\n',
        b'switch_id,a\n"sw\r1",1\n',
    ],
    "unterminated_quote": [
        b'switch_id,a\nsw1,"1\nsw2,2\n',
        b'switch_id,a\nsw1,"1""\n',
        b'switch_id,a\nsw1,"' + b"x\n" * MOST_LINE_BYTES,
    ],
    "line_too_long": [
        b"switch_id," + b"a" * MOST_LINE_BYTES,
        b"switch_id," + b"a" * MOST_LINE_BYTES + b"\n",
        b"switch_id,a\nsw1," + b"1" * MOST_LINE_BYTES + b"\n",
        b"switch_id,a\nsw1," + b"1" * (4 * MOST_LINE_BYTES),
        b'switch_id,a\nsw1,"' + b"1" * MOST_LINE_BYTES + b'"\n',
    ],
    "no_rows": [b"switch_id,a\n,1\n", b"switch_id,a\nsw1\n", b"timestamp,switch_id\nyesterday,sw1\n"],
}


@pytest.mark.parametrize("chunk_bytes", [16, 1 << 20])
@pytest.mark.parametrize(
    ("reason", "body"),
    [(reason, body) for reason, several in UNUSABLE.items() for body in several],
    ids=lambda value: repr(value)[:40],
)
def test_a_body_that_cannot_be_used_says_why(reason: str, body: bytes, chunk_bytes: int) -> None:
    """The whole body is refused, with one word for the metrics and a sentence for people."""
    parsed = parse(body, chunk_bytes=chunk_bytes)
    assert parsed.error is not None
    assert parsed.error.reason == reason
    assert len(str(parsed.error)) > len(reason)


def test_the_longest_line_is_still_read() -> None:
    """A line may have MOST_LINE_BYTES bytes, its line end not counted, whether or not there are quotes near it."""
    row = b"sw1," + b"x" * (MOST_LINE_BYTES - 4)
    for body in (b"switch_id,a\n" + row + b"\r\n", b"switch_id,a\n" + row, b'switch_id,a\n"sw0",x\n' + row + b"\n"):
        for chunk_bytes in (16, 1 << 20):
            assert [row[3]["a"][:1] for row in parse(body, chunk_bytes=chunk_bytes).rows] == ["x"] * (
                2 if b'"' in body else 1
            )


def test_errors_name_the_line() -> None:
    """A body that breaks off says at which line it does."""
    for body, line in ((b'switch_id,a\n\nsw1,1\nsw2,"2\n3', 4), (b"switch_id,a\nsw1,1\nsw2,\r2\n", 3)):
        assert f"line {line}:" in str(parse(body).error)


def test_no_rows_names_the_first_reject() -> None:
    """A body of which no row can be used says how many rows were rejected, and shows the first."""
    parsed = parse(b"switch_id,a\n,1\nsw1\n")
    assert (
        str(parsed.error)
        == "no row can be used: columns: 1, no_switch: 1; first: line 2, column 'switch_id': no_switch ''"
    )


def test_rows_without_timestamps_get_the_time_of_the_scrape() -> None:
    """A source that tells no time, or whose time is not wanted, is as old as its scrape."""
    assert [row[1] for row in parse(b"switch_id,a\nsw1,5\n").rows] == [NOW_US]
    without = parse(b"timestamp,switch_id,a\n1,sw1,5\n", ColumnSettings(timestamp="-"))
    assert without.rows == [("sw1", NOW_US, None, {}, {"timestamp": 1, "a": 5})]


@pytest.mark.parametrize("unit", ["auto", "us"])
def test_ufm_primary_sample(unit: Literal["auto", "us"]) -> None:
    """NVIDIA UFM's primary telemetry is read whole: 8 switches, 392 ports, every cell as the file has it."""
    body = (DATA / "ufm_primary.csv").read_bytes()
    parsed = parse(body, ColumnSettings(timestamp_unit=unit))
    assert parsed.parser.dialect == "ufm"
    assert len({row[0] for row in parsed.rows}) == 8
    assert len(parsed.rows) == 392
    assert parsed.rejects == []
    (port,) = [row for row in parsed.rows if (row[0], row[2]) == ("0x248a070300ef19a0", "23")]
    assert port[1] == 1709652347161873
    assert port[3] == {"source_id": "0x248a070300ef19a0", "tag": "", "port_guid": "0x248a070300ef19a0"}
    assert port[4]["Infiniband_PckIn_u_Packets"] == 244498
    assert port[4]["Infiniband_Normalized_MBOut_f_u_Percent"] == 0.00000122818
    for line, row in zip(csv.DictReader(body.decode().splitlines()), parsed.rows, strict=True):
        for name, value in row[4].items():
            assert value == (int(line[name]) if line[name].isdigit() else float(line[name]))


def test_ufm_secondary_sample() -> None:
    """The secondary telemetry has states, opcodes and serial numbers as labels, and numbers as metrics beside them."""
    parsed = parse((DATA / "ufm_secondary.csv").read_bytes())
    assert parsed.parser.dialect == "ufm"
    first = parsed.rows[0]
    assert {"Device_ID", "node_description", "Phy_Manager_State", "Link_speed_active", "FW_Version"} <= first[3].keys()
    assert {"Total_Raw_BER", "PortXmitDataExtended", "Link_Down"} <= first[4].keys()
    assert (parsed.parser.rows, parsed.parser.rejects.counts) == (260, {})
    by_port = {port: (labels, metrics) for switch, _, port, labels, metrics in parsed.rows if switch == first[0]}
    assert (first[4]["Module_Temperature"], first[4]["Chip_Temp"]) == (66, 61)
    assert "Module_Temperature" not in by_port["13"][1], "NA is missing"
    assert by_port["1"][1]["PortXmitDataExtended"] == 311077592275920884, "exact to 64 bits"
    assert by_port["65"][0]["node_description"].isprintable(), "described in Latin-1"
    assert "\ufffd" not in by_port["65"][0]["node_description"]


def test_basic_sample() -> None:
    """The generator's own format is read without a reject."""
    parsed = parse((DATA / "basic.csv").read_bytes())
    assert (parsed.parser.dialect, parsed.parser.rows, parsed.parser.values, parsed.rejects) == ("basic", 100, 300, [])
    assert parsed.rows[0] == (
        "sw1",
        1795460000_000_000,
        None,
        {},
        {"bandwidth_mbps": 3238.33, "latency_ms": 754.25, "packet_errors": 83},
    )


def test_one_bad_cell_costs_its_neighbours_nothing() -> None:
    """A chunk with a bad cell is read the fast way but for a small part: the same rows, and one reject."""
    lines = [f"sw{number},{number},{number}.5\n" for number in range(60_000)]
    good = parse(("switch_id,a,b\n" + "".join(lines)).encode())
    lines[31_000] = "sw31000,+5,31000.5\n"
    parsed = parse(("switch_id,a,b\n" + "".join(lines)).encode())
    assert parsed.rejects == [(31_002, "a", "bad_number", "+5")]
    assert [row for row in parsed.rows if row[0] != "sw31000"] == [row for row in good.rows if row[0] != "sw31000"]


def test_numbers_that_no_type_holds_do_not_shatter_a_body() -> None:
    """A column that alternates between what only int64 and what only uint64 holds makes few batches, and loses none."""
    body = b"switch_id,a,b\n" + b"sw,-1,1\nsw,18446744073709551615,2\n" * 3000
    parsed = parse(body)
    assert len(parsed.batches) < 20
    assert [row[4]["b"] for row in parsed.rows] == [1, 2] * 3000
    assert [row[4]["a"] for row in parsed.rows] == [-1, 18446744073709551615] * 3000
    assert parsed.rejects == []
