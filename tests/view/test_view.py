"""How current an answer is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from switchboard.errors import ErrorKind, QueryError
from switchboard.model import Outcome, State
from switchboard.view.sources import Loaded, SourceView
from switchboard.view.state import judge
from tests.lab.fabric import DATA_SECONDS, NOW, row, snapshot, source, status, view

ROWS = [row("sw1", errors=1)]
FRESH, LATE, STALE = State.FRESH, State.LATE, State.STALE


@pytest.mark.parametrize(
    ("confirmed", "expires", "answered", "failed", "state"),
    [
        # seconds: since it was confirmed, until it expires, since the store answered; interval 10
        (0.0, 30.0, 0.0, False, FRESH),
        (15.0, 15.0, 0.0, False, FRESH),
        (15.0, 15.0, 0.0, True, FRESH),  # a failed scrape tells nothing as long as the last good one is new
        (15.01, 15.0, 0.0, False, LATE),
        (15.01, 15.0, 0.0, True, STALE),
        (1.0, 29.0, 2.0, False, FRESH),
        (1.0, 29.0, 2.01, False, STALE),
        (20.0, 10.0, 2.01, True, STALE),
        (29.99, 0.01, 0.0, False, LATE),
        (30.0, 0.0, 0.0, False, None),
        (30.0, -5.0, 40.0, True, None),
        (-1.0, 31.0, 0.0, False, FRESH),
    ],
)
def test_state_follows_confirmation_store_and_ttl(
    confirmed: float, expires: float, answered: float, failed: bool, state: State | None
) -> None:
    """Expired, then the store's silence, then 1.5 intervals, then the last attempt decide, in this order."""
    now = 1000.0
    judged = judge(
        now,
        confirmed_at=now - confirmed,
        expires_at=now + expires,
        answered_at=now - answered,
        interval_seconds=10.0,
        attempt_failed=failed,
    )
    assert judged is state


@pytest.mark.parametrize(
    ("last", "seen_ago", "failed"),
    [
        (status(), 1.0, False),
        (status(outcome=Outcome.UNCHANGED), 20.0, False),
        (status(), 20.01, True),  # nobody has scraped for two intervals
        (status(outcome=Outcome.FAILED), 1.0, True),
        (None, 0.0, True),
    ],
)
def test_an_attempt_counts_as_failed_when_it_is_old(last: object, seen_ago: float, failed: bool) -> None:
    """No status, a failed one, and one older than two intervals all say that the source is not being scraped."""
    watched = SourceView(name="fabric", status=last, status_seen_at=NOW - seen_ago)  # type: ignore[arg-type]
    assert watched.attempt_failed(NOW) is failed


def test_fresh_sources_come_first() -> None:
    """Sources are used in configured order, those that are fresh before those that are not."""
    sources = [
        source("a", ROWS, age=16.0),
        source("b", ROWS),
        source("c"),
        source("d", ROWS, answered_at=NOW - 3),
        source("e", ROWS),
    ]
    standing = view(*sources).standing(NOW)
    assert [(live.source.name, live.state) for live in standing.live] == [
        ("b", FRESH),
        ("e", FRESH),
        ("a", LATE),
        ("d", STALE),
    ]
    assert [missing.name for missing in standing.missing] == ["c"]


def test_a_named_source_stands_alone() -> None:
    """A query for one source is not told what others miss, and an unknown name is 404."""
    both = view(source("a", ROWS), source("b"))
    assert both.standing(NOW, "a").missing == []
    assert both.standing(NOW, "b").live == []
    with pytest.raises(QueryError, match="source does not exist") as caught:
        both.standing(NOW, "c")
    assert caught.value.kind is ErrorKind.NOT_FOUND


def test_nothing_is_unknown_before_the_sources_are_known() -> None:
    """While no source is known at all, a name cannot be called wrong."""
    nobody = view().standing(NOW, "a")
    assert (nobody.live, nobody.missing) == ([], [])


def test_an_expired_snapshot_is_not_used() -> None:
    """At the moment its TTL ends a source has no state, although its snapshot may still be in memory."""
    live = source("a", ROWS, age=1.0)
    assert live.state(live.expires_at - 0.001) is not None
    assert live.state(live.expires_at) is None
    assert replace(live, loaded=None).state(NOW) is None


def test_times_of_a_snapshot() -> None:
    """The newest row's time is shown to the millisecond, and in whole seconds that are never in our future."""
    held = snapshot([row("sw1", time=DATA_SECONDS - 5, errors=1), row("sw2", time=DATA_SECONDS + 0.1234, errors=1)])
    assert Loaded(held, DATA_SECONDS + 60).newest == "2026-11-23T18:53:20.123Z"
    assert Loaded(held, DATA_SECONDS + 60).newest_seconds == DATA_SECONDS
    assert Loaded(held, DATA_SECONDS - 60).newest_seconds == DATA_SECONDS - 60


def test_names_cannot_break_headers() -> None:
    """A source or snapshot with a strange name is percent-encoded where it stands in a header."""
    strange = source("a,b=\r\nc", ROWS, snapshot="1\r\nx: y")
    assert strange.quoted_name == "a%2Cb%3D%0D%0Ac"
    assert strange.loaded is not None
    assert strange.loaded.id == "1%0D%0Ax%3A%20y"
