"""The sentences of 503, and when to ask again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from switchboard.model import Outcome
from switchboard.outputs.json import encode_json
from switchboard.query.requests import ListSources
from switchboard.query.sources import list_sources, readiness, ready_in_seconds
from switchboard.view.outage import describe, no_live_snapshot, retry_after, store_unreachable
from switchboard.view.sources import SourceView
from switchboard.view.view import View
from tests.lab.fabric import NOW, row, source, status, view

FAILED = status(outcome=Outcome.FAILED, reason="timeout", error="it took longer than 8 s")
NOBODY_WRITES = "no ETL process runs, or it cannot write to Redis, which its log and its /ready would say"
NO_STATUS = "Redis has no status of it"
FIRST = "its first scrape is not over, or "
CONFIRMED = ", and its pointer was last confirmed"
REPORTED = "the last attempt that was reported is"
NAMELESS = status(outcome=Outcome.FAILED, reason="timeout")


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        (SourceView(name="a"), f"No snapshot yet of source a: {NO_STATUS}: {FIRST}{NOBODY_WRITES}"),
        (
            SourceView(name="a", confirmed_at=NOW - 41.2, expires_at=NOW - 11.2),
            f"The snapshot of source a expired 11 s ago: {NO_STATUS}{CONFIRMED} 41 s ago: {NOBODY_WRITES}",
        ),
        (
            source("a", last=NAMELESS, expires_at=NOW - 11.2, pointer_note="its pointer has no TTL"),
            "The snapshot of source a expired 11 s ago: the last scrape failed: timeout; its pointer has no TTL",
        ),
        (source("a"), "No snapshot yet of source a: it is being loaded"),
        (source("a", last=FAILED), "No snapshot yet of source a: the last scrape failed: it took longer than 8 s"),
        (source("a", last=NAMELESS), "No snapshot yet of source a: the last scrape failed: timeout"),
        (source("a", trouble="block 3 is missing"), "No snapshot yet of source a: block 3 is missing"),
        (
            replace(source("a", expires_at=NOW - 61.4, status_seen_at=NOW - 90), confirmed_at=NOW - 91.4),
            f"The snapshot of source a expired 61 s ago: {REPORTED} 90 s old{CONFIRMED} 91 s ago: {NOBODY_WRITES}",
        ),
    ],
)
def test_a_source_without_a_snapshot_says_why(missing: SourceView, sentence: str) -> None:
    """The sentence tells what is known: whether there ever was a snapshot, and what stands in the way of the next."""
    assert describe(view(missing), NOW, [missing]) == sentence


@pytest.mark.parametrize(
    ("seen", "trouble"),
    [
        (view(), ""),
        (View(), "the store has not been asked yet"),
        (view(store_trouble="no answer", store_answered_at=NOW - 1.0), ""),  # one failed poll is no outage
        (view(store_trouble="no answer", store_answered_at=NOW - 2.1), "no answer"),
        (view(store_trouble="no answer", store_answered_at=None), "no answer"),
    ],
)
def test_the_store_counts_as_unreachable_after_two_seconds(seen: View, trouble: str) -> None:
    """For two seconds, a failed poll of the store is not taken for the reason of anything."""
    assert store_unreachable(seen, NOW) == trouble


def test_an_unreachable_store_is_the_reason_of_everything() -> None:
    """While the store is away, what it last said of a source explains nothing."""
    gone = source("a", last=FAILED, expires_at=NOW - 3)
    seen = view(gone, store_trouble="redis does not answer", store_answered_at=NOW - 33)
    assert describe(seen, NOW, [gone]) == "The snapshot of source a expired 3 s ago: redis does not answer"


def test_many_missing_sources_are_counted() -> None:
    """Of the missing sources three are named, and the others are a number."""
    missing = [source(f"s{number}") for number in range(10)]
    sentence = str(no_live_snapshot(view(*missing), NOW, missing))
    assert sentence.count("No snapshot yet of source") == 3
    assert sentence.endswith("; 7 more sources have none either")


@pytest.mark.parametrize(
    ("seen_ago", "seconds"),
    [(0.0, 10), (0.5, 10), (3.2, 7), (9.5, 1), (25.0, 1), (-5.0, 10)],
)
def test_ask_again_when_the_next_scrape_is_due(seen_ago: float, seconds: int) -> None:
    """Retry-After is what is left of the interval since the last attempt, in whole seconds, never 0."""
    watched = source("a", status_seen_at=NOW - seen_ago)
    assert retry_after(NOW, [watched]) == seconds
    assert retry_after(NOW, [watched, SourceView(name="b")]) == seconds


def test_without_any_attempt_ask_again_soon() -> None:
    """If nothing tells when the next scrape will be, Retry-After is two seconds."""
    assert retry_after(NOW, []) == retry_after(NOW, [SourceView(name="b")]) == 2


def test_ready_until_the_last_snapshot_expires() -> None:
    """One source that can answer is enough, however stale; a process that is told to stop is not ready at once."""
    seen = view(source("a", [row("sw1", errors=1)], answered_at=NOW - 20), source("b"))
    assert readiness(seen, NOW).ready
    assert readiness(seen, NOW).store.ready
    assert not readiness(view(source("b")), NOW).ready
    stopping = view(source("a", [row("sw1", errors=1)]), stopping=True)
    assert (readiness(stopping, NOW).ready, ready_in_seconds(stopping, NOW)) == (False, 2)


def test_a_source_that_was_never_scraped_is_listed() -> None:
    """ListSources shows nulls for what is not known."""
    answer = list_sources(view(SourceView(name="a")), NOW, ListSources())
    assert encode_json(answer.value) + b"\n" == (
        b'[{"name":"a","url":null,"labels":{},"state":"none","interval_seconds":null,"ttl_seconds":null,"snapshot":null,'
        b'"timestamp":null,"age_seconds":null,"data_age_seconds":null,"max_data_age_seconds":null,'
        b'"expires_in_seconds":null,"rows":null,"switches":null,"rejects":null,'
        b'"trouble":"No snapshot yet of source a: Redis has no status of it: '
        + f"{FIRST}{NOBODY_WRITES}".encode()
        + b'",'
        b'"last_attempt":null}]\n'
    )
