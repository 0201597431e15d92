"""Rejects: what was wrong with the last body of a source, for the person who has to mend it.

A report tells how long ago that was, so no two reports are equal, and they have no entity tag.
"""

from __future__ import annotations

from switchboard.query.reports import RejectExample, RejectReport
from switchboard.query.requests import Rejects
from switchboard.query.result import Result
from switchboard.reasons import explain
from switchboard.view.outage import no_live_snapshot
from switchboard.view.sources import SourceView
from switchboard.view.view import View


def list_rejects(view: View, now: float, query: Rejects) -> Result:
    """The reports of all sources, or of the one that the query names.

    Raises QueryError: NOT_FOUND (source), UNAVAILABLE while the store has never answered.
    """
    if view.store_answered_at is None:
        raise no_live_snapshot(view, now, [])
    return Result(value=[_report(now, source) for source in view.chosen(query.source)])


def _report(now: float, source: SourceView) -> RejectReport:
    status = source.status
    return RejectReport(
        source=source.name,
        outcome=None if status is None else status.outcome,
        reason="" if status is None else status.reason,
        error="" if status is None else status.error,
        seen_seconds_ago=None if status is None else round(now - source.status_seen_at, 3),
        of_last_scrape=status is not None and status.rejects_ms == status.attempted_ms,
        counts={} if status is None else status.rejects,
        examples=[
            RejectExample(
                line=reject.line,
                column=reject.column or None,
                value=reject.value,
                reason=reject.reason,
                sentence=explain(reject),
            )
            for reject in (() if status is None else status.examples)
        ],
    )
