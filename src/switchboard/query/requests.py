"""What can be asked: one struct per query, with the meaning of every parameter.

The bases of a struct tell how the query is answered: from snapshots that can be chosen (``Pinned``), page by page
(``Paged``), in a format that can be chosen (``Formatted``). Bases have no fields, for two reasons: msgspec takes fields
from one base only, and the fields of a query stand in the order in which they are documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from switchboard.outputs.formats import FormatName
from switchboard.selection.conditions import MOST_CONDITIONS, PATTERN

SourceName = Annotated[str | None, Meta(description="ask this source only")]
_SNAPSHOT = "^([^,=]+|[^,=]+=[^,=]+(,[^,=]+=[^,=]+)*)$"
SnapshotIds = Annotated[
    str | None,
    Meta(
        description="answer from exactly this snapshot, the X-Snapshot-Id of an earlier answer; 410 once it is gone",
        extra_json_schema={"type": "string", "pattern": _SNAPSHOT},
    ),
]
ChosenFormat = Annotated[
    FormatName | None, Meta(description="form of the answer; goes before the Accept header, and is json without either")
]

Order = Literal["desc", "asc"]
_Text = Annotated[str, Meta(min_length=1)]

MOST_CELLS = 10_000
"""Most cells of one batch."""
MOST_RANKED = 1_000
"""Most rows of one ranking."""
DEFAULT_RANKED = 10
"""Rows of a ranking that does not say how many."""
MOST_SHOWN = 64
"""Most metrics and labels of a ranking."""


MOST_LIMIT = 10_000
DEFAULT_LIMIT = 1_000
"""Rows of a page if a query has a cursor but no limit."""
_PATTERNS = "* is any text, ? any character, and a name that exists as it is written is that name"


class Pinned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A query that is answered from snapshots of one source or of all: the current ones, or those the query names."""

    if TYPE_CHECKING:
        source: str | None
        snapshot: str | None


class Paged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A query of a list that may be answered page by page."""

    if TYPE_CHECKING:
        limit: int | None
        cursor: str | None


class Formatted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A query whose answer has a format that can be chosen."""

    if TYPE_CHECKING:
        format: FormatName | None


class GetMetric(Pinned, frozen=True, kw_only=True, omit_defaults=True):
    """One metric or label of one switch."""

    switch_id: Annotated[str, Meta(description="the switch; a GUID in any spelling")]
    metric: Annotated[str, Meta(description="a numeric column of the source (a metric), or a text column (a label)")]
    port: Annotated[str | None, Meta(description="the port; without it, a switch with ports answers for all")] = None
    source: SourceName = None
    snapshot: SnapshotIds = None
    verbose: Annotated[
        bool, Meta(description="value, kind, unit, meaning, time, age, state, source and labels, in place of the value")
    ] = False


class ListMetrics(Pinned, Paged, Formatted, frozen=True, kw_only=True, omit_defaults=True):
    """All metrics of all switches, or those that the parameters choose."""

    switch_id: Annotated[
        tuple[str, ...],
        Meta(description=f"only these switches; a GUID in any spelling, or a pattern: {_PATTERNS}; may be repeated"),
    ] = ()
    metric: Annotated[
        tuple[str, ...],
        Meta(
            description="only these metrics and labels, and rows that have any of them; "
            f"names or patterns: {_PATTERNS}; may be repeated; without it, all metrics and no labels"
        ),
    ] = ()
    port: Annotated[
        tuple[str, ...], Meta(description=f"only these ports; names or patterns: {_PATTERNS}; may be repeated")
    ] = ()
    where: Annotated[
        tuple[Annotated[str, Meta(pattern=PATTERN)], ...],
        Meta(
            max_length=MOST_CONDITIONS,
            description="only rows that meet this condition: METRIC OP VALUE, where OP is one of > >= < <= = != and "
            "VALUE a decimal number, or for = and != a label's text; a missing cell meets none; may be repeated, "
            "then all have to be met",
        ),
    ] = ()
    source: SourceName = None
    snapshot: SnapshotIds = None
    since: Annotated[
        str | None,
        Meta(
            description="only rows whose own time is later: Unix seconds or milliseconds, RFC 3339, or a time span "
            "before the newest row of the source, such as 15m or 1h30m",
            extra_json_schema={
                "type": "string",
                "anyOf": [
                    {"pattern": r"^[0-9]{1,14}(\.[0-9]{0,40})?$"},
                    {"format": "date-time"},
                    {"pattern": r"^-?([0-9]{1,4}(\.[0-9]{1,9})?(ms|s|m|min|h|d)){1,3}$"},
                ],
            },
        ),
    ] = None
    """As ``query/values.py`` writes it."""
    limit: Annotated[
        int | None,
        Meta(
            ge=1,
            le=MOST_LIMIT,
            description="rows of a page, switches or their ports; Link and X-Next-Cursor say how the list goes on",
        ),
    ] = None
    cursor: Annotated[
        str | None,
        Meta(
            description="go on where an earlier page of the same query ended, by its X-Next-Cursor: in the same "
            f"snapshot, or 410 once that is gone; {DEFAULT_LIMIT} rows unless limit says otherwise",
        ),
    ] = None
    format: ChosenFormat = None


