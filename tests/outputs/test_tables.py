"""Lists as tables, and in pages: every form has the cells that the JSON list has."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from switchboard.outputs.arrow import render_arrow
from switchboard.outputs.json import encode_json, render_list
from switchboard.outputs.tables import FIXED, render_csv, render_ndjson, safe
from switchboard.selection.choose import Choice, Listed, Selector
from switchboard.selection.conditions import parse_condition
from switchboard.selection.globs import Names
from switchboard.selection.merge import merged_page_end
from switchboard.selection.pages import WHOLE, Page, Position, page_end
from switchboard.snapshot.snapshot import Snapshot
from tests.lab.fabric import DATA_SECONDS, Row, Value, row, snapshot
from tests.lab.fuzz import fuzz
from tests.lab.steps import pages_look_at, steps_of
from tests.outputs.test_json import CHOICES, STEPS, bodies, listed

ALL = Choice()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Line = dict[str, Any]


def sources(snapshots: Sequence[Snapshot], choice: Choice) -> list[Listed]:
    return [Listed(f"source{number}", Selector(each, choice)) for number, each in enumerate(snapshots)]


def ndjson_lines(snapshots: Sequence[Snapshot], choice: Choice, page: Page = WHOLE) -> list[Line]:
    text = b"".join(render_ndjson(sources(snapshots, choice), page))
    return [json.loads(line) for line in text.decode().split("\n") if line]


def csv_table(snapshots: Sequence[Snapshot], choice: Choice, page: Page = WHOLE) -> list[list[str]]:
    text = b"".join(render_csv(sources(snapshots, choice), page)).decode()
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def arrow_table(snapshots: Sequence[Snapshot], choice: Choice, page: Page = WHOLE) -> pa.Table:
    stream = b"".join(render_arrow(sources(snapshots, choice), page))
    assert stream.endswith(b"\xff\xff\xff\xff\0\0\0\0")
    table = pa.ipc.open_stream(stream).read_all()
    table.validate(full=True)
    return table


def text_of(value: Any) -> str:
    """A cell as CSV has it."""
    if isinstance(value, str):
        return safe(value) or ""
    return "" if value is None else repr(value)


@given(bodies(), CHOICES, st.integers(1, 12), STEPS)
@fuzz()
def test_a_table_has_the_cells_of_the_list(body: list[Row], choice: Choice, chunk: int, step: int) -> None:
    """NDJSON holds the rows of the JSON list in its order, cell for cell; CSV and Arrow hold those of NDJSON."""
    with steps_of(step):
        hold_the_same_cells(body, choice, chunk)


def hold_the_same_cells(body: list[Row], choice: Choice, chunk: int) -> None:
    held = snapshot(body, chunk=chunk)
    lines = ndjson_lines([held], choice)
    first_of = {(each.switch, each.port): each for each in reversed(body)}
    grouped: list[tuple[str, Any]] = []
    for line in lines:
        cells = {name: value for name, value in line.items() if name not in FIXED}
        switch, port = line["switch_id"], line.get("port")
        assert line["source"] == "source0"
        moment = EPOCH + timedelta(microseconds=first_of[switch, port].time_us)
        assert line["timestamp"] == moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        if not grouped or grouped[-1][0] != switch:
            grouped.append((switch, {}))
        grouped[-1][1].update(cells if port is None else {port: cells})
    assert [{switch: inner} for switch, inner in grouped] == json.loads(listed([held], choice))

    header, *rows = csv_table([held], choice)
    assert header == list(dict.fromkeys(header))
    assert [dict(zip(header, texts, strict=True)) for texts in rows] == [
        {name: text_of(line.get(name)) for name in header} for line in lines
    ]

    table = arrow_table([held], choice)
    assert table.column_names == header
    found = table.set_column(3, "timestamp", table.column(3).cast(pa.int64())).to_pylist()
    for line, got in zip(lines, found, strict=True):
        assert got.pop("timestamp") == first_of[line["switch_id"], line.get("port")].time_us
        del line["timestamp"]
        assert {name: value for name, value in got.items() if value is not None} == line


@given(st.lists(bodies(), min_size=1, max_size=2), CHOICES, st.integers(1, 5), STEPS, st.booleans())
@fuzz(0.8)
def test_pages_put_together_are_the_list(
    held: list[list[Row]], choice: Choice, limit: int, step: int, short: bool
) -> None:
    """Page after page, each with as many rows as asked for but the last one: the same rows in the same order.

    Where only so many rows may be looked at for a page, pages may be short or empty, and are the list all the same.
    """
    # Where one source has ports and another has none, a row of the switch itself may leave no trace.
    assume(len({body[0].port is None for body in held}) == 1)
    with steps_of(step), pages_look_at(4 if short else 1_000_000):
        make_up_the_list([snapshot(body) for body in held], choice, limit, short)


def make_up_the_list(held: list[Snapshot], choice: Choice, limit: int, short: bool) -> None:
    selectors = [Selector(each, choice) for each in held]

    rows: list[tuple[str, str | None, Line]] = []
    start: Position | None = Position()
    while start is not None:
        end = merged_page_end(selectors, start, limit)
        page = flat(b"".join(render_list(selectors, choice, Page(start, end))))
        assert len(page) == limit or end is None or (short and len(page) < limit)
        rows += page
        start = end
    assert rows == flat(listed(held, choice))

    lines: list[Line] = []
    start = Position()
    while start is not None:
        end = page_end(selectors, start, limit)
        some = ndjson_lines(held, choice, Page(start, end))
        assert alike(some, arrow_table(held, choice, Page(start, end)).to_pylist())
        assert len(some) == limit or end is None or (short and len(some) < limit)
        lines += some
        start = end
    assert lines == ndjson_lines(held, choice)


def flat(text: bytes) -> list[tuple[str, str | None, Line]]:
    """The rows of a JSON list. A switch without ports is one row."""
    found: list[tuple[str, str | None, Line]] = []
    for each in json.loads(text):
        for switch, inner in each.items():
            ports = {port: cells for port, cells in inner.items() if isinstance(cells, dict)}
            own = {name: value for name, value in inner.items() if name not in ports}
            if own or not ports:
                found.append((switch, None, own))
            found += [(switch, port, cells) for port, cells in ports.items()]
    return found


def alike(lines: list[Line], found: list[Line]) -> bool:
    """Whether rows of an Arrow table are those of NDJSON, but for what the one type of a column makes of a cell."""
    for line, got in zip(lines, found, strict=True):
        got["timestamp"] = got["timestamp"].isoformat(timespec="microseconds").replace("+00:00", "Z")
        cells = {name: value for name, value in got.items() if value is not None}
        for name, value in line.items():
            kind = str if isinstance(cells[name], str) else float if isinstance(cells[name], float) else Decimal
            if cells[name] != (
                encode_json(value).decode() if kind is str and not isinstance(value, str) else kind(value)
            ):
                return False
        if cells.keys() != line.keys():
            return False
    return True


def test_every_source_has_its_rows() -> None:
    """Rows of all sources, in their order of precedence, under their names; the columns are those of all."""
    held = [snapshot([row("sw1", "1", rx=1), row("sw2", "1", rx=2)]), snapshot([row("sw1", "1", tx=3.5)])]
    assert [list(line.values())[0:3] + list(line.values())[4:] for line in ndjson_lines(held, ALL)] == [
        ["source0", "sw1", "1", 1],
        ["source0", "sw2", "1", 2],
        ["source1", "sw1", "1", 3.5],
    ]
    assert csv_table(held, ALL) == [
        ["source", "switch_id", "port", "timestamp", "rx", "tx"],
        ["source0", "sw1", "1", "2026-11-23T18:53:20.000000Z", "1", ""],
        ["source0", "sw2", "1", "2026-11-23T18:53:20.000000Z", "2", ""],
        ["source1", "sw1", "1", "2026-11-23T18:53:20.000000Z", "", "3.5"],
    ]
    table = arrow_table(held, ALL)
    assert table.schema.types == [pa.string()] * 3 + [pa.timestamp("us", "UTC"), pa.int64(), pa.float64()]
    assert table.column("tx").to_pylist() == [None, None, 3.5]
    assert table.column("timestamp")[0].as_py() == datetime.fromtimestamp(DATA_SECONDS, UTC)


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ((-5, 2**63), pa.decimal128(20, 0), [Decimal(-5), Decimal(2**63)]),
        ((5, 2**64 - 1), pa.uint64(), [5, 2**64 - 1]),
        ((2**63 - 1, -(2**63)), pa.int64(), [2**63 - 1, -(2**63)]),
        ((5, 0.5), pa.float64(), [5.0, 0.5]),
        ((2**53 + 1, 0.5), pa.float64(), [2.0**53, 0.5]),
        ((2**64 - 1, 0.5), pa.float64(), [2.0**64, 0.5]),
        (("a", 0.1), pa.string(), ["a", "0.1"]),
        (("", 2**64 - 1), pa.string(), [None, "18446744073709551615"]),
        ((None, 7), pa.int64(), [None, 7]),
    ],
)
def test_arrow_has_one_type_a_column(values: tuple[Value, Value], kind: pa.DataType, found: list[Any]) -> None:
    """Several types make the narrowest one that has all values; where digits are lost the field says so."""
    held = [snapshot([row("sw", x=value, one=1)]) for value in values]
    table = arrow_table(held, Choice(metrics=Names(frozenset({"x", "one"}))))
    field = table.schema.field("x")
    assert (field.type, table.column("x").to_pylist()) == (kind, found)
    rounded = any(isinstance(value, int) and value > 2**53 for value in values) and pa.types.is_floating(kind)
    assert field.metadata == ({b"rounded": b"integers beyond 2**53"} if rounded else None)
    exact = [line.get("x") for line in ndjson_lines(held, Choice(metrics=Names(frozenset({"x", "one"}))))]
    assert exact == [None if value == "" else value for value in values]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx", "\nx", "  =1+1", "\xa0@a", "\uff1d1+1"])
def test_no_text_is_a_formula_in_csv(text: str) -> None:
    """Whatever a spreadsheet would run has a ' before it, wherever it stands; numbers are as they are."""
    name = f"{text}!"
    held = snapshot([Row(text, {name: text, "n": -1, "f": -0.5}, text)])
    choice = Choice(metrics=Names(frozenset({name, "n", "f"})))
    header, cells = csv_table([held], choice)
    assert header[4:] == [f"'{name}", "n", "f"]
    assert cells[1:3] + cells[4:] == [f"'{text}", f"'{text}", f"'{text}", "-1", "-0.5"]
    (line,) = ndjson_lines([held], choice)
    assert (line["switch_id"], line[name]) == (text, text)


