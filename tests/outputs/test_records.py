"""Records as tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from switchboard.outputs.formats import DEFAULT_FORMAT, FORMATS
from switchboard.outputs.records import Field, Kind, write_records

FIELDS = (Field("name", Kind.TEXT), Field("time", Kind.TIME), Field("count", Kind.COUNT), Field("value", Kind.VALUE))


def written(format: str, *values: Any) -> bytes:
    """A record for each value, in batches of two, an empty one between them."""
    records = [(f"n{at}", at, None, value) for at, value in enumerate(values)]
    batches: list[Sequence[Any]] = []
    for start in range(0, len(records), 2):
        batches += [records[start : start + 2], []]
    return b"".join(write_records(format, FIELDS, batches))


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ((1, None, -2), pa.int64(), [1, None, -2]),
        ((2**64 - 1, 0), pa.uint64(), [2**64 - 1, 0]),
        ((2**64 - 1, -1), pa.decimal128(20, 0), [Decimal(2**64 - 1), Decimal(-1)]),
        ((1, 0.5), pa.float64(), [1.0, 0.5]),
        ((1, 0.5, "up"), pa.string(), ["1", "0.5", "up"]),
        ((None,), pa.int64(), [None]),
        ((), pa.int64(), []),
    ],
)
def test_arrow_has_one_type_a_column(values: Sequence[Any], kind: pa.DataType, found: list[Any]) -> None:
    """It holds the values of all batches, also of those that come later."""
    table = pa.ipc.open_stream(written("arrow", *values)).read_all()
    assert table.column_names == [field.name for field in FIELDS]
    assert table.schema.field("value").type == kind
    assert table.column("value").to_pylist() == found
    assert table.column("time").cast(pa.int64()).to_pylist() == list(range(len(values)))
    assert table.column("count").null_count == len(values)


@pytest.mark.parametrize(
    ("values", "rounded"), [((0.5, 2**53), False), ((0.5, 2**53 + 1), True), ((0.5, -(2**60)), True)]
)
def test_arrow_says_where_integers_were_rounded(values: Sequence[Any], rounded: bool) -> None:
    """As the lists do: a column of doubles cannot hold every integer."""
    metadata = pa.ipc.open_stream(written("arrow", *values)).schema.field("value").metadata
    assert (metadata is not None and b"rounded" in metadata) is rounded


def test_every_format_has_a_writer_of_records() -> None:
    """A client may choose any format where it may choose one; JSON has shapes of its own."""
    for format in FORMATS.keys() - {DEFAULT_FORMAT}:
        assert b"".join(write_records(format, FIELDS, [[("a", 0, 1, 2)]]))


def test_lines_have_the_cells_that_are_there() -> None:
    """NDJSON leaves out what is missing, CSV leaves its place empty; no text of either is a formula."""
    lines = [json.loads(line) for line in written("ndjson", 2**64 - 1, None, "=1").splitlines()]
    assert lines == [
        {"name": "n0", "time": "1970-01-01T00:00:00.000000Z", "value": 2**64 - 1},
        {"name": "n1", "time": "1970-01-01T00:00:00.000001Z"},
        {"name": "n2", "time": "1970-01-01T00:00:00.000002Z", "value": "=1"},
    ]
    rows = list(csv.reader(io.StringIO(written("csv", 2**64 - 1, None, "=1").decode())))
    assert rows[0] == ["name", "time", "count", "value"]
    assert [row[2:] for row in rows[1:]] == [["", str(2**64 - 1)], ["", ""], ["", "'=1"]]


@pytest.mark.parametrize("format", ["ndjson", "csv", "arrow"])
def test_a_table_comes_in_pieces(format: str) -> None:
    """A batch is written when it is asked for; many of them never hold others up as one piece."""
    batches = ([(f"n{at}", at, at, at) for at in range(100)] for _ in range(50))
    pieces = list(write_records(format, FIELDS, batches))
    assert len(pieces) >= 50
    assert max(map(len, pieces)) < 20_000
