"""ListSources and the readiness of this process: what is known about the sources and the store.

The reports have ages in them, so no two are equal, and they have no entity tag.
"""

from __future__ import annotations

import math

from switchboard.query.reports import AttemptReport, Readiness, SourceReady, SourceReport, StoreReady
from switchboard.query.requests import ListSources
from switchboard.query.result import Result
from switchboard.view.outage import RETRY_SECONDS, describe, no_live_snapshot, old_data, retry_after, store_unreachable
from switchboard.view.sources import SourceView
from switchboard.view.view import View


def list_sources(view: View, now: float, query: ListSources) -> Result:
    """All sources. Raises QueryError (UNAVAILABLE) while the store has never answered."""
    if view.store_answered_at is None:
        raise no_live_snapshot(view, now, [])
    standing = view.standing(now)
    return Result(
        value=[_report(view, now, source) for source in view.sources],
        provenance=standing.provenance(standing.live) if standing.live else None,
    )


def readiness(view: View, now: float) -> Readiness:
    """The content of /ready: ready while any source can answer, until this process is told to stop."""
    sources = {source.name: _source_ready(view, now, source) for source in view.sources}
    trouble = store_unreachable(view, now)
    can_answer = any(source.ready for source in sources.values()) and not view.stopping
    return Readiness(
        ready=can_answer,
        stopping=view.stopping,
        store=StoreReady(ready=not trouble, trouble=trouble or view.store_warning or None),
        sources=sources,
    )


def ready_in_seconds(view: View, now: float) -> int:
    """Seconds after which it is worth asking again whether queries can be answered."""
    return RETRY_SECONDS if view.stopping else retry_after(now, view.sources)


def _source_ready(view: View, now: float, source: SourceView) -> SourceReady:
    state = source.state(now)
    snapshot = source.loaded.id if source.loaded is not None and state is not None else None
    return SourceReady(
        ready=state is not None, state=state or "none", snapshot=snapshot, trouble=_trouble(view, now, source)
    )


def _trouble(view: View, now: float, source: SourceView) -> str | None:
    if source.state(now) is None:
        return describe(view, now, [source])
    return source.trouble or (old_data(now, source) if source.data_is_old(now) else source.pointer_note or None)


def _report(view: View, now: float, source: SourceView) -> SourceReport:
    state = source.state(now)
    loaded = source.loaded if state is not None else None
    manifest = None if loaded is None else loaded.snapshot.manifest
    return SourceReport(
        name=source.name,
        url=None if source.status is None else source.status.url,
        labels={} if source.status is None else source.status.labels,
        state=state or "none",
        interval_seconds=source.interval_seconds,
        ttl_seconds=None if manifest is None else manifest.ttl_ms / 1000,
        snapshot=None if loaded is None else loaded.id,
        timestamp=None if loaded is None else loaded.newest,
        age_seconds=None if loaded is None else round(now - source.confirmed_at, 3),
        data_age_seconds=None if loaded is None else source.data_age(now),
        max_data_age_seconds=None
        if loaded is None or source.max_data_age_seconds == math.inf
        else source.max_data_age_seconds,
        expires_in_seconds=None if loaded is None else round(source.expires_at - now, 3),
        rows=None if manifest is None else manifest.rows,
        switches=None if manifest is None else manifest.switches,
        rejects=None if manifest is None else manifest.rejects,
        trouble=_trouble(view, now, source),
        last_attempt=_attempt(now, source),
    )


def _attempt(now: float, source: SourceView) -> AttemptReport | None:
    status = source.status
    if status is None:
        return None
    return AttemptReport(
        outcome=status.outcome,
        duration_seconds=round(status.duration_ms / 1000, 3),
        seen_seconds_ago=round(now - source.status_seen_at, 3),
        reason=status.reason,
        error=status.error,
        rejects=status.rejects,
        examples=status.examples,
    )
