"""Many cells at once: GetMetrics, a function of a view, the present moment and the body of a POST.

All cells are from one view, so from one snapshot of each source, though they are looked up a piece at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from switchboard.errors import ErrorKind, QueryError
from switchboard.outputs.formats import DEFAULT_FORMAT
from switchboard.outputs.json import encode_json
from switchboard.outputs.records import Field, Kind, write_records
from switchboard.query.cells import find, value_of_first
from switchboard.query.reports import STATUS_OF, BatchEntry
from switchboard.query.requests import BatchCell, GetMetrics
from switchboard.query.result import Result
from switchboard.selection import cost
from switchboard.view.outage import no_live_snapshot
from switchboard.view.view import Standing, View

MOST_VALUES = 200_000
"""Values in one answer: a cell without a port stands for all ports of a switch."""


def get_metrics(view: View, now: float, query: GetMetrics) -> Result:
    """The cells in the order in which they were asked for; a cell that cannot be answered has its error.

    Raises QueryError if the whole batch cannot be answered: NOT_FOUND (source or snapshot), GONE or UNAVAILABLE.
    """
    view.chosen(query.source)  # the source must exist, even if every cell names another one
    everything = view.standing(now, pin=query.snapshot)
    headed = everything
    if query.source is not None and all(cell.source is None for cell in query.cells):
        headed = _narrowed(view, everything, query.source)
    if not headed.live:
        raise no_live_snapshot(view, now, headed.missing)
    found = _entries(view, now, query, everything)
    format = query.format or DEFAULT_FORMAT
    return Result(
        pieces=_array(found) if format == DEFAULT_FORMAT else write_records(format, FIELDS, _records(query, found)),
        format=format,
        provenance=headed.provenance(),
        bounded=True,
        cells=len(query.cells),
    )


FIELDS = (
    Field("cell", Kind.COUNT),
    Field("switch_id", Kind.TEXT),
    Field("port", Kind.TEXT),
    Field("metric", Kind.TEXT),
    Field("value", Kind.VALUE),
    Field("error", Kind.TEXT),
    Field("status", Kind.COUNT),
)
"""The columns of a batch as a table. ``cell`` is the index of the cell in the query, from 0."""


def _array(found: Iterator[list[BatchEntry]]) -> Iterator[bytes]:
    """The entries as a JSON array."""
    begin = b"["
    for entries in found:
        yield begin + encode_json(entries)[1:-1]
        begin = b","
    yield b"]\n"


def _records(query: GetMetrics, found: Iterator[list[BatchEntry]]) -> Iterator[list[tuple[Any, ...]]]:
    """The entries as records: one for each value, or for the error of a cell."""
    number = 0
    for entries in found:
        records: list[tuple[Any, ...]] = []
        for entry in entries:
            cell = query.cells[number]
            port = None if cell.port is None else str(cell.port)
            if entry.value is UNSET:
                records.append((number, cell.switch_id, port, cell.metric, None, entry.error, entry.status))
            elif isinstance(entry.value, dict):
                records += [
                    (number, cell.switch_id, each, cell.metric, value, None, None)
                    for each, value in entry.value.items()
                ]
            else:
                records.append((number, cell.switch_id, port, cell.metric, entry.value, None, None))
            number += 1
        yield records


def _entries(view: View, now: float, query: GetMetrics, everything: Standing) -> Iterator[list[BatchEntry]]:
    """The entries in the order of the cells, some at a time: together they hold the event loop for a piece."""
    standings: dict[str | None, Standing] = {None: everything}
    entries: list[BatchEntry] = []
    work = values = 0
    for cell in query.cells:
        if cell.port is None and values >= MOST_VALUES:
            entries.append(_TOO_LARGE)
            continue
        try:
            name = cell.source or query.source
            standing = standings.get(name)
            if standing is None:
                standing = standings[name] = _narrowed(view, everything, name)
            entry, count = _found(view, now, standing, cell)
        except QueryError as error:
            entry, count = BatchEntry(error=str(error), status=STATUS_OF[error.kind]), 0
        entries.append(entry)
        values += count
        work += cost.LOOKUP_CELLS + count * cost.LOOKUP_CELLS // cost.VALUES_PER_LOOKUP
        if work >= cost.PIECE_CELLS:
            yield entries
            entries = []
            work = 0
    if entries:
        yield entries


_TOO_LARGE = BatchEntry(
    error=f"the answer is too large: {MOST_VALUES} values stand before this one", status=STATUS_OF[ErrorKind.TOO_LARGE]
)


def _found(view: View, now: float, standing: Standing, cell: BatchCell) -> tuple[BatchEntry, int]:
    first = value_of_first(standing, cell)
    if first is not None:
        return BatchEntry(value=first), 1
    if not standing.live:
        raise no_live_snapshot(view, now, standing.missing)
    value = find(view, now, standing, cell).value
    return BatchEntry(value=value), len(value) if isinstance(value, dict) else 1


def _narrowed(view: View, standing: Standing, name: str | None) -> Standing:
    """The standing of one source. Raises QueryError (NOT_FOUND) if it does not exist, or ``snapshot`` names others."""
    view.chosen(name)
    live = [each for each in standing.live if each.source.name == name]
    missing = [each for each in standing.missing if each.name == name]
    if not live and not missing:
        raise QueryError(ErrorKind.NOT_FOUND, "source is none of those whose snapshots are asked for")
    return Standing(live, missing, standing.until)