class BatchCell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One cell of a batch; its fields mean the same as the parameters of GetMetric."""

    switch_id: Annotated[_Text, Meta(description="the switch; a GUID in any spelling")]
    metric: Annotated[_Text, Meta(description="a metric or a label")]
    port: Annotated[
        _Text | Annotated[int, Meta(ge=0)] | None,
        Meta(description="the port, a text or a whole number; without it, a switch with ports answers for all"),
    ] = None
    source: Annotated[_Text | None, Meta(description="ask this source only, whatever the batch says")] = None


class GetMetrics(Pinned, Formatted, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Many cells at once, all from one snapshot of each source.

    A cell that cannot be answered has an error, and the status that GetMetric would have; the others have a value.
    """

    cells: Annotated[
        tuple[BatchCell, ...],
        Meta(description="the cells, answered in this order", min_length=1, max_length=MOST_CELLS),
    ]
    source: SourceName = None
    snapshot: Annotated[
        Annotated[str, Meta(pattern=_SNAPSHOT)] | None,
        Meta(description="answer from exactly these snapshots, the X-Snapshot-Id of an earlier answer"),
    ] = None
    format: ChosenFormat = None


class TopMetrics(Pinned, Formatted, frozen=True, kw_only=True, omit_defaults=True):
    """The rows of the fabric with the highest or lowest values of a metric.

    Rows without a value are left out; equal values stand in the order in which the sources list their rows.
    """

    metric: Annotated[
        tuple[str, ...],
        Meta(
            description="the metric to rank by (labels cannot be ranked); repeated, further metrics and labels that a "
            "row shows in `cells`",
            max_length=MOST_SHOWN,
            extra={"ordered": True},
        ),
    ]
    n: Annotated[
        int | None, Meta(description=f"how many rows at most; {DEFAULT_RANKED} without it", ge=1, le=MOST_RANKED)
    ] = None
    limit: Annotated[int | None, Meta(description="the same as `n`", ge=1, le=MOST_RANKED)] = None
    order: Annotated[Order, Meta(description="desc: the highest values first; asc: the lowest")] = "desc"
    switch_id: Annotated[
        tuple[str, ...], Meta(description="rank only these switches; a GUID in any spelling; may be repeated")
    ] = ()
    port: Annotated[tuple[str, ...], Meta(description="rank only these ports; may be repeated")] = ()
    source: SourceName = None
    snapshot: SnapshotIds = None
    format: ChosenFormat = None


class DescribeMetrics(Pinned, frozen=True, kw_only=True, omit_defaults=True):
    """What the metrics of each source are.

    The kind of a metric comes from the settings `counters` and `gauges` of its source, or from what is known about the
    column. If neither tells it, it is `unknown`: a kind is never guessed.
    """

    metric: Annotated[
        tuple[str, ...],
        Meta(description=f"only these metrics and labels; names or patterns: {_PATTERNS}; may be repeated"),
    ] = ()
    source: SourceName = None
    snapshot: SnapshotIds = None


class ListSwitches(Pinned, Formatted, frozen=True, kw_only=True, omit_defaults=True):
    """The switches that can be asked for."""

    source: SourceName = None
    snapshot: SnapshotIds = None
    format: ChosenFormat = None


class Rejects(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rows and cells of each source's last body that could not be used."""

    source: SourceName = None


class ListSources(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sources that can be asked for."""
