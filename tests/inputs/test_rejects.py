"""Rejects: counted all, remembered a few."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from switchboard.inputs import rejects as module
from switchboard.inputs.rejects import MOST_EXAMPLES, MOST_EXAMPLES_OF_REASON, MOST_VALUE_CHARACTERS, Rejects
from switchboard.model import Reject
from switchboard.reasons import REASONS, explain
from tests.lab.parsing import parse


def test_counts_all_and_keeps_the_first() -> None:
    """A body of bad rows costs a counter, not memory."""
    rejects = Rejects()
    for line in range(10 * MOST_EXAMPLES):
        rejects.add("columns" if line % 2 else "no_switch", line)
    assert rejects.counts == {"columns": 5 * MOST_EXAMPLES, "no_switch": 5 * MOST_EXAMPLES}
    assert [example.line for example in rejects.examples] == list(range(2 * MOST_EXAMPLES_OF_REASON))


def test_many_reasons_are_no_more_than_so_many_examples() -> None:
    """However many reasons there are, the number of examples is bounded."""
    rejects = Rejects()
    for line in range(10 * MOST_EXAMPLES):
        rejects.add(str(line % 10), line)
    assert len(rejects.examples) == MOST_EXAMPLES


def test_some_of_the_examples_show_every_reason() -> None:
    """Few examples are chosen so that a rare reason is among them, and stay in the order of the body."""
    rejects = Rejects()
    for line in range(2, 22):
        rejects.add("columns", line)
    rejects.add("bad_number", 30, "a", "x")
    assert [(each.line, each.reason) for each in rejects.some(3)] == [
        (2, "columns"),
        (3, "columns"),
        (30, "bad_number"),
    ]


def test_rows_and_cells_are_told_apart() -> None:
    """A reject of a cell does not drop its row; a reason that nobody knows is taken for one that does."""
    rejects = Rejects()
    for reason in ("bad_number", "not_finite", "out_of_range", "columns", "future", "something new"):
        rejects.add(reason, 2)
    assert rejects.rows == 3


@pytest.mark.parametrize(
    ("switches", "only"),
    [(["a", "a"], "a"), (["a", "b"], ""), (["a", "b", "a"], ""), (["", "a"], ""), (["a", ""], ""), ([], "")],
)
def test_whose_the_rejects_are_is_known_if_all_are_of_one_switch(switches: list[str], only: str) -> None:
    """Of each reason, and of several; a reject that nobody is known for may be anybody's."""
    rejects = Rejects()
    rejects.add("future", 1, switch="other")
    for line, switch in enumerate(switches):
        rejects.add("columns" if line % 2 else "control", line, switch=switch)
    assert rejects.only_switch(["columns", "control"]) == only
    assert rejects.only_switch(["future"]) == "other"
    rejects.count("future", 5, iter(["other", "other"]))
    assert rejects.only_switch(["future"]) == "other"
    rejects.count("future", 1)
    assert rejects.only_switch(["future"]) == ""


def test_every_reason_of_the_parser_is_explained() -> None:
    """Each word that a parser uses as a reason has a meaning and an advice."""
    folder = Path(module.__file__).parent
    text = "".join(path.read_text() for path in folder.rglob("*.py") if path.name != "rejects.py")
    used = set(re.findall(r'rejects\.add\("(\w+)"', text)) | set(re.findall(r'reason(?:, at)? = "(\w+)"', text))
    assert used
    assert used - set(REASONS) == set()


def test_a_reject_is_a_sentence_to_act_on() -> None:
    """The sentence has the place, the value, what is wrong, what became of it and what may help."""
    assert explain(Reject(reason="bad_number", line=7, column="speed", value="fast")) == (
        "Line 7, column speed: 'fast' is not a decimal number; the cell is missing, the row is kept. "
        "What may help: if the column is text, name it in columns.labels."
    )
    assert explain(Reject(reason="columns", line=3, value="a,b")) == (
        "Line 3: 'a,b' has another number of cells than the header; the row is left out. "
        "What may help: cells with a comma in them have to be quoted."
    )
    assert "cannot be used" in explain(Reject(reason="something new", line=3))


def test_values_are_shortened_and_always_text() -> None:
    """A long value is cut, and bytes that are no UTF-8 are shown by their codes."""
    rejects = Rejects()
    rejects.add("bad_number", 2, "a", "9" * 500)
    rejects.add("bad_utf8", 3, value=b"sw\xff\xc3\xa9")
    long, broken = rejects.examples
    assert (len(long.value), long.value[-2:]) == (MOST_VALUE_CHARACTERS, "9…")
    assert broken == Reject(reason="bad_utf8", line=3, column="", value="sw\\xffé")


def test_says_in_one_sentence_what_is_wrong() -> None:
    """Counts by reason, then the place of the first; or that there is none."""
    rejects = Rejects()
    assert str(rejects) == "none"
    rejects.add("bad_number", 7, "latency_ms", "37C")
    rejects.add("bad_number", 9, "latency_ms", "38C")
    assert str(rejects) == "bad_number: 2; first: line 7, column 'latency_ms': bad_number '37C'"


def test_the_first_of_a_body_are_kept() -> None:
    """The examples of a body with many bad rows are those at its beginning."""
    parsed = parse(b"switch_id,a\nsw0,1\n" + b"x\n" * 500)
    assert [line for line, *_ in parsed.rejects] == list(range(3, 3 + MOST_EXAMPLES_OF_REASON))
    assert parsed.parser.rejects.counts == {"columns": 500}
