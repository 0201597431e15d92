"""Lists and cells as JSON text, against a plain reference."""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.outputs.json import encode_json, render_list
from switchboard.selection import cost
from switchboard.selection.cells import find_cells
from switchboard.selection.choose import Choice, Selector
from switchboard.selection.conditions import Condition, parse_condition
from switchboard.selection.globs import Names
from switchboard.selection.pages import WHOLE, Page
from switchboard.snapshot.snapshot import Snapshot
from tests.lab.fabric import Row, Value, row, snapshot
from tests.lab.fuzz import fuzz
from tests.lab.steps import steps_of

SWITCHES = ["sw1", "sw2", 'é"\\\n', ""]
METRICS = ["errors", "load", 'odd "name"', ""]
PORTS = ["1", "2", "p/3"]
INTEGERS = st.integers(-(2**63), 2**63 - 1)
UNSIGNED = st.integers(0, 2**64 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.sampled_from(["", "NA", "7", 'é"\\', "a,b"])


@st.composite
def bodies(draw: st.DrawFn) -> list[Row]:
    """Rows in any order, with duplicates and missing cells, each column of one type."""
    kinds = {name: st.none() | draw(st.sampled_from([INTEGERS, UNSIGNED, FLOATS, TEXTS])) for name in METRICS}
    names = draw(st.lists(st.sampled_from(METRICS), min_size=1, unique=True))
    ports = st.sampled_from(PORTS) if draw(st.booleans()) else st.none()
    one = st.builds(
        Row,
        switch=st.sampled_from(SWITCHES),
        cells=st.tuples(*(kinds[name] for name in names)).map(lambda values: dict(zip(names, values, strict=True))),
        port=ports,
        time_us=st.integers(0, 5),
    )
    return draw(st.lists(one, min_size=1, max_size=30))


GLOBS = st.text("swerdm12/*?", max_size=5) | st.sampled_from(["*", "?", "s*", "*2", "*e*", "sw?"])


def chosen(values: list[str]) -> st.SearchStrategy[Names | None]:
    """Nothing (all), or some of the values and one that does not exist, and maybe patterns."""
    names = st.frozensets(st.sampled_from([*values, "none"]), min_size=1)
    return st.none() | names.map(Names) | st.builds(Names, names, st.lists(GLOBS, max_size=2).map(tuple))


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    """A condition on one of the columns, with a value that is often near those of the cells."""
    number = st.sampled_from(["0", "-1", "7", "0.5", "9223372036854775807", "18446744073709551615", "1e300", "2.5e-1"])
    operators = [">", ">=", "<", "<=", "=", "!="]
    metric = draw(st.sampled_from([name for name in METRICS if name]))
    if draw(st.integers(0, 3)):
        return parse_condition(f"{metric}{draw(st.sampled_from(operators))}{draw(number)}")
    return parse_condition(f"{metric}{draw(st.sampled_from(operators[4:]))}{draw(st.sampled_from(['NA', 'a,b']))}")


STEPS = st.sampled_from([1, 2, 3, 5, 100])
CHOICES = st.builds(
    Choice,
    switches=chosen(SWITCHES),
    metrics=chosen(METRICS),
    ports=chosen(PORTS),
    since_us=st.none() | st.integers(-1, 6),
    where=st.just(()) | st.lists(conditions(), max_size=2).map(tuple),
)
_OPERATORS = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


def has(names: Names | None, name: str | None) -> bool:
    """Whether a name is one of those that are asked for; ``fnmatchcase`` is what patterns are measured by."""
    if names is None:
        return True
    return name is not None and (
        name in names.exact or any(fnmatchcase(name, glob.replace("[", "[[]")) for glob in names.globs)
    )


def meets(value: Value, condition: Condition) -> bool:
    """Whether a cell meets a condition."""
    if value is None or value == "":
        return False
    if isinstance(value, str):
        return condition.op in {"=", "!="} and (value == condition.value) is (condition.op == "=")
    if condition.number is None:
        return condition.op == "!="
    other = float(condition.number) if isinstance(value, float) else Fraction(condition.number)
    return bool(_OPERATORS[condition.op](value, other))


def listed(snapshots: Sequence[Snapshot], choice: Choice, page: Page = WHOLE) -> bytes:
    """The text of a list."""
    return b"".join(render_list([Selector(each, choice) for each in snapshots], choice, page))


def reference(bodies: Sequence[Sequence[Row]], choice: Choice) -> list[dict[str, Any]]:
    """The list as it is defined, row by row."""
    every: dict[str, dict[Any, dict[str, Value]]] = {each.switch: {} for body in bodies for each in body}
    shown: dict[str, dict[Any, dict[str, Value]]] = {switch: {} for switch in every}
    for body in bodies:
        seen = set()
        order: dict[str, list[Row]] = {}
        for each in body:
            order.setdefault(each.switch, []).append(each)
        for each in chain.from_iterable(order.values()):
            if (each.switch, each.port) in seen:
                continue
            seen.add((each.switch, each.port))
            if (
                not has(choice.switches, each.switch)
                or (choice.ports is not None and not has(choice.ports, each.port))
                or (choice.since_us is not None and each.time_us <= choice.since_us)
            ):
                continue
            labels_first = sorted(each.cells.items(), key=lambda cell: not isinstance(cell[1], str))
            present = {name: value for name, value in labels_first if value not in (None, "")}
            known = every[each.switch].setdefault(each.port, {})
            for name, value in present.items():
                known.setdefault(name, value)
            cells = {
                name: value
                for name, value in present.items()
                if (not isinstance(value, str) if choice.metrics is None else has(choice.metrics, name))
            }
            if choice.metrics is None or cells:
                known = shown[each.switch].setdefault(each.port, {})
                for name, value in cells.items():
                    known.setdefault(name, value)
    return [
        {switch: rows.pop(None, {}) | rows}
        for switch, found in shown.items()
        if (
            rows := {
                port: cells
                for port, cells in found.items()
                if all(meets(every[switch][port].get(each.metric), each) for each in choice.where)
            }
        )
    ]


def exactly(value: Any) -> Any:
    """A value in a form that tells integers from floats, and keeps the order of keys."""
    if isinstance(value, dict):
        return [(name, exactly(inner)) for name, inner in value.items()]
    if isinstance(value, list):
        return [exactly(inner) for inner in value]
    return type(value).__name__, repr(value)


@given(bodies(), CHOICES, st.integers(1, 12), STEPS)
@fuzz(2)
def test_a_list_is_what_its_rows_say(body: list[Row], choice: Choice, chunk: int, step: int) -> None:
    """Any rows in any order, cut anywhere: the text reads back as the same switches, ports, integers and floats."""
    with steps_of(step):
        text = listed([snapshot(body, chunk=chunk)], choice)
    assert text.endswith(b"]\n")
    assert exactly(json.loads(text)) == exactly(reference([body], choice))


@given(bodies(), bodies(), CHOICES, STEPS)
@fuzz()
def test_of_two_snapshots_the_first_counts(first: list[Row], second: list[Row], choice: Choice, step: int) -> None:
    """Cells of both are there, a switch once, and where both have a cell it is the first one's."""
    with steps_of(step):
        text = listed([snapshot(first), snapshot(second)], choice)
    found = {switch: inner for each in json.loads(text) for switch, inner in each.items()}
    expected = {switch: inner for each in reference([first, second], choice) for switch, inner in each.items()}
    # Inside a switch the order is not defined where only one source has ports.
    assert found == expected
    if choice.since_us is None:  # else a snapshot without any later row is left out, and its order with it
        assert list(found) == list(expected)


@given(bodies(), st.sampled_from(SWITCHES), st.sampled_from(METRICS), st.none() | st.sampled_from(PORTS))
@fuzz()
def test_a_cell_is_the_same_as_in_the_list(body: list[Row], switch: str, metric: str, port: str | None) -> None:
    """Asked one by one, cells are those of the list."""
    cells, matched = find_cells(snapshot(body), switch, metric, port)
    rows = {each.port: each for each in reversed(body) if each.switch == switch and port in (None, each.port)}
    assert matched == bool(rows)
    expected = {name: each.cells.get(metric) for name, each in rows.items()}
    assert cells == {name: value for name, value in expected.items() if value not in (None, "")}


def test_a_column_may_be_a_label_in_one_block_and_a_metric_in_another() -> None:
    """A column whose values change between number and text says in each row what it has there."""
    body = [
        row("sw1", "1", opcode=23, rx=1),
        row("sw1", "2", opcode="Cable_was_unplugged", rx=2),
        row("sw1", "3", opcode="", rx=3),
        row("sw1", "4", opcode=0, rx=4),
    ]
    held = snapshot(body, chunk=1)
    assert len(held.blocks) == 3
    cells = {"1": 23, "2": "Cable_was_unplugged", "4": 0}
    assert find_cells(held, "sw1", "opcode", None) == (cells, True)
    named = listed([held], Choice(metrics=Names(frozenset({"opcode"}))))
    assert json.loads(named) == [{"sw1": {port: {"opcode": value} for port, value in cells.items()}}]
    everything = listed([held], Choice())
    assert json.loads(everything) == [
        {"sw1": {"1": {"rx": 1, "opcode": 23}, "2": {"rx": 2}, "3": {"rx": 3}, "4": {"rx": 4, "opcode": 0}}}
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3704.32, b"3704.32"),
        (0.1 + 0.2, b"0.30000000000000004"),
        (5.0, b"5.0"),
        (2**53 + 1, b"9007199254740993"),
        (2**64 - 1, b"18446744073709551615"),
        (-(2**63), b"-9223372036854775808"),
    ],
)
def test_numbers_have_their_shortest_text(value: float, text: bytes) -> None:
    """Integers keep every digit, floats have as many as it takes to read back the same one."""
    assert encode_json(value) == text


