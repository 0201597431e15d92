"""Why no live snapshot can answer: the sentence of every such error, and when to ask again."""

from __future__ import annotations

import math
from collections.abc import Sequence

from switchboard.errors import ErrorKind, QueryError
from switchboard.model import Outcome
from switchboard.moments import in_words
from switchboard.view.sources import SourceView
from switchboard.view.state import STORE_SILENCE_SECONDS
from switchboard.view.view import View

RETRY_SECONDS = 2
"""When to ask again if the time of the next scrape is not known."""
_SOURCES_NAMED = 3


def no_live_snapshot(view: View, now: float, missing: Sequence[SourceView]) -> QueryError:
    """The error for a query that no source can answer."""
    if not missing:
        return QueryError(ErrorKind.UNAVAILABLE, f"No snapshot yet: {_nobody(view)}", retry_after_seconds=RETRY_SECONDS)
    return QueryError(
        ErrorKind.UNAVAILABLE, describe(view, now, missing), retry_after_seconds=retry_after(now, missing)
    )


def uncertain_miss(view: View, now: float, sentence: str, missing: Sequence[SourceView]) -> QueryError:
    """The error for a cell that no live source has, while a source that might have it cannot be asked."""
    return QueryError(
        ErrorKind.UNAVAILABLE,
        f"Not found, but not all sources could be asked ({sentence} in the others). {describe(view, now, missing)}",
        retry_after_seconds=retry_after(now, missing),
    )


def describe(view: View, now: float, sources: Sequence[SourceView]) -> str:
    """Why these sources have no live snapshot, as far as it is known; at most three of them are named."""
    sentences = [_describe(view, now, source) for source in sources[:_SOURCES_NAMED]]
    if len(sources) > _SOURCES_NAMED:
        sentences.append(f"{len(sources) - _SOURCES_NAMED} more sources have none either")
    return "; ".join(sentences)


def retry_after(now: float, sources: Sequence[SourceView]) -> int:
    """Whole seconds until one of these sources should have been scraped again: at least 1, at most its interval."""
    waits = []
    for source in sources:
        if source.status is not None:
            interval = source.status.interval_ms / 1000
            wait = source.status_seen_at + interval - now
            waits.append(max(1, math.ceil(min(wait, interval))))
    return min(waits, default=RETRY_SECONDS)


def store_unreachable(view: View, now: float) -> str:
    """Why the store counts as unreachable; empty if it does not."""
    answered_at = view.store_answered_at
    if answered_at is not None and (not view.store_trouble or now - answered_at <= STORE_SILENCE_SECONDS):
        return ""
    return view.store_trouble or "the store has not been asked yet"


def _nobody(view: View) -> str:
    if view.store_answered_at is None:
        return view.store_trouble or "the store has not been asked yet"
    return "no source is known: no ETL process runs, or it cannot write to this Redis"


def _describe(view: View, now: float, source: SourceView) -> str:
    if source.expires_at > float("-inf"):
        known = f"The snapshot of source {source.name} expired {max(0.0, now - source.expires_at):.0f} s ago"
    else:
        known = f"No snapshot yet of source {source.name}"
    return f"{known}: {reason(view, now, source)}"


def reason(view: View, now: float, source: SourceView) -> str:
    """Why the snapshot of a source is not fresh, as far as this process knows."""
    unreachable = store_unreachable(view, now)
    if unreachable:
        return unreachable
    why = source.trouble or _reason_of_attempts(now, source)
    return f"{why}; {source.pointer_note}" if source.pointer_note else why


def _reason_of_attempts(now: float, source: SourceView) -> str:
    """Why the snapshot is not fresh although what Redis says of it can be read."""
    if source.data_is_old(now):
        return old_data(now, source)
    status = source.status
    if status is None:
        first = "" if source.confirmed_at > float("-inf") else "its first scrape is not over, or "
        why = first + _NOBODY_WRITES
        return f"Redis has no status of it{_last_confirmation(now, source)}: {why}"
    if status.outcome is Outcome.FAILED:
        return f"the last scrape failed: {status.error or status.reason}"
    if status.outcome is Outcome.HELD:
        return f"the last scrape is held: {status.error or status.reason}"
    if source.attempt_failed(now):
        seen = f"the last attempt that was reported is {now - source.status_seen_at:.0f} s old"
        return f"{seen}{_last_confirmation(now, source)}: {_NOBODY_WRITES}"
    return "it is being loaded" if source.loaded is None else "its next scrape is overdue"


def _last_confirmation(now: float, source: SourceView) -> str:
    if source.confirmed_at == float("-inf"):
        return ""
    return f", and its pointer was last confirmed {now - source.confirmed_at:.0f} s ago"


_NOBODY_WRITES = "no ETL process runs, or it cannot write to Redis, which its log and its /ready would say"


def old_data(now: float, source: SourceView) -> str:
    """The sentence about a source that answers, but whose newest row is older than ``max_data_age``."""
    age, most = in_words(source.data_age(now) or 0), in_words(source.max_data_age_seconds)
    return f"the source answers, but its newest row is {age} old, more than {most} (max_data_age)"