def test_csv_is_quoted_where_it_has_to_be() -> None:
    """Commas, quotes and line ends are read back as they were."""
    texts = ["a,b", 'say "x"', "two\r\nlines", "two\nlines", "cr\rcr", " blank "]
    held = snapshot([row(text, state=text) for text in texts])
    rows = csv_table([held], Choice(metrics=Names(frozenset({"state"}))))[1:]
    assert [(cells[1], cells[4]) for cells in rows] == [(text, text) for text in texts]


def test_a_column_that_is_called_like_a_fixed_one_has_another_name() -> None:
    """The first four columns are always ours."""
    held = snapshot([row("sw1", source=1, port_=2, timestamp=3)])
    held.blocks[0].metrics["port"] = held.blocks[0].metrics.pop("port_")
    (line,) = ndjson_lines([held], ALL)
    assert line["source"] == "source0"
    assert (line["source_"], line["timestamp_"], line["port_"]) == (1, 3, 2)
    assert csv_table([held], ALL)[0][4:] == ["source_", "timestamp_", "port_"]


@pytest.mark.parametrize("render", [render_ndjson, render_csv, render_arrow])
def test_small_tables_come_in_one_piece_and_large_ones_in_many(render: Any) -> None:
    """So a small one has a length, and a large one does not hold the event loop."""
    small = snapshot([row(f"sw{number}", a=number, b=0.5) for number in range(100)])
    assert len(list(render(sources([small], ALL)))) <= 3  # cost of a step, and end, may be pieces of their own
    if render is render_arrow:
        assert len(list(pa.ipc.open_stream(b"".join(render(sources([small], ALL)))))) == 1
    large = snapshot([Row(f"sw{number}", {f"m{at}": number for at in range(60)}) for number in range(5000)])
    pieces = list(render(sources([large], ALL)))
    assert len(pieces) >= 3
    assert max(map(len, pieces)) < 2 << 20


