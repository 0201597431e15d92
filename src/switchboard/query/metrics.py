"""DescribeMetrics: what the metrics and labels of each source are."""

from __future__ import annotations

from collections.abc import Iterable

from switchboard.query.reports import LabelDescription, MetricDescription, SourceMetrics
from switchboard.query.requests import DescribeMetrics
from switchboard.query.result import Result
from switchboard.query.spread import check_globs, spread
from switchboard.query.standing import missed, standing_for
from switchboard.query.tags import content_tag
from switchboard.selection.globs import Names
from switchboard.snapshot.metrics import Column, Role
from switchboard.snapshot.snapshot import Snapshot
from switchboard.view.view import View


def describe_metrics(view: View, now: float, query: DescribeMetrics) -> Result:
    """The metrics and labels of each source, or those that the query names; sources in configured order.

    Raises QueryError: MALFORMED (a pattern), GONE, UNAVAILABLE, and NOT_FOUND (source, snapshot, or no source has any
    of the names).
    """
    standing = standing_for(view, now, query)
    lives = sorted(standing.live, key=lambda live: live.place)
    described = [_described(live.source.name, live.loaded.snapshot, query) for live in lives]
    if query.metric and not any(source.metrics or source.labels for source in described):
        raise missed(view, now, standing, "metric", query.metric[0])
    return Result(value=described, provenance=standing.provenance(), tag=content_tag(standing))


def _described(source: str, snapshot: Snapshot, query: DescribeMetrics) -> SourceMetrics:
    columns = list(_columns(snapshot))
    names = {column.name for column in columns}
    asked = spread("metric", query.metric, names)
    check_globs("metric", (name for name in asked if name not in names))
    wanted = Names.of(asked, names)
    taken = names if wanted is None else wanted.among(names)
    return SourceMetrics(
        source=source,
        metrics=[
            MetricDescription(
                metric=column.name,
                column=column.original,
                kind=column.info.kind,
                unit=column.info.unit,
                help=column.info.help,
            )
            for column in columns
            if column.role is Role.METRIC and column.name in taken
        ],
        labels=[
            LabelDescription(label=column.name, column=column.original)
            for column in columns
            if column.role is Role.LABEL and column.name in taken
        ],
    )


def _columns(snapshot: Snapshot) -> Iterable[Column]:
    """The columns that a snapshot describes; if it describes none, the columns of its blocks."""
    if snapshot.columns:
        return snapshot.columns
    labels = dict.fromkeys(name for block in snapshot.schemas for name in block.labels)
    metrics = dict.fromkeys(name for block in snapshot.schemas for name in block.metrics)
    return [
        *(Column(name, name, Role.LABEL) for name in labels),
        *(Column(name, name, Role.METRIC, snapshot.info(name)) for name in metrics),
    ]
