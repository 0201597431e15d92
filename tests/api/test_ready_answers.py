"""Answers that are kept ready, and when they are forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from switchboard.api.ready_answers import LARGEST_BYTES, MOST_ANSWERS, MOST_BYTES, ReadyAnswers
from switchboard.serving.message import ReadyReply
from switchboard.view.view import View
from tests.lab.fabric import NOW, Holder, row, source, view

ANSWER = ReadyReply(200, b"answer", print)
ROWS = [row("sw1", errors=1)]
SEEN = view(source("a", ROWS))


def kept(seen: View, now: float = NOW) -> ReadyAnswers:
    hot = ReadyAnswers()
    assert hot.get(b"request", Holder(seen, now)) is None
    hot.keep(b"request", ANSWER, seen, now)
    assert hot.get(b"request", Holder(seen, now)) == ANSWER
    return hot


def test_a_view_that_says_the_same_changes_nothing() -> None:
    """Every poll makes a new view; the answers stay as long as snapshots and states do."""
    seen = view(source("a", ROWS), source("b"))
    hot = kept(seen)
    again = replace(seen, sources=tuple(replace(each, answered_at=NOW) for each in seen.sources))
    assert hot.get(b"request", Holder(again, NOW + 0.5)) == ANSWER


@pytest.mark.parametrize(
    "other",
    [
        view(source("a", ROWS)),
        view(source("a", ROWS, age=16.0)),
        view(source("a")),
        view(),
        view(source("b", ROWS)),
        replace(SEEN, stopping=True),
    ],
    ids=["another snapshot", "another state", "no snapshot", "no source", "another name", "the end"],
)
def test_another_snapshot_or_state_empties_the_table(other: View) -> None:
    """No answer is left when a snapshot or a state changes, whichever it is, or when the service stops."""
    hot = kept(SEEN)
    assert hot.get(b"request", Holder(other, NOW)) is None
    assert len(hot) == 0


@pytest.mark.parametrize(("age", "after"), [(1.0, 14.0), (16.0, 14.0)])
def test_time_alone_empties_the_table(age: float, after: float) -> None:
    """The view is the same, but its snapshot turns late, or expires: not a microsecond later nothing is kept."""
    seen = view(source("a", ROWS, age=age, answered_at=NOW + 100, status_seen_at=NOW))
    hot = kept(seen)
    assert hot.get(b"request", Holder(seen, NOW + after - 0.001)) == ANSWER
    assert hot.get(b"request", Holder(seen, NOW + after + 0.00001)) is None


def test_an_answer_that_is_kept_again_takes_no_more_room() -> None:
    """The table does not forget others for it."""
    hot = kept(SEEN)
    large = ReadyReply(200, b"x" * (LARGEST_BYTES - 100), print)
    for _ in range(2 * MOST_BYTES // LARGEST_BYTES):
        hot.keep(b"large", large, SEEN, NOW)
    assert hot.get(b"request", Holder(SEEN, NOW)) == ANSWER


def test_the_table_is_bounded() -> None:
    """Neither many answers nor large ones make it grow beyond its bounds."""
    hot, seen = ReadyAnswers(), view(source("a", ROWS))
    for number in range(3 * MOST_ANSWERS):
        hot.keep(b"%d" % number, ANSWER, seen, NOW)
        assert len(hot) <= MOST_ANSWERS
    hot.keep(b"large", ReadyReply(200, b"x" * LARGEST_BYTES, print), seen, NOW)
    assert hot.get(b"large", Holder(seen, NOW)) is None
    for number in range(2 * MOST_BYTES // (LARGEST_BYTES - 100)):
        hot.keep(b"%d" % number, ReadyReply(200, b"x" * (LARGEST_BYTES - 100), print), seen, NOW)
    assert len(hot) <= MOST_BYTES // (LARGEST_BYTES - 100)
