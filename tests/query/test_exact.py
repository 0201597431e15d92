"""A column with numbers that no single type holds, asked for in every way: the answer is what the cell says."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pyarrow as pa
import pytest

from switchboard.view.sources import Loaded, SourceView
from switchboard.view.view import View
from tests.lab.fabric import DATA_SECONDS, row, source, view
from tests.lab.snapshots import pack, round_trip
from tests.query.test_lists import ask, body

SIGNED = ["-1", str(2**64 - 1), str(-(2**63)), str(2**63)] * 50
DECIMAL = ["0.5", str(2**53 + 1)] * 100


def of_cells(cells: list[str], name: str = "fabric") -> SourceView:
    """A source with a switch per cell."""
    text = "switch_id,rx\n" + "".join(f"s{at},{cell}\n" for at, cell in enumerate(cells))
    empty = source(name, [row("x", rx=1)])
    return replace(empty, loaded=Loaded(round_trip(pack(text.encode())), DATA_SECONDS + 10))


def whole(seen: View, target: str) -> bytes:
    """A body as it is sent."""
    answer = ask(seen, target)
    pieces = answer.body
    if isinstance(pieces, bytes):
        return pieces
    while not pieces.advance():  # type: ignore[union-attr]
        pass
    return pieces.content or b""  # type: ignore[union-attr]


@pytest.mark.parametrize("cells", [SIGNED, DECIMAL], ids=["signed and unsigned", "decimals and large integers"])
def test_every_format_has_the_digits_of_the_cell(cells: list[str]) -> None:
    """One cell, all cells as JSON, as lines, as CSV: digit by digit what the source wrote."""
    seen = view(of_cells(cells))
    assert [whole(seen, f"GetMetric?switch_id=s{at}&metric=rx").decode() for at in range(len(cells))] == cells
    listed = json.loads(whole(seen, "ListMetrics"), parse_float=str, parse_int=str)
    assert [each[f"s{at}"]["rx"] for at, each in enumerate(listed)] == cells
    lines = [
        json.loads(line, parse_float=str, parse_int=str)
        for line in whole(seen, "ListMetrics?format=ndjson").splitlines()
    ]
    assert [line["rx"] for line in lines] == cells
    table = list(csv.DictReader(io.StringIO(whole(seen, "ListMetrics?format=csv").decode())))
    assert [line["rx"] for line in table] == cells


def test_arrow_is_exact_for_integers_and_says_where_it_rounds() -> None:
    """Integers of both kinds are decimals; beside a double, an integer is rounded, and the field says so."""
    with pa.ipc.open_stream(whole(view(of_cells(SIGNED)), "ListMetrics?format=arrow")) as stream:
        assert [str(value) for value in stream.read_all()["rx"].to_pylist()] == SIGNED
    with pa.ipc.open_stream(whole(view(of_cells(DECIMAL)), "ListMetrics?format=arrow")) as stream:
        assert stream.schema.field("rx").metadata == {b"rounded": b"integers beyond 2**53"}


@pytest.mark.parametrize(
    ("cells", "condition", "met"),
    [
        (SIGNED, "rx=18446744073709551615", {str(2**64 - 1)}),
        (SIGNED, "rx>18446744073709551614", {str(2**64 - 1)}),
        (SIGNED, "rx<0", {"-1", str(-(2**63))}),
        (SIGNED, "rx>=9223372036854775808", {str(2**63), str(2**64 - 1)}),
        (DECIMAL, "rx=9007199254740993", {str(2**53 + 1)}),
        (DECIMAL, "rx=9007199254740992", set()),
        (DECIMAL, "rx<1", {"0.5"}),
    ],
)
def test_conditions_compare_exactly(cells: list[str], condition: str, met: set[str]) -> None:
    """A condition meets what it names, to the last digit."""
    asked = condition.replace("<", "%3C").replace(">", "%3E").replace("=", "%3D")
    text = whole(view(of_cells(cells)), f"ListMetrics?format=csv&where={asked}").decode()
    found = [line["rx"] for line in csv.DictReader(io.StringIO(text))]
    assert found == [cell for cell in cells if cell in met]


def test_rankings_and_sources_with_other_types_compare_exactly() -> None:
    """The highest and the lowest of two sources, one with integers and one with decimals as well."""
    seen = view(of_cells(SIGNED, "one"), of_cells(DECIMAL, "other"))
    top = json.loads(whole(seen, "TopMetrics?metric=rx&n=3&source=one"), parse_int=str)
    assert [each["value"] for each in top] == [str(2**64 - 1)] * 3
    top = json.loads(whole(seen, "TopMetrics?metric=rx&n=101&source=other"), parse_int=str, parse_float=str)
    assert [each["value"] for each in top] == [str(2**53 + 1)] * 100 + ["0.5"]
    low = json.loads(whole(seen, "TopMetrics?metric=rx&n=1&order=asc"), parse_int=str)
    assert [each["value"] for each in low] == [str(-(2**63))]
    assert body(ask(seen, "GetMetric?switch_id=s1&metric=rx&source=other")) == 2**53 + 1