def test_a_long_list_comes_in_pieces() -> None:
    """No piece holds much more than PIECE_CELLS cells, whether there are many switches or one with many ports."""
    wide: dict[str, Value] = {f"m{number}": number for number in range(50)}
    for rows in (
        [Row(f"sw{number}", wide) for number in range(1500)],
        [Row("sw", wide, str(number)) for number in range(1500)],
    ):
        pieces = list(render_list([Selector(snapshot(rows), Choice())], Choice()))
        most = max(piece.count(b'"m') for piece in pieces)
        assert most <= 2 * cost.PIECE_CELLS
        assert len(json.loads(b"".join(pieces))) == len({each.switch for each in rows})


@pytest.mark.parametrize(
    "choice", [Choice(metrics=Names(frozenset({"x"}))), Choice(ports=Names(frozenset({"x"}))), Choice(since_us=8)]
)
def test_a_long_search_comes_in_pieces_too(choice: Choice) -> None:
    """Rows that are looked at and left out end a piece as well, so that no filter holds the event loop."""
    body = [Row(f"sw{number}", {"errors": 1}, time_us=number % 9) for number in range(24_000)]
    body.append(Row("last", {"errors": 2}, time_us=9))
    pieces = list(render_list([Selector(snapshot(body), choice)], choice))
    assert len(pieces) > 2
    assert b"".join(pieces) == (b'[{"last":{"errors":2}}]\n' if choice.since_us else b"[]\n")


def test_a_snapshot_without_later_rows_is_not_searched() -> None:
    """Whether any row is later than ``since`` is known from the manifest."""
    body = [row(f"sw{number}", errors=1) for number in range(3000)]
    held = snapshot(body)
    choice = Choice(since_us=held.manifest.data_max_us)
    assert list(render_list([Selector(held, choice)], choice)) == [b"[]\n"]
    assert not list(Selector(held, choice).steps())
