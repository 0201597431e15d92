"""The types of answers: one struct per kind of object in a body."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from switchboard.errors import ErrorKind
from switchboard.model import Reject, State
from switchboard.snapshot.cell import Cell
from switchboard.snapshot.metrics import Kind

STATUS_OF = {
    ErrorKind.MALFORMED: 400,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.GONE: 410,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.UNAVAILABLE: 503,
}
"""The HTTP status of each kind of error. Batch entries have it too: clients know it from answers to single queries."""


class CellReport(msgspec.Struct, frozen=True, kw_only=True):
    """A cell with all that is known about it."""

    value: Cell
    """The value that is answered without ``verbose``."""
    kind: Kind | None
    """What the numbers of the metric do: counter, gauge, state or unknown; null for a label."""
    unit: str | None
    """A code of UCUM, where it is certain: ``By``, ``Mbit/s``, ``{packet}``; null for a label."""
    help: str
    """What the metric means; empty where it is not known, and for a label."""
    timestamp: str
    """The row's own time, RFC 3339 with microseconds."""
    age_seconds: float
    """Time since a scrape last confirmed the snapshot, on the clock of the service."""
    data_age_seconds: float | None
    """Age of the newest row of that snapshot, by the source's own clock; null if its rows have no times."""
    state: State
    """How current that snapshot is: fresh, late or stale."""
    snapshot: str
    source: str
    switch_id: str
    """The switch as the source spells it."""
    port: str | None
    metric: str
    labels: dict[str, str]
    """The labels of the same row."""


class MetricDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of a source."""

    metric: str
    """Name of the metric in queries and answers."""
    column: str
    """Name of the column in the source's body."""
    kind: Kind
    """counter: only grows, until a reset; gauge: goes up and down; state: a number that is a code; unknown."""
    unit: str | None
    """A code of UCUM; null where it is not certain."""
    help: str
    """The meaning; empty where it is not known."""


class LabelDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A label of a source."""

    label: str
    """Name of the label in queries and answers."""
    column: str
    """Name of the column in the source's body."""


class SourceMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics and labels of a source, each in the order of the columns in its body."""

    source: str
    metrics: list[MetricDescription]
    labels: list[LabelDescription]


class SwitchEntry(msgspec.Struct, frozen=True):
    """A switch and how many rows it has (ports, where the source has ports)."""

    switch_id: str
    rows: int


class SourceSwitches(msgspec.Struct, frozen=True):
    """What can be asked of one source. Metrics are listed once, not per switch, because there may be hundreds."""

    source: str
    metrics: list[str]
    labels: list[str]
    switches: list[SwitchEntry]


class BatchEntry(msgspec.Struct, frozen=True):
    """One cell of the answer: ``value``, or ``error`` and ``status``."""

    value: Cell | dict[str, Cell] | UnsetType = UNSET
    """The value that GetMetric would answer."""
    error: str | UnsetType = UNSET
    """Why there is no value: the sentence that GetMetric would answer."""
    status: int | UnsetType = UNSET
    """The status that GetMetric would have."""


class TopEntry(msgspec.Struct, frozen=True):
    """A row of a ranking."""

    switch_id: str
    port: str | None
    value: int | float
    timestamp: str
    """The row's own time, RFC 3339 with microseconds."""
    source: str
    cells: dict[str, Cell] | UnsetType = UNSET
    """Values of the further metrics and labels that the query names, as far as the row has them."""


class AttemptReport(msgspec.Struct, frozen=True, kw_only=True):
    """The last scrape of a source, as the ETL reported it."""

    outcome: str
    duration_seconds: float
    seen_seconds_ago: float
    """Time since this process first saw the attempt."""
    reason: str
    error: str
    rejects: dict[str, int]
    examples: list[Reject]


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """One source. The fields that describe its snapshot are null while there is no live one."""

    name: str
    url: str | None
    labels: dict[str, str]
    """The labels that the configuration of the ETL gives the source."""
    state: str
    """fresh, late, stale; or none: no live snapshot."""
    interval_seconds: float | None
    ttl_seconds: float | None
    snapshot: str | None
    timestamp: str | None
    """Time of the snapshot's newest row."""
    age_seconds: float | None
    """Time since a scrape last confirmed the snapshot."""
    data_age_seconds: float | None
    """Age of the snapshot's newest row, by the source's own clock; null if its rows have no times."""
    max_data_age_seconds: float | None
    """A greater age of the newest row makes the source stale; null: no limit."""
    expires_in_seconds: float | None
    rows: int | None
    """Rows of the snapshot. A row that repeats the switch and port of an earlier one is among them, and among the
    rejects; queries find the first."""
    switches: int | None
    rejects: dict[str, int] | None
    trouble: str | None
    """Why there is no newer snapshot, or none at all."""
    last_attempt: AttemptReport | None


class StoreReady(msgspec.Struct, frozen=True, kw_only=True):
    """The store, as /ready reports it."""

    ready: bool
    trouble: str | None


class SourceReady(msgspec.Struct, frozen=True, kw_only=True):
    """A source, as /ready reports it."""

    ready: bool
    state: str
    snapshot: str | None
    trouble: str | None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this process can answer, and one entry per dependency and source."""

    ready: bool
    stopping: bool
    store: StoreReady
    sources: dict[str, SourceReady]


class RejectExample(msgspec.Struct, frozen=True, kw_only=True):
    """One row or cell that could not be used."""

    line: int
    """Line of the body, counted from 1 (the header)."""
    column: str | None
    """Name of the column; null if the whole row was dropped."""
    value: str
    reason: str
    sentence: str


class RejectReport(msgspec.Struct, frozen=True, kw_only=True):
    """The last scrape of a source, and the rejects of the last body that a scrape brought."""

    source: str
    outcome: str | None
    """published, unchanged, held or failed; null while no scrape is known."""
    reason: str
    """Why the body as a whole is held or refused, or what is wrong with it although it was published: one word, as in
    the metrics; else empty."""
    error: str
    """The reason as a sentence."""
    seen_seconds_ago: float | None
    """Time since this process first saw the scrape."""
    of_last_scrape: bool
    """Whether the rejects are of the last scrape. If not, it brought no body, and they are of an earlier scrape."""
    counts: dict[str, int]
    """All rejected rows and cells, by reason."""
    examples: list[RejectExample]
    """The first rejects, some of every reason."""
