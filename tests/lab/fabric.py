"""Snapshots and views made by hand, the way the ETL and the watcher make them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from switchboard.inputs.csv.columns_basic import BASIC_COLUMNS
from switchboard.model import Manifest, Outcome, SourceStatus
from switchboard.snapshot.block import RowBatch
from switchboard.snapshot.builder import BlockBuilder, EncodedBlock
from switchboard.snapshot.index import Index
from switchboard.snapshot.metrics import Column, MetricInfo, Role
from switchboard.snapshot.reader import SnapshotReader
from switchboard.snapshot.snapshot import Snapshot
from switchboard.snapshot.units import unit_of
from switchboard.view.sources import Loaded, SourceView
from switchboard.view.view import View

DATA_SECONDS = 1_795_460_000
"""2026-11-23T18:53:20Z: the time of rows for which a test says no other."""
NOW = 5000.0
"""The moment, on the clock of the service, at which views are looked at."""
DATA_AGE = 5.0
"""Age of the newest row when a snapshot was confirmed, in seconds."""

Value = int | float | str | None


@dataclass(frozen=True)
class Row:
    """A line of a body. ``port`` None: the source has no ports. A cell with text makes its column a label."""

    switch: str
    cells: dict[str, Value]
    port: str | None = None
    time_us: int = DATA_SECONDS * 1_000_000


def row(switch: str, port: str | None = None, time: float = DATA_SECONDS, **cells: Value) -> Row:
    """A row whose ``time`` is in seconds."""
    return Row(switch, cells, port, round(time * 1_000_000))


@dataclass(frozen=True)
class Written:
    """A snapshot as the ETL would store it."""

    manifest: Manifest
    index: Index
    blocks: list[EncodedBlock]

    def load(self) -> Snapshot:
        """The snapshot as the API would load it."""
        reader = SnapshotReader(self.manifest, self.index)
        for block in self.blocks:
            reader.add(block.payload.to_pybytes())
        for _ in reader.steps():
            pass
        return reader.finish()


def write(rows: Sequence[Row], *, chunk: int = 1000, labels: Iterable[str] = (), **manifest: Any) -> Written:
    """Build blocks and index of ``rows``, ``chunk`` rows per batch; ``manifest`` replaces fields of the manifest."""
    builder = BlockBuilder()
    names = list(dict.fromkeys(name for each in rows for name in each.cells))
    types = {name: _type(each.cells.get(name) for each in rows) for name in names}
    blocks: list[EncodedBlock] = []
    for start in range(0, len(rows), chunk):
        blocks += builder.add(_batch(rows[start : start + chunk], names, types, list(labels)))
    blocks += builder.finish()
    texts = {name for name in names if any(isinstance(each.cells.get(name), str) for each in rows)}
    builder.columns = [
        Column(
            name,
            name,
            Role.LABEL if name in texts else Role.METRIC,
            BASIC_COLUMNS.get(name, MetricInfo(unit=unit_of(name))),
        )
        for name in names
    ]
    times = [each.time_us for each in rows] or [0]
    fields: dict[str, Any] = {
        "source": "fabric",
        "snapshot": f"{DATA_SECONDS}500-a1b2",
        "epoch": 1,
        "scraped_ms": DATA_SECONDS * 1000 + 500,
        "published_ms": DATA_SECONDS * 1000 + 600,
        "last_time_updated": max(times) // 1_000_000,
        "data_min_us": min(times),
        "data_max_us": max(times),
        "interval_ms": 10_000,
        "ttl_ms": 30_000,
        "rows": builder.rows,
        "switches": builder.switches,
        "values": sum(isinstance(value, int | float) for each in rows for value in each.cells.values()),
        "blocks": len(blocks),
        "size_bytes": builder.size_bytes,
        "rejects": {},
    }
    return Written(Manifest(**fields | manifest), builder.index, blocks)


def snapshot(rows: Sequence[Row], **options: Any) -> Snapshot:
    """A snapshot in memory."""
    return write(rows, **options).load()


def status(source: str = "fabric", **fields: Any) -> SourceStatus:
    """What the ETL says after a scrape that went well."""
    known = SourceStatus(
        source=source,
        url="http://127.0.0.1:9001/counters",
        interval_ms=10_000,
        attempted_ms=DATA_SECONDS * 1000 + 500,
        outcome=Outcome.PUBLISHED,
        duration_ms=12.5,
        labels={"fabric": "lab"},
    )
    return msgspec.structs.replace(known, **fields)


def source(
    name: str = "fabric",
    rows: Sequence[Row] | None = None,
    *,
    age: float = 1.0,
    last: SourceStatus | None = None,
    labels: Iterable[str] = (),
    snapshot: str = "",
    **more: Any,
) -> SourceView:
    """A source whose snapshot was confirmed ``age`` seconds before NOW; without ``rows`` it has none."""
    view = SourceView(name=name, answered_at=NOW - 0.2, status=last or status(name), status_seen_at=NOW - age)
    if rows is None:
        return replace(view, **more)
    written = write(rows, labels=labels, source=name, snapshot=snapshot or f"{DATA_SECONDS}500-{name}")
    ttl_seconds = written.manifest.ttl_ms / 1000
    view = replace(
        view,
        loaded=Loaded(written.load(), DATA_SECONDS + 10),
        confirmed_at=NOW - age,
        expires_at=NOW - age + ttl_seconds,
        data_at=NOW - age - DATA_AGE,
        max_data_age_seconds=900.0,
    )
    return replace(view, **more)


def view(*sources: SourceView, **fields: Any) -> View:
    """A view of a store that answered a moment ago."""
    known: dict[str, Any] = {"sources": sources, "store_answered_at": NOW - 0.2}
    return View(**known | fields)


@dataclass
class Holder:
    """Holds a view that only the test changes, and a clock that stands at NOW."""

    view: View
    now: float = NOW

    def clock(self) -> float:
        return self.now


def _batch(rows: Sequence[Row], cells: list[str], types: dict[str, pa.DataType], labels: list[str]) -> RowBatch:
    ports = [each.port for each in rows]
    texts = [name for name in cells if any(isinstance(each.cells.get(name), str) for each in rows)]
    metrics = [name for name in cells if name not in texts]
    columns = [
        pa.array([each.time_us for each in rows], pa.int64()),
        pa.array(ports, pa.null() if all(port is None for port in ports) else pa.string()),
        *(pa.array([f"{name} of {each.switch}" for each in rows], pa.string()) for name in labels),
        *(pa.array([each.cells.get(name) for each in rows], pa.string()) for name in texts),
        *(pa.array([each.cells.get(name) for each in rows], types[name]) for name in metrics),
    ]
    names = ["timestamp", "port", *labels, *texts, *metrics]
    switches = pa.array([each.switch for each in rows], pa.string())
    lines = np.arange(2, 2 + len(switches), dtype=np.int32)
    return RowBatch(switches, pa.record_batch(columns, names=names), len(labels) + len(texts), lines)


def _type(values: Iterable[Value]) -> pa.DataType:
    known = [value for value in values if isinstance(value, int | float)]
    if any(isinstance(value, float) for value in known):
        return pa.float64()
    return pa.uint64() if any(value > 2**63 - 1 for value in known) else pa.int64()
