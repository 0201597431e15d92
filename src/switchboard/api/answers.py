"""The answers of the query endpoints: pure functions of a view, the present moment and a query.

The order of checks is the same everywhere: parameters (400, before these functions), source (404), a live snapshot
(503), then switch, port and metric (404). A miss is only certain if every source could be asked: otherwise it is 503.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from switchboard.api.answer import VARY, Answer, Headers, entity_tag
from switchboard.api.bodies import MOST_VALUES
from switchboard.api.outage import no_live_snapshot, uncertain_miss
from switchboard.api.queries import GetMetric, ListMetrics, ListSwitches
from switchboard.api.view import Live, Standing, View
from switchboard.codec.guid import canonical_guid
from switchboard.codec.render import Cell, Choice, encode_json, find_cells, render_list
from switchboard.errors import QueryError
from switchboard.model import State


class SwitchEntry(msgspec.Struct, frozen=True):
    """A switch and how many rows it has (ports, where the source has ports)."""

    switch_id: str
    rows: int


class SourceSwitches(msgspec.Struct, frozen=True):
    """What can be asked of one source. Metrics stand here once, not with every switch: there may be hundreds."""

    source: str
    metrics: list[str]
    labels: list[str]
    switches: list[SwitchEntry]


_NO_CACHE = (b"cache-control", b"no-cache")
_SWITCHES_A_PIECE = 1000
_BEST_FIRST = (State.FRESH, State.LATE, State.STALE)


def get_metric(view: View, now: float, query: GetMetric) -> Answer:
    """One value, a number or the text of a label; for a switch with ports and no port asked for, an object by port.

    Raises QueryError 404 or 503.
    """
    standing = _standing(view, now, query.source)
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


def list_metrics(view: View, now: float, query: ListMetrics) -> Answer:
    """The list of all switches with their metrics, or the part of it that the query chooses; maybe empty.

    Labels are in it where ``metric`` names them.

    Raises QueryError 404 (source) or 503.
    """
    standing = _standing(view, now, query.source)
    snapshots = [live.loaded.snapshot for live in standing.live]
    choice = Choice(
        switches=frozenset(_known_spelling(standing.live, switch) for switch in query.switch_id) or None,
        metrics=frozenset(query.metric) or None,
        ports=frozenset(query.port) or None,
        since_us=query.since,
    )
    answer = _list(standing, query, render_list(snapshots, choice))
    answer.shared &= choice.switches is None
    return answer


def list_switches(view: View, now: float, query: ListSwitches) -> Answer:
    """Per source its metrics and labels, once, and its switches with their number of rows.

    Raises QueryError 404 (source) or 503.
    """
    standing = _standing(view, now, query.source)
    return _list(standing, query, _switch_pieces(standing.live))


def snapshot_headers(lives: Sequence[Live], missing: Sequence[str] = ()) -> Headers:
    """What tells a client which snapshots an answer was drawn from, and how current they are."""
    newest = lives[0].loaded
    ids, state = newest.id, lives[0].state
    if len(lives) > 1:
        newest = max((live.loaded for live in lives), key=lambda loaded: loaded.snapshot.manifest.data_max_us)
        in_order = sorted(lives, key=lambda live: live.number)
        ids = ",".join(f"{live.source.header_name}={live.loaded.id}" for live in in_order)
        state = max((live.state for live in lives), key=_BEST_FIRST.index)
    headers = [
        (b"last-modified", newest.http_date.encode()),
        (b"x-snapshot-id", ids.encode()),
        (b"x-snapshot-timestamp", newest.timestamp.encode()),
        (b"x-snapshot-state", State.PARTIAL.encode() if missing else state.encode()),
    ]
    if missing:
        headers.append((b"x-snapshot-missing", ",".join(missing).encode()))
    return headers


def _standing(view: View, now: float, source: str | None) -> Standing:
    standing = view.standing(now, source)
    if not standing.live:
        raise no_live_snapshot(view, now, standing.missing)
    return standing


def _known_spelling(lives: Sequence[Live], switch: str) -> str:
    """The switch as the sources name it: as it was asked for if any of them has that, else as GUIDs are spelled."""
    if any(switch in live.loaded.snapshot.switches for live in lives):
        return switch
    return canonical_guid(switch) or switch


def _cell(standing: Standing, used: list[Live], query: GetMetric, value: Cell | dict[str, Cell]) -> Answer:
    return Answer(
        200,
        [_NO_CACHE, VARY, *snapshot_headers(used)],
        encode_json(value),
        etag=_etag(standing, query),
    )


def _list(standing: Standing, query: ListMetrics | ListSwitches, pieces: Iterator[bytes]) -> Answer:
    missing = [source.header_name for source in standing.missing]
    values = sum(live.loaded.snapshot.manifest.values for live in standing.live)
    return Answer(
        200,
        [_NO_CACHE, VARY, *snapshot_headers(standing.live, missing)],
        pieces,
        etag=_etag(standing, query),
        shared=values <= MOST_VALUES,
        values=values,
    )


def _etag(standing: Standing, query: msgspec.Struct) -> bytes:
    """The tag of an answer: the snapshots in the order of their precedence, what is missing, and the query."""
    snapshots = [(live.source.name, live.loaded.id) for live in standing.live]
    return entity_tag((type(query).__name__, snapshots, [source.name for source in standing.missing], query))


def _switch_pieces(lives: Sequence[Live]) -> Iterator[bytes]:
    begin = b"["
    for live in sorted(lives, key=lambda live: live.number):
        snapshot = live.loaded.snapshot
        schemas = {id(block.metrics): block for block in snapshot.blocks}.values()
        head = SourceSwitches(
            live.source.name,
            list(dict.fromkeys(name for block in schemas for name in block.metrics)),
            list(dict.fromkeys(name for block in schemas for name in block.labels)),
            [],
        )
        yield begin + encode_json(head)[:-2]
        begin = b","
        entries: list[SwitchEntry] = []
        comma = b""
        for switch in snapshot.switches:
            entries.append(SwitchEntry(switch, sum(part.rows for part in snapshot.parts(switch))))
            if len(entries) == _SWITCHES_A_PIECE:
                yield comma + encode_json(entries)[1:-1]
                entries.clear()
                comma = b","
        yield (comma if entries else b"") + encode_json(entries)[1:-1] + b"]}"
    yield b"]\n"
