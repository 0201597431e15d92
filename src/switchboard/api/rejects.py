"""What was wrong with the last body of a source, for the person who has to mend it: /telemetry/Rejects.

The answer tells when it was learned, so no cache may keep it and it has no entity tag.
"""

from __future__ import annotations

import msgspec

from switchboard.api.answer import NO_STORE, VARY, Answer
from switchboard.api.outage import no_live_snapshot
from switchboard.api.queries import Rejects
from switchboard.api.view import SourceView, View
from switchboard.codec.rejects import explain
from switchboard.codec.render import encode_json


class RejectExample(msgspec.Struct, frozen=True, kw_only=True):
    """One row or cell that could not be used."""

    line: int
    """Of the body, counted from 1 (the header)."""
    column: str | None
    """Null where it is the whole row."""
    value: str
    reason: str
    sentence: str


class RejectReport(msgspec.Struct, frozen=True, kw_only=True):
    """The last scrape of a source, and what was rejected of the last body that one brought."""

    source: str
    outcome: str | None
    """published, unchanged, held or failed; null while no scrape is known."""
    reason: str
    """Why the body as a whole is held or refused: one word, as in the metrics; else empty."""
    error: str
    """The same as a sentence."""
    seen_seconds_ago: float | None
    """How long this process has known of the scrape."""
    of_last_scrape: bool
    """Whether the rejects are of the last scrape; else that one brought no body, and they are of an earlier one."""
    counts: dict[str, int]
    """All rejected rows and cells, by reason."""
    examples: list[RejectExample]
    """The first of them, of every reason some."""


def list_rejects(view: View, now: float, query: Rejects) -> Answer:
    """The report of one source, or of all. Raises QueryError 404 (source), 503 while the store has never answered."""
    if view.store_answered_at is None:
        raise no_live_snapshot(view, now, [])
    reports = [_report(now, source) for source in view.chosen(query.source)]
    return Answer(200, [NO_STORE, VARY], encode_json(reports) + b"\n")


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
