"""The state of a snapshot: how current it is."""

from __future__ import annotations

from switchboard.model import FRESH_INTERVALS, State

STORE_SILENCE_SECONDS = 2.0
"""Answers are stale if no pointer was read for this long. The store is polled four times in this period."""
ATTEMPT_INTERVALS = 2.0
"""A last attempt older than this many intervals means that nobody scrapes.

Two attempts end at most 1.8 intervals apart: one interval, and a timeout of 0.8.
"""


def judge(
    now: float,
    *,
    confirmed_at: float,
    expires_at: float,
    answered_at: float,
    interval_seconds: float,
    attempt_failed: bool,
    data_is_old: bool = False,
) -> State | None:
    """The state of a snapshot at ``now``; None if it has expired.

    ``confirmed_at`` is when a scrape last confirmed it, ``expires_at`` the end of its TTL, ``answered_at`` the last
    time the store answered a pointer read; all on this process's clock. ``attempt_failed``: the last scrape failed, or
    nobody seems to scrape. ``data_is_old``: the source answers, but its newest row is older than ``max_data_age``.
    """
    if now >= expires_at:
        return None
    if data_is_old or now - answered_at > STORE_SILENCE_SECONDS:
        return State.STALE
    if now - confirmed_at <= FRESH_INTERVALS * interval_seconds:
        return State.FRESH
    return State.STALE if attempt_failed else State.LATE
