"""docs/troubleshooting.md has each sentence that the program can say when something is wrong, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.lab.sentences import Sentence, in_module, sentences

PAGE = Path(__file__).parent.parent / "docs" / "troubleshooting.md"
HEADLINE = ["it says", "it means", "what helps"]
NOT_SAID = {
    # what the members of an enumeration mean, for readers of the code
    "in the event loop, in the callback that brings the request",
    "in a thread: it takes longer than an event loop may be held",
    "the query cannot be read, or asks for something impossible",
    "what the query names does not exist",
    "the snapshot that the query names is no longer kept",
    "the answer would be too large",
    "no live snapshot can answer",
    "a number greater than before",
    "the number that was confirmed last",
    "a lesser number, while the snapshot that was confirmed last lives",
    "its age cannot be told; that of the next number can",
    # what is there when all is well
    "The same as a page, with a form to try each endpoint",
    "The style of that page",
    "The script of that page",
    "Switchboard is up. Ctrl-C stops everything.",
    "* is any text, ? any character, and a name that exists as it is written is that name",
    "GET /counters the counters of all switches, text/csv",
    "GET /faults what goes wrong; PUT, POST and DELETE change it",
    "GET /health OK while the process lives GET /metrics what the generator tells of itself",
    # the form of what is sent
    "text/csv; charset=utf-8",
    "text/csv, text/plain;q=0.9, */*;q=0.1",
    "<!DOCTYPE html> <html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>",
    # names of settings, put into a sentence
    "--redis-url, SWITCHBOARD_REDIS_URL",
    # the words of a library, which ours take the place of
    "Expected `str` of length >= 1",
    "Integer value out of range",
    # the description of a column of Arrow
    "microseconds since the epoch",
    "a cell of a snapshot",
    # an error that is caught where it is raised
    "no switch_id",
}
"""Texts of the code that are no sentence of the program, by why they are none."""


def _rows() -> list[list[str]]:
    """The rows of the tables of sentences, without their headlines."""
    rows: list[list[str]] = []
    tables = re.findall(r"(?:^\|.*\n)+", PAGE.read_text("utf-8"), re.MULTILINE)
    for table in tables:
        headline, _, *others = (
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()
        )
        if headline == HEADLINE:
            rows += others
    return rows


def _text(cell: str) -> str:
    """What a cell in code marks shows."""
    return " ".join(cell.strip("`").replace("\\|", "|").split())


ROWS = _rows()
SAID = [sentence for sentence in sentences() if sentence.text not in NOT_SAID]


def test_every_sentence_is_explained() -> None:
    explained = {_text(cell) for cells in ROWS for cell in cells}
    missing = sorted(f"{place}: {text}" for text, place in SAID if text not in explained)
    assert not missing, "docs/troubleshooting.md does not have:\n" + "\n".join(missing)


def test_no_sentence_is_explained_that_is_not_said() -> None:
    said = {text for text, _ in SAID}
    assert [cells[0] for cells in ROWS if _text(cells[0]) not in said] == []


def test_every_sentence_is_explained_once() -> None:
    texts = [_text(cells[0]) for cells in ROWS]
    assert sorted({text for text in texts if texts.count(text) > 1}) == []


def test_every_row_says_what_it_means_and_what_helps() -> None:
    assert [cells for cells in ROWS if len(cells) != 3 or not all(cells)] == []


def test_every_text_that_is_no_sentence_is_in_the_code() -> None:
    assert {sentence.text for sentence in sentences()} >= NOT_SAID


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('raise BodyError("empty", "the body is empty")', "the body is empty"),
        ('raise ConfigError(f"{path}: is not {kind}" + advice)', "…: is not …"),
        ('log.warning("lease lost", source=name)', "lease lost"),
        ('return f"no answer of {name} within " f"{seconds:g} s"', "no answer of … within … s"),
        ('sentence = "one " + "two three"', "one two three"),
        ("raise Error(f'it is {word if bad else \"good as it was\"}')", "good as it was"),
    ],
)
def test_a_new_sentence_is_found(code: str, text: str) -> None:
    assert text in [sentence.text for sentence in in_module("module.py", ast.parse(code))]


@pytest.mark.parametrize(
    "code",
    [
        '"""What a module is for."""',
        'port: Annotated[int, setting("port to listen on", ge=0)] = 80',
        'log.debug("this is not wrong")',
        'requests = Counter("requests_total", "How many requests there were")',
    ],
)
def test_what_is_not_wrong_is_no_sentence(code: str) -> None:
    assert list(in_module("module.py", ast.parse(code))) == []


def test_the_place_of_a_sentence_is_told() -> None:
    assert list(in_module("etl/loop.py", ast.parse('\n\nlog.error("child died")'))) == [
        Sentence("child died", "etl/loop.py:3")
    ]
