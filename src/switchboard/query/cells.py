"""Single cells: GetMetric, a pure function of a view, the present moment and a query.

The order of checks is the same everywhere: the form of the parameters (MALFORMED, before these functions), ``source=``
(NOT_FOUND), ``snapshot=`` (NOT_FOUND, GONE), a live snapshot (UNAVAILABLE), then switch, port and metric (NOT_FOUND).
If a source could not be asked, UNAVAILABLE is answered in place of the last NOT_FOUND: it might have it.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from switchboard.moments import rfc3339
from switchboard.query.reports import CellReport
from switchboard.query.requests import BatchCell, GetMetric
from switchboard.query.result import Result
from switchboard.query.standing import missed, standing_for
from switchboard.query.tags import content_tag
from switchboard.selection.cells import find_cells, find_rows, only_cell
from switchboard.snapshot.cell import Cell
from switchboard.snapshot.guid import canonical_guid
from switchboard.view.sources import Live
from switchboard.view.view import Standing, View


class Found(NamedTuple):
    """The value, and the sources it came from, in order of precedence."""

    value: Cell | dict[str, Cell]
    used: list[Live]
    switch_id: str
    """The switch as the sources spell it."""


def get_metric(view: View, now: float, query: GetMetric) -> Result:
    """One value, a number or the text of a label; for a switch with ports and no port asked for, an object by port.

    With ``verbose`` each value is a CellReport. Raises QueryError: NOT_FOUND, GONE or UNAVAILABLE.
    """
    standing = standing_for(view, now, query)
    found = find(view, now, standing, query)
    drawn_from = standing.provenance(found.used)
    if query.verbose:
        return Result(value=_report(now, query, found), provenance=drawn_from)
    return Result(value=found.value, provenance=drawn_from, tag=content_tag(standing))


def value_of_first(standing: Standing, asked: GetMetric | BatchCell) -> Cell | None:
    """The value, if the first source has it in the one row of the switch, and no port is asked for; else None.

    That is what most questions are about, and ``find`` costs twice as much.
    """
    if asked.port is not None or not standing.live:
        return None
    return only_cell(standing.live[0].loaded.snapshot, asked.switch_id, asked.metric)


def find(view: View, now: float, standing: Standing, asked: GetMetric | BatchCell) -> Found:
    """The cells of one metric or label: one value, or values by port. Raises QueryError: NOT_FOUND or UNAVAILABLE.

    Where two sources have the same cell, that of the first one in ``standing`` counts.
    """
    switch, port = asked.switch_id, None if asked.port is None else str(asked.port)
    first = value_of_first(standing, asked)
    if first is not None:
        return Found(first, [standing.live[0]], switch)
    by_port: dict[str, Cell] = {}
    used: list[Live] = []
    switch_exists = port_exists = False
    for live in standing.live:
        snapshot = live.loaded.snapshot
        if switch not in snapshot.switches:
            continue
        switch_exists = True
        cells, matched = find_cells(snapshot, switch, asked.metric, port)
        port_exists |= matched
        if port in cells and not by_port:
            return Found(cells[port], [live], switch)
        new = {each: value for each, value in cells.items() if each is not None and each not in by_port}
        if new:
            by_port |= new
            used.append(live)
    if by_port:
        return Found(by_port, used, switch)
    if not switch_exists:
        guid = canonical_guid(switch)
        if guid is not None and guid != switch:
            return find(view, now, standing, msgspec.structs.replace(asked, switch_id=guid))
        raise missed(view, now, standing, "switch_id", switch)
    if not port_exists:
        raise missed(view, now, standing, "port", port or "")
    raise missed(view, now, standing, "metric", asked.metric)


def _report(now: float, query: GetMetric, found: Found) -> CellReport | dict[str, CellReport]:
    reports: dict[str | None, CellReport] = {}
    for live in found.used:
        info = live.loaded.snapshot.info(query.metric)
        for port, row in find_rows(live.loaded.snapshot, found.switch_id, query.port).items():
            value = row.cell(query.metric)
            if value is not None and port not in reports:
                reports[port] = CellReport(
                    value=value,
                    kind=None if isinstance(value, str) else info.kind,
                    unit=None if isinstance(value, str) else info.unit,
                    help="" if isinstance(value, str) else info.help,
                    timestamp=rfc3339(row.time_us),
                    age_seconds=round(now - live.source.confirmed_at, 3),
                    data_age_seconds=live.source.data_age(now),
                    state=live.state,
                    snapshot=live.loaded.id,
                    source=live.source.name,
                    switch_id=found.switch_id,
                    port=port,
                    metric=query.metric,
                    labels=row.labels(),
                )
    if isinstance(found.value, dict):
        return {port: report for port, report in reports.items() if port is not None}
    return reports[query.port]