@pytest.mark.parametrize("render", [render_ndjson, render_csv, render_arrow])
def test_a_table_without_rows_has_its_columns_all_the_same(render: Any) -> None:
    """A page without rows has the header or the schema of the others."""
    held = snapshot([row("sw1", a=1, b=0.5)])
    nothing = Choice(switches=Names(frozenset({"none"})))
    body = b"".join(render(sources([held], nothing)))
    if render is render_ndjson:
        assert body == b""
    elif render is render_csv:
        assert body == b"source,switch_id,port,timestamp,a,b\r\n"
    else:
        table = pa.ipc.open_stream(body).read_all()
        assert (table.num_rows, table.column_names) == (0, [*FIXED, "a", "b"])


def test_an_empty_snapshot_is_an_empty_table() -> None:
    """No block, no column."""
    held = snapshot([])
    assert ndjson_lines([held], ALL) == []
    assert csv_table([held], ALL) == [list(FIXED)]
    assert arrow_table([held], ALL).num_rows == 0


RARE = [
    Choice(switches=Names(globs=(f"*{'*s' * 120}",))),
    Choice(ports=Names(globs=("*z*",) * 16)),
    Choice(where=(parse_condition("n<0"),) * 16),
]


@pytest.mark.parametrize("choice", RARE)
@pytest.mark.parametrize("both", [False, True])
def test_a_page_looks_at_fewer_rows_where_each_costs_more(choice: Choice, both: bool) -> None:
    """The event loop waits for the end of a page, however long the patterns, the conditions or the list."""
    body = [row(f"sw{number}", "1", n=number) for number in range(12_000)]
    held = [snapshot(body)] * (1 + both)
    start, end, pages = Position(), merged_page_end([Selector(each, choice) for each in held], Position(), 10), 0
    while end is not None:
        assert 0 < (end.row - start.row if end.source == start.source else end.row) <= 8192
        start, end, pages = end, merged_page_end([Selector(each, choice) for each in held], end, 10), pages + 1
    assert pages > 0
    costs_nothing = Choice(switches=Names(frozenset({"sw11999"})))
    assert merged_page_end([Selector(each, costs_nothing) for each in held], Position(), 10) is None


@pytest.mark.parametrize("choice", RARE)
@pytest.mark.parametrize("render", [render_ndjson, render_csv, render_arrow])
def test_a_piece_is_one_step_where_that_costs_much(render: Any, choice: Choice) -> None:
    """Others have their turn between two steps, though nothing was found."""
    held = snapshot([row(f"sw{number}", "1", n=number) for number in range(10_000)])
    assert len(list(render(sources([held], choice)))) >= 4
    assert len(list(render_list([Selector(held, choice)], choice))) >= 4


@pytest.mark.parametrize("both", [False, True])
def test_rows_that_are_far_apart_cost_more(both: bool) -> None:
    """A body may name all switches once for each port: then pages and pieces have fewer rows."""
    held = [snapshot([row(f"sw{at % 2000}", str(at // 2000), a=at, b=at, c=at) for at in range(16_000)])] * (1 + both)
    choice = Choice(where=(parse_condition("a<0"),))
    end = merged_page_end([Selector(each, choice) for each in held], Position(), 10)
    assert end is not None
    assert end.row <= 6144
    pieces = list(render_arrow(sources(held, ALL)))
    assert len(pieces) >= 12
    assert arrow_table(held, ALL).num_rows == 16_000 * len(held)
