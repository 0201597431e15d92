"""Which sources answer a query."""

from __future__ import annotations

from switchboard.errors import ErrorKind, QueryError
from switchboard.query.requests import Pinned
from switchboard.view.outage import no_live_snapshot, uncertain_miss
from switchboard.view.view import Standing, View


def standing_for(view: View, now: float, query: Pinned) -> Standing:
    """The sources that can answer a query, at least one.

    Raises QueryError: NOT_FOUND (source or snapshot), GONE (snapshot), UNAVAILABLE (no source can answer).
    """
    standing = view.standing(now, query.source, query.snapshot)
    if not standing.live:
        raise no_live_snapshot(view, now, standing.missing)
    return standing


def missed(view: View, now: float, standing: Standing, parameter: str, value: str) -> QueryError:
    """The error for what no live source has: UNAVAILABLE if a source that might have it could not be asked.

    ``parameter`` names it, ``value`` is what the client gave.
    """
    sentence = f"{parameter} does not exist"
    if standing.missing:
        return uncertain_miss(view, now, sentence, standing.missing)
    return QueryError(ErrorKind.NOT_FOUND, sentence, parameter=parameter, value=value)
