"""Single cells: GetMetric, a pure function of a view, the present moment and a query.

The order of checks is the same everywhere: parameters (400, before these functions), source (404), a live snapshot
(503), then switch, port and metric (404). A miss is only certain if every source could be asked: otherwise it is 503.
"""

from __future__ import annotations

import msgspec

from switchboard.api.answer import Answer
from switchboard.api.outage import uncertain_miss
from switchboard.api.provenance import data_headers, entity_tag, standing_for
from switchboard.api.queries import GetMetric
from switchboard.api.view import Live, Standing, View
from switchboard.codec.guid import canonical_guid
from switchboard.codec.render import Cell, encode_json, find_cells
from switchboard.errors import QueryError


def get_metric(view: View, now: float, query: GetMetric) -> Answer:
    """One value, a number or the text of a label; for a switch with ports and no port asked for, an object by port.

    Raises QueryError 404 or 503.
    """
    standing = standing_for(view, now, query)
    by_port: dict[str, Cell] = {}
    used: list[Live] = []
    switch_exists = port_exists = False
    for live in standing.live:
        snapshot = live.loaded.snapshot
        if query.switch_id not in snapshot.switches:
            continue
        switch_exists = True
        cells, matched = find_cells(snapshot, query.switch_id, query.metric, query.port)
        port_exists |= matched
        key = query.port
        if key in cells and not by_port:
            return _cell(standing, [live], query, cells[key])
        new = {port: value for port, value in cells.items() if port is not None and port not in by_port}
        if new:
            by_port |= new
            used.append(live)
    if by_port:
        return _cell(standing, used, query, by_port)
    if not switch_exists:
        guid = canonical_guid(query.switch_id)
        if guid is not None and guid != query.switch_id:
            return get_metric(view, now, msgspec.structs.replace(query, switch_id=guid))
        sentence = "switch_id does not exist"
    elif not port_exists:
        sentence = "port does not exist"
    else:
        sentence = "metric does not exist"
    if standing.missing:
        raise uncertain_miss(view, now, sentence, standing.missing)
    raise QueryError(404, sentence)


def _cell(standing: Standing, used: list[Live], query: GetMetric, value: Cell | dict[str, Cell]) -> Answer:
    return Answer(
        200,
        data_headers(standing, used),
        encode_json(value),
        etag=entity_tag(standing, query),
    )
