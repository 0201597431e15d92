"""Rejects: counted all, remembered a few."""

from __future__ import annotations

from switchboard.codec.rejects import MOST_EXAMPLES, MOST_VALUE_CHARACTERS, Rejects
from switchboard.model import Reject
from tests.codec.parsing import parse


def test_counts_all_and_keeps_the_first() -> None:
    """A body of bad rows costs a counter, not memory."""
    rejects = Rejects()
    for line in range(10 * MOST_EXAMPLES):
        rejects.add("columns" if line % 2 else "no_switch", line)
    assert rejects.counts == {"columns": 5 * MOST_EXAMPLES, "no_switch": 5 * MOST_EXAMPLES}
    assert [example.line for example in rejects.examples] == list(range(MOST_EXAMPLES))


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
    assert [line for line, *_ in parsed.rejects] == list(range(3, 3 + MOST_EXAMPLES))
    assert parsed.parser.rejects.counts == {"columns": 500}
