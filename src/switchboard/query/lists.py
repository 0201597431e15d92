"""Lists: ListMetrics and ListSwitches, pure functions of a view, the present moment and a query."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from switchboard.api.answer import Answer, Headers
from switchboard.api.bodies import MOST_VALUES
from switchboard.errors import QueryError
from switchboard.outputs.arrow import render_arrow
from switchboard.outputs.formats import CONTENT_TYPES, Format
from switchboard.outputs.json import encode_json, list_end, render_list
from switchboard.outputs.tables import Source, render_csv, render_ndjson
from switchboard.query.cursors import Cursor, decode_cursor, encode_cursor, next_link
from switchboard.query.provenance import data_headers, entity_tag, standing_for
from switchboard.query.reports import SourceSwitches, SwitchEntry
from switchboard.query.requests import DEFAULT_LIMIT, ListMetrics, ListSwitches
from switchboard.query.values import malformed
from switchboard.selection.choose import Choice, Selector
from switchboard.selection.conditions import MOST_CONDITIONS, Condition, parse_condition, spelled
from switchboard.selection.globs import MOST_GLOB_CHARACTERS, MOST_GLOBS, Names, is_glob
from switchboard.selection.pages import WHOLE, Page, Position, page_end
from switchboard.snapshot.block import Block
from switchboard.snapshot.guid import known_spelling
from switchboard.snapshot.snapshot import Snapshot
from switchboard.view.pins import parse_pins
from switchboard.view.view import Live, Standing, View

_SWITCHES_A_PIECE = 1000


def list_metrics(view: View, now: float, query: ListMetrics) -> Answer:
    """The list of all switches with their metrics, or the part of it that the query chooses; maybe empty.

    Labels are in it where ``metric`` names them. JSON puts sources together, the other formats have a row of each.

    Raises QueryError 400 (a cursor, a condition, a pattern), 404 (source), 410 or 503.
    """
    cursor = decode_cursor(query)
    standing = standing_for(view, now, query) if cursor is None else _standing_of(cursor, view, now, query)
    snapshots = [live.loaded.snapshot for live in standing.live]
    choice = _choice(snapshots, query)
    form = query.format or "json"
    headers: Headers = []
    if cursor is None and query.limit is None:
        pieces = _pieces(standing.live, choice, form)
    else:
        selectors = [Selector(snapshot, choice) for snapshot in snapshots]
        start = Position() if cursor is None else _start(cursor, selectors, query)
        limit = query.limit or DEFAULT_LIMIT
        end = list_end(selectors, choice, start, limit) if form == "json" else page_end(selectors, start, limit)
        if end is not None:
            following = encode_cursor(standing, query, end)
            link = f'<{next_link(query, following)}>; rel="next"'
            headers = [(b"link", link.encode()), (b"x-next-cursor", following.encode())]
        pieces = _render(form, standing.live, selectors, choice, Page(start, end))
    answer = _list(standing, query, pieces)
    answer.headers += headers
    answer.content_type = CONTENT_TYPES[form]
    # Others are not likely to ask for just these switches, or just this page.
    answer.shared &= not query.switch_id and cursor is None and query.limit is None
    return answer


def list_switches(view: View, now: float, query: ListSwitches) -> Answer:
    """Per source its metrics and labels, once, and its switches with their number of rows.

    Raises QueryError 404 (source) or 503.
    """
    standing = standing_for(view, now, query)
    return _list(standing, query, _switch_pieces(standing.live))


def _pieces(lives: Sequence[Live], choice: Choice, form: Format) -> Iterator[bytes]:
    """A whole list; nothing is done before the first piece is asked for, because most bodies are there already."""
    selectors = [Selector(live.loaded.snapshot, choice) for live in lives]
    yield from _render(form, lives, selectors, choice, WHOLE)


def _render(
    form: Format, lives: Sequence[Live], selectors: Sequence[Selector], choice: Choice, page: Page
) -> Iterator[bytes]:
    if form == "json":
        return render_list(selectors, choice, page)
    sources = [Source(live.source.name, selector) for live, selector in zip(lives, selectors, strict=True)]
    return _TABLES[form](sources, page)


_TABLES: dict[Format, Callable[[Sequence[Source], Page], Iterator[bytes]]] = {
    "ndjson": render_ndjson,
    "csv": render_csv,
    "arrow": render_arrow,
}


def _standing_of(cursor: Cursor, view: View, now: float, query: ListMetrics) -> Standing:
    """The snapshots of a cursor, in the order that they had. Raises QueryError 404, 410 or 503."""
    standing = standing_for(view, now, msgspec.structs.replace(query, snapshot=cursor.snapshots))
    order = [source for source, _ in parse_pins(cursor.snapshots)]
    live = sorted(standing.live, key=lambda each: order.index(each.source.header_name))
    return Standing(live, standing.missing, standing.until)


def _start(cursor: Cursor, selectors: Sequence[Selector], query: ListMetrics) -> Position:
    """Where the page of a cursor begins. Raises QueryError 400 if its list has no such place."""
    start = cursor.position
    if 0 <= start.source < len(selectors) and start.skip >= 0:
        order = selectors[start.source].order
        if 0 <= start.row <= order.rows:
            return start
    raise malformed("cursor", query.cursor or "", "is no place in the list")


def _choice(snapshots: Sequence[Snapshot], query: ListMetrics) -> Choice:
    """What a query means for these snapshots. Raises QueryError 400."""
    for name in ("switch_id", "metric", "port"):
        globs = [text for text in getattr(query, name) if is_glob(text)]
        if len(globs) > MOST_GLOBS or sum(map(len, globs)) > MOST_GLOB_CHARACTERS:
            limits = f"at most {MOST_GLOBS} with * or ? are taken, of {MOST_GLOB_CHARACTERS} characters altogether"
            raise QueryError(400, f"Too many patterns in the {name} parameter: {limits}")
    schemas = [block for snapshot in snapshots for block in snapshot.schemas]
    columns = {name for block in schemas for name in (*block.labels, *block.metrics)} if query.metric else set()
    if len(query.where) > MOST_CONDITIONS:
        raise QueryError(400, f"Too many conditions in the where parameter: at most {MOST_CONDITIONS} are taken")
    where = tuple(parse_condition(text) for text in query.where)
    for condition in where:
        _refuse_order_of_texts(condition, schemas)
    switches = [known_spelling(switch, *(each.switches for each in snapshots)) for switch in query.switch_id]
    known = {switch for switch in switches if is_glob(switch) and any(switch in each.switches for each in snapshots)}
    return Choice(
        switches=Names.of(switches, known),
        metrics=Names.of(query.metric, columns),
        ports=Names.of(query.port),
        since_us=query.since,
        where=where,
    )


def _refuse_order_of_texts(condition: Condition, schemas: Iterable[Block]) -> None:
    """Raise QueryError 400 where a label can only be compared in a way that no text can meet."""
    is_label = any(condition.metric in block.labels for block in schemas)
    if condition.orders and is_label and not any(condition.metric in block.metrics for block in schemas):
        raise malformed("where", spelled(condition), f"compares a label: {condition.metric} takes = and != only")


def _list(standing: Standing, query: ListMetrics | ListSwitches, pieces: Iterator[bytes]) -> Answer:
    values = sum(live.loaded.snapshot.manifest.values for live in standing.live)
    return Answer(
        200,
        data_headers(standing),
        pieces,
        etag=entity_tag(standing, query),
        shared=values <= MOST_VALUES,
        values=values,
    )


def _switch_pieces(lives: Sequence[Live]) -> Iterator[bytes]:
    begin = b"["
    for live in sorted(lives, key=lambda live: live.number):
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
            if len(entries) == _SWITCHES_A_PIECE:
                yield comma + encode_json(entries)[1:-1]
                entries.clear()
                comma = b","
        yield (comma if entries else b"") + encode_json(entries)[1:-1] + b"]}"
    yield b"]\n"
