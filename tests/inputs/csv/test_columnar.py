"""The fast way, measured against the careful one."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv import columnar, rows
from switchboard.inputs.csv.columnar import NeedsRows
from switchboard.inputs.csv.context import MOST_LINE_BYTES, ColumnType, Context
from switchboard.inputs.csv.dialects import recognise
from switchboard.inputs.csv.layout import COMMAS, DELIMITERS, Layout
from switchboard.inputs.rejects import Rejects
from switchboard.inputs.times import Clock
from tests.lab import cells
from tests.lab.fuzz import fuzz
from tests.lab.parsing import rows_of
from tests.lab.reference import NOW_US, Spec, read

KINDS = {
    "i": ColumnType.INT64,
    "u": ColumnType.UINT64,
    "d": ColumnType.DOUBLE,
    "blank": ColumnType.UNKNOWN,
    "note": ColumnType.LABEL,
}
ORDERS = [
    ("timestamp", "switch_id", "port", "note", "i", "u", "d", "blank"),
    ("switch_id", "i", "note"),
    ("note", "d", "blank", "port", "switch_id"),
    ("i", "switch_id", "u", "timestamp"),
    ("switch_id", "d"),
    ("blank", "u", "timestamp", "switch_id", "note"),
]
ORDINARY = {
    "timestamp": cells.TIMES,
    "switch_id": cells.NAMES,
    "port": st.integers(1, 64).map(str),
    "note": st.one_of(st.just(""), cells.NAMES),
    "i": cells.PLAIN_INTEGERS,
    "u": st.one_of(st.sampled_from(["", "18446744073709551615"]), cells.PLAIN_INTEGERS),
    "d": st.one_of(st.sampled_from(["NA", "5", "-1e-7"]), cells.PLAIN_DECIMALS),
    "blank": st.sampled_from(["", "NA", "N/A"]),
}
LAYOUTS = st.builds(Layout, st.sampled_from(list(DELIMITERS)), st.sampled_from(["", "sw", "17"]), st.booleans())
ODD = {
    "timestamp": cells.ODD_TIMES,
    "switch_id": cells.ODD_NAMES | cells.NUMERIC_LOOKING,
    "port": cells.ODD_NAMES | cells.NUMERIC_LOOKING,
}


def context_of(names: tuple[str, ...], unit: str = "us", layout: Layout = COMMAS) -> Context:
    """A context that has learned: the columns i, u, d, note and blank hold what KINDS says."""
    context = Context(recognise(list(names), ColumnSettings(labels=("note",))), Clock(NOW_US, unit), Rejects(), layout)
    context.types = {at: KINDS[names[at]] for at in context.types}
    context.learned = True
    return context


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[str, ...], list[list[str]]]:
    """Columns, and rows of ordinary cells among which a few are odd."""
    names = draw(st.sampled_from(ORDERS))
    row = st.tuples(*(ORDINARY[name] for name in names)).map(list)
    table = draw(st.lists(row, min_size=1, max_size=6))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(names) - 1))
        table[draw(st.integers(0, len(table) - 1))][at] = draw(ODD.get(names[at], cells.NUMERIC_LOOKING))
    return names, table


@fuzz(2)
@given(tables(), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from(["us", "auto"]), LAYOUTS)
def test_accepts_nothing_that_the_careful_way_reads_differently(
    table: tuple[tuple[str, ...], list[list[str]]], line_end: str, last: bool, unit: str, layout: Layout
) -> None:
    """What the fast way accepts, the careful way reads as the same Arrow columns, with no reject."""
    names, lines = table
    delimiter = f" {layout.delimiter} " if layout.padded else layout.delimiter
    text = line_end.join(delimiter.join(line) for line in lines) + ("" if last else line_end)
    fast, careful = context_of(names, unit, layout), context_of(names, unit, layout)
    try:
        accepted = columnar.parse(fast, text.encode(), 2)
    except NeedsRows:
        return
    batches, consumed = rows.parse(careful, text.encode(), 2, last=last)
    assert careful.rejects.counts == {}
    assert consumed == len(text.encode())
    assert [(batch.rows, batch.switches) for batch in batches] == [(accepted.rows, accepted.switches)]
    assert [batch.labels for batch in batches] == [accepted.labels]
    assert fast.types == careful.types


@fuzz(2)
@given(tables(), st.sampled_from(["\n", "\r\n"]))
def test_reads_what_the_grammar_says(table: tuple[tuple[str, ...], list[list[str]]], line_end: str) -> None:
    """Both ways together give the rows, values and rejects of the plain-Python reference, cell by cell."""
    names, lines = table
    text = "".join(",".join(line) + line_end for line in lines)
    context = context_of(names)
    try:
        batches = [columnar.parse(context, text.encode(), 2)]
    except NeedsRows:
        batches, _ = rows.parse(context, text.encode(), 2, last=True)
    spec = Spec(
        names=names,
        switch=names.index("switch_id"),
        port=names.index("port") if "port" in names else None,
        timestamp=names.index("timestamp") if "timestamp" in names else None,
        labels=frozenset(at for at, name in enumerate(names) if name == "note"),
    )
    expected = read(f"{','.join(names)}\n{text}".encode(), spec)
    labels = {name for at, name in enumerate(names) if context.types.get(at) is ColumnType.LABEL} - {"note"}
    found = [
        (switch, time, port, {name: notes[name] for name in notes if name not in labels}, metrics)
        for batch in batches
        for switch, time, port, notes, metrics in rows_of(batch)
    ]
    for *_, metrics in expected.rows:
        for name in labels:  # a blank column whose first text is no number has become a label
            metrics.pop(name, None)
    rejects = [(each.line, each.column, each.reason, each.value) for each in context.rejects.examples]
    assert found == expected.rows
    assert sorted(rejects) == sorted(reject for reject in expected.rejects if reject[1] not in labels)


@pytest.mark.parametrize(
    "text",
    [
        "1795460000,sw1,1,up,5,6,7.5,\n",
        "1795460000,sw1,1,up,5,6,7.5,\r\n1795460001,sw1,2,,,NA,N/A,NA\r\n",
        "1795460000,sw1,1,up,-5,18446744073709551615,-1.5e-300,",
        "1795460000,é {x}/~%,NA,a b,0,0,5,N/A\n",
    ],
    ids=["plain", "missing cells and CRLF", "extremes without a final line end", "names"],
)
def test_takes_ordinary_chunks(text: str) -> None:
    """Numbers, missing cells, CRLF and any printable name need no second look."""
    batch = columnar.parse(context_of(ORDERS[0], "auto"), text.encode(), 2)
    assert batch.rows.num_rows == text.count("sw1") + text.count("é")


@pytest.mark.parametrize("cell", ["0x1F", "-0x1", " 5", "5 ", "+5", ".5", "5.", "1.e5", "inf", "nan", "1e400", "null"])
@pytest.mark.parametrize("column", ["i", "u", "d"])
def test_leaves_what_pyarrow_is_too_generous_with(cell: str, column: str) -> None:
    """No number that is written as we do not accept it passes for one, in a column of any type."""
    with pytest.raises(NeedsRows):
        columnar.parse(context_of(("switch_id", column)), f"sw1,{cell}\n".encode(), 2)


@pytest.mark.parametrize("value", [2**53, 2**53 + 1, -(2**53) - 1, 2**63])
def test_leaves_integers_that_a_double_may_have_rounded(value: int) -> None:
    """In a column of doubles an integer that is not certainly exact gets a second look."""
    with pytest.raises(NeedsRows):
        columnar.parse(context_of(("switch_id", "d")), f"sw1,{value}\nsw2,0.5\n".encode(), 2)


def test_a_column_with_a_unit_is_read_as_numbers_until_a_cell_has_the_unit() -> None:
    """A unit in the settings alone does not make a column be read as text, which takes three times as long."""
    settings = ColumnSettings(units={"rx": "4.By", "heat": "C"})
    context = Context(recognise(["switch_id", "rx", "heat"], settings), Clock(NOW_US, "us"), Rejects())
    rows.learn_types(context, b"sw,1,37C\nsw,2,38\n", 2)
    assert context.with_units == {2}
    batch = columnar.parse(context, b"sw,1,37C\nsw,2,38\n", 2)
    assert [row[4] for row in rows_of(batch)] == [{"rx": 1, "heat": 37}, {"rx": 2, "heat": 38}]
    with pytest.raises(NeedsRows):
        columnar.parse(context, b"sw,5 4.By,1\n", 4)
    (late,), _ = rows.parse(context, b"sw,5 4.By,1\n", 4, last=True)
    assert [row[4] for row in rows_of(late)] == [{"rx": 5, "heat": 1}]
    assert context.with_units == {1, 2}
    assert [row[4] for row in rows_of(columnar.parse(context, b"sw,6 4.By,1\n", 5))] == [{"rx": 6, "heat": 1}]


def test_leaves_a_chunk_that_begins_with_a_byte_order_mark() -> None:
    """A mark at the beginning of a chunk is part of a name, though pyarrow would drop it."""
    with pytest.raises(NeedsRows):
        columnar.parse(context_of(("switch_id", "i")), "\ufeffsw1,5\n".encode(), 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "sw1\n",
        "sw1,5,6\n",
        "sw1,5\n\nsw2,6\n",
        "sw1,5\nsw2\n",
        '"sw1",5\n',
        "sw1,5\rsw2,6\n",
        "sw1,\x00\n",
        ",5\n",
    ],
)
def test_leaves_odd_rows(text: str) -> None:
    """Blank and ragged lines, quotes, control bytes and missing names are for the careful way."""
    with pytest.raises(NeedsRows):
        columnar.parse(context_of(("switch_id", "i")), text.encode(), 2)


def test_leaves_broken_utf8_and_long_lines() -> None:
    """So are names whose bytes are no text, and lines that are too long."""
    context = context_of(("switch_id", "note"))
    for chunk in (b"sw\xff,1\n", b"sw\xed\xa0\x80,1\n", b"sw1," + b"x" * MOST_LINE_BYTES + b"\n"):
        with pytest.raises(NeedsRows):
            columnar.parse(context, chunk, 2)


def test_ports_are_of_type_null_where_there_are_none() -> None:
    """A source without ports says so by the type of the column."""
    batch = columnar.parse(context_of(("switch_id", "i")), b"sw1,5\n", 2)
    assert pa.types.is_null(batch.rows.schema.field("port").type)
