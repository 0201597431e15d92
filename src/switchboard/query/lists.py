"""Lists: ListMetrics and ListSwitches, pure functions of a view, the present moment and a query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from switchboard.errors import ErrorKind, QueryError
from switchboard.outputs.formats import DEFAULT_FORMAT, FORMATS, Format
from switchboard.outputs.json import encode_json
from switchboard.outputs.records import Field, Kind, write_records
from switchboard.query.cursors import Cursor, decode_cursor, encode_cursor, next_query
from switchboard.query.reports import SourceSwitches, SwitchEntry
from switchboard.query.requests import DEFAULT_LIMIT, ListMetrics, ListSwitches, Pinned
from switchboard.query.result import Result
from switchboard.query.spread import check_globs, spread
from switchboard.query.standing import standing_for
from switchboard.query.tags import content_tag
from switchboard.query.values import Since, malformed
from switchboard.selection.choose import Choice, Listed, Selector
from switchboard.selection.conditions import (
    MORE_THAN_ONE,
    MOST_CONDITIONS,
    Condition,
    parse_condition,
    second_metric,
    spelled,
)
from switchboard.selection.cost import PIECE_SWITCHES
from switchboard.selection.globs import Names, is_glob
from switchboard.selection.merge import merged_page_end
from switchboard.selection.pages import WHOLE, Page, Position, page_end
from switchboard.snapshot.block import Block
from switchboard.snapshot.guid import known_spelling
from switchboard.snapshot.snapshot import Snapshot
from switchboard.view.pins import UnknownSnapshot
from switchboard.view.sources import Live
from switchboard.view.view import Standing, View


def list_metrics(view: View, now: float, query: ListMetrics) -> Result:
    """The list of all switches with their metrics, or the part of it that the query chooses; maybe empty.

    Labels are included only if ``metric`` names them. JSON merges the sources; the other formats list the rows of each.

    Raises QueryError: MALFORMED (a cursor, a condition, a pattern), NOT_FOUND (source or snapshot), GONE, UNAVAILABLE.
    """
    cursor = decode_cursor(query)
    standing = standing_for(view, now, query) if cursor is None else _standing_of(cursor, view, now, query)
    choice = _choice([live.loaded.snapshot for live in standing.live], query)
    format = FORMATS[query.format or DEFAULT_FORMAT]
    result = _list(standing, query, _whole(standing.live, choice, format))
    result.format = format.name
    if cursor is not None or query.limit is not None:
        listed = _listed(standing.live, choice)
        selectors = [each.selector for each in listed]
        start = Position() if cursor is None else _start(cursor, selectors, query)
        find_end = merged_page_end if format.merges else page_end
        end = find_end(selectors, start, query.limit or DEFAULT_LIMIT)
        if end is not None:
            result.cursor = encode_cursor(standing, query, end)
            result.following = next_query(query, result.cursor)
        result.pieces = format.write(listed, Page(start, end))
        result.shared = False  # others are not likely to ask for just this page
    if query.switch_id:
        result.shared = False  # ... or for just these switches
    if not result.shared:
        result.cells = min(result.cells, _expected_cells(standing, query))
    return result


def list_switches(view: View, now: float, query: ListSwitches) -> Result:
    """The metrics and labels of each source, and its switches with their number of rows.

    Raises QueryError: NOT_FOUND (source or snapshot), GONE, UNAVAILABLE.
    """
    standing = standing_for(view, now, query)
    if query.format in {None, DEFAULT_FORMAT}:
        return _list(standing, query, _switch_pieces(standing.live))
    assert query.format is not None
    result = _list(standing, query, write_records(query.format, SWITCH_FIELDS, _switch_records(standing.live)))
    result.format = query.format
    return result


def _expected_cells(standing: Standing, query: ListMetrics) -> int:
    """About how many cells a list of some switches, or a page of a list, has at most."""
    rows = cells = 0
    for live in standing.live:
        snapshot = live.loaded.snapshot
        if query.switch_id and not any(is_glob(switch) or "{" in switch for switch in query.switch_id):
            known = (snapshot.parts(switch) for switch in query.switch_id if switch in snapshot.switches)
            rows = sum(part.rows for parts in known for part in parts)
        else:
            rows = snapshot.manifest.rows
        if query.limit is not None:
            rows = min(rows, query.limit)
        cells += rows * snapshot.manifest.values // max(1, snapshot.manifest.rows)
    return cells


def _whole(lives: Sequence[Live], choice: Choice, format: Format) -> Iterator[bytes]:
    """The pieces of a whole list. No work is done before the first is asked for: most bodies are kept already."""
    yield from format.write(_listed(lives, choice), WHOLE)


def _listed(lives: Sequence[Live], choice: Choice) -> list[Listed]:
    return [Listed(live.source.name, Selector(live.loaded.snapshot, choice)) for live in lives]


def _standing_of(cursor: Cursor, view: View, now: float, query: ListMetrics) -> Standing:
    """The snapshots of a cursor, in their order there. Raises QueryError: NOT_FOUND, GONE or UNAVAILABLE."""
    try:
        pins = view.pins(cursor.pin)
        if query.snapshot is not None and {id for _, id in view.pins(query.snapshot)} != {id for _, id in pins}:
            raise malformed("cursor", query.cursor or "", "belongs to other snapshots than those that snapshot= names")
        standing = standing_for(view, now, msgspec.structs.replace(query, snapshot=cursor.pin))
    except UnknownSnapshot as error:
        raise error.of_cursor() from None
    order = [source for source, _ in pins]
    live = sorted(standing.live, key=lambda each: order.index(each.source.quoted_name))
    return Standing(live, standing.missing, standing.until)


def _start(cursor: Cursor, selectors: Sequence[Selector], query: ListMetrics) -> Position:
    """Where the page of a cursor begins. Raises QueryError (MALFORMED) if the list does not have that position."""
    start = cursor.position
    if 0 <= start.source < len(selectors) and start.skip >= 0:
        order = selectors[start.source].order
        if 0 <= start.row <= order.rows:
            return start
    raise malformed("cursor", query.cursor or "", "is no place in the list")


def _choice(snapshots: Sequence[Snapshot], query: ListMetrics) -> Choice:
    """The rows and columns that a query chooses from these snapshots. Raises QueryError (MALFORMED)."""
    schemas = [block for snapshot in snapshots for block in snapshot.schemas]
    columns = {name for block in schemas for name in (*block.labels, *block.metrics)} if query.metric else set()
    asked = {
        "switch_id": spread("switch_id", query.switch_id, *(each.switches for each in snapshots)),
        "metric": spread("metric", query.metric, columns),
        "port": spread("port", query.port),
    }
    for name, texts in asked.items():
        check_globs(name, texts)
    if len(query.where) > MOST_CONDITIONS:
        raise QueryError(
            ErrorKind.MALFORMED, f"Too many conditions in the where parameter: at most {MOST_CONDITIONS} are taken"
        )
    where = tuple(parse_condition(text) for text in query.where)
    for condition in where:
        _refuse_order_of_texts(condition, schemas)
        _refuse_second_condition(condition, schemas)
    switches = [known_spelling(switch, *(each.switches for each in snapshots)) for switch in asked["switch_id"]]
    known = {switch for switch in switches if is_glob(switch) and any(switch in each.switches for each in snapshots)}
    since = Since.read(query.since)
    return Choice(
        switches=Names.of(switches, known),
        metrics=Names.of(asked["metric"], columns),
        ports=Names.of(asked["port"]),
        since_us=since.at_us,
        ago_us=since.ago_us,
        where=where,
    )


def _refuse_order_of_texts(condition: Condition, schemas: Iterable[Block]) -> None:
    """Raise QueryError (MALFORMED) if a condition asks whether a label is greater or less, which no text can meet."""
    is_label = any(condition.metric in block.labels for block in schemas)
    if condition.orders and is_label and not any(condition.metric in block.metrics for block in schemas):
        raise malformed("where", spelled(condition), f"compares a label: {condition.metric} takes = and != only")


def _refuse_second_condition(condition: Condition, schemas: Iterable[Block]) -> None:
    """Raise QueryError (MALFORMED) for ``state=Up and errors>0``, which would compare a label with all that text."""
    second = second_metric(condition.value)
    if second is not None and any(block.column_of(second) is not None for block in schemas):
        raise malformed("where", spelled(condition), MORE_THAN_ONE)


def _list(standing: Standing, query: Pinned, pieces: Iterator[bytes]) -> Result:
    return Result(
        pieces=pieces,
        provenance=standing.provenance(),
        tag=content_tag(standing),
        shared=True,
        cells=sum(live.loaded.snapshot.manifest.values for live in standing.live),
    )


SWITCH_FIELDS = (Field("source", Kind.TEXT), Field("switch_id", Kind.TEXT), Field("rows", Kind.COUNT))
"""The columns of the list of switches as a table."""


def _switch_records(lives: Sequence[Live]) -> Iterator[list[tuple[str, str, int]]]:
    for live in sorted(lives, key=lambda live: live.place):
        snapshot = live.loaded.snapshot
        switches = iter(snapshot.switches)
        while some := list(islice(switches, PIECE_SWITCHES)):
            yield [(live.source.name, each, sum(part.rows for part in snapshot.parts(each))) for each in some]


def _switch_pieces(lives: Sequence[Live]) -> Iterator[bytes]:
    begin = b"["
    for live in sorted(lives, key=lambda live: live.place):
        snapshot = live.loaded.snapshot
        head = SourceSwitches(
            live.source.name,
            list(dict.fromkeys(name for block in snapshot.schemas for name in block.metrics)),
            list(dict.fromkeys(name for block in snapshot.schemas for name in block.labels)),
            [],
        )
        yield begin + encode_json(head)[:-2]
        begin = b","
        entries: list[SwitchEntry] = []
        comma = b""
        for switch in snapshot.switches:
            entries.append(SwitchEntry(switch, sum(part.rows for part in snapshot.parts(switch))))
            if len(entries) == PIECE_SWITCHES:
                yield comma + encode_json(entries)[1:-1]
                entries.clear()
                comma = b","
        yield (comma if entries else b"") + encode_json(entries)[1:-1] + b"]}"
    yield b"]\n"
