"""Rankings: TopMetrics, a pure function of a view, the present moment and a query."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from heapq import merge
from itertools import repeat
from typing import NamedTuple

import msgspec

from switchboard.errors import ErrorKind, QueryError
from switchboard.moments import rfc3339
from switchboard.outputs.formats import DEFAULT_FORMAT
from switchboard.outputs.json import encode_json
from switchboard.outputs.records import Field, Kind, write_records
from switchboard.outputs.tables import FIXED, apart_from_fixed
from switchboard.query.reports import TopEntry
from switchboard.query.requests import DEFAULT_RANKED, MOST_SHOWN, TopMetrics
from switchboard.query.result import Result
from switchboard.query.spread import spread
from switchboard.query.standing import missed, standing_for
from switchboard.query.tags import content_tag
from switchboard.query.values import malformed
from switchboard.selection.cells import Row, find_row
from switchboard.selection.cost import PIECE_RANKED_ROWS
from switchboard.selection.rank import Ranked, Ranking
from switchboard.snapshot.guid import known_spelling
from switchboard.view.sources import Live
from switchboard.view.view import Standing, View

_ENTRY_CELLS = 5


def top_metrics(view: View, now: float, query: TopMetrics) -> Result:
    """The rows with the highest or lowest values of a metric, in order. Whether there are any is checked at once.

    Raises QueryError: NOT_FOUND, GONE, UNAVAILABLE, and MALFORMED for a label.
    """
    if query.n is not None and query.limit is not None and query.n != query.limit:
        raise QueryError(
            ErrorKind.MALFORMED, "Contradicting n and limit parameters: they mean the same, so give one of them"
        )
    if len(query.metric) > MOST_SHOWN:
        raise QueryError(ErrorKind.MALFORMED, f"Too many metric parameters: at most {MOST_SHOWN} are taken")
    n = query.n or query.limit or DEFAULT_RANKED
    format = query.format or DEFAULT_FORMAT
    standing = standing_for(view, now, query)
    rankings = _rankings(standing.live, query)
    error = _miss(list(rankings.values()), query)
    if error is not None:
        raise missed(view, now, standing, error.parameter, error.value) if error.parameter else error
    ranked = _ranked(standing, rankings, query, n)
    return Result(
        pieces=_array(ranked, query) if format == DEFAULT_FORMAT else _table(format, ranked, query),
        provenance=standing.provenance(),
        tag=content_tag(standing),
        shared=True,
        format=format,
        cells=n * (_ENTRY_CELLS + len(query.metric)),
    )


def _rankings(lives: Sequence[Live], query: TopMetrics) -> dict[int, Ranking]:
    """What is to be ranked, by index into ``lives``; sources that have none of the switches are left out."""
    rankings: dict[int, Ranking] = {}
    known = [live.loaded.snapshot.switches for live in lives]
    wanted = {known_spelling(switch, *known) for switch in spread("switch_id", query.switch_id, *known)}
    ports = spread("port", query.port)
    for at, live in enumerate(lives):
        snapshot = live.loaded.snapshot
        switches: Collection[str] | None = wanted & snapshot.switches.keys() if wanted else None
        if switches is None or switches:
            rankings[at] = Ranking(snapshot, switches, ports or None)
    return rankings


def _miss(rankings: Sequence[Ranking], query: TopMetrics) -> QueryError | None:
    """Why there is nothing to rank, if that is so."""
    if not rankings:
        return _unknown("switch_id", query.switch_id)
    ports = label = found = False
    for ranking in rankings:
        presence = ranking.look(query.metric[0])
        found |= presence.value
        if found:
            break
        ports |= presence.port
        label |= presence.label
    if found:
        known = {name for ranking in rankings for name in ranking.columns}
        unknown = [name for name in query.metric if name not in known]
        return _unknown("metric", unknown) if unknown else None
    if query.port and not ports:
        return _unknown("port", query.port)
    if label:
        return malformed("metric", query.metric[0], "is a label: only numbers can be ranked")
    return _unknown("metric", query.metric)


def _unknown(parameter: str, values: Sequence[str]) -> QueryError:
    return QueryError(ErrorKind.NOT_FOUND, f"{parameter} does not exist", parameter=parameter, value=values[0])


class _Place(NamedTuple):
    """A row of the ranking, and the name of its source."""

    ranked: Ranked
    row: Row
    source: str


def _array(ranked: Iterator[list[_Place]], query: TopMetrics) -> Iterator[bytes]:
    """The rows as a JSON array."""
    further = query.metric[1:]
    entries: list[TopEntry] = []
    for places in ranked:
        for place, row, source in places:
            entry = TopEntry(place.switch, place.port, place.value, rfc3339(row.time_us), source)
            if further:
                cells = {name: cell for name in further if (cell := row.cell(name)) is not None}
                entry = msgspec.structs.replace(entry, cells=cells)
            entries.append(entry)
        yield b""
    yield encode_json(entries) + b"\n"


def _table(format: str, ranked: Iterator[list[_Place]], query: TopMetrics) -> Iterator[bytes]:
    """The rows as a table, with the columns of that of ListMetrics."""
    shown = apart_from_fixed(query.metric)
    kinds = (*[Kind.TEXT] * (len(FIXED) - 1), Kind.TIME)
    fields = [Field(name, kind) for name, kind in zip(FIXED, kinds, strict=True)]
    fields += [Field(name, Kind.VALUE) for name in shown.values()]
    return write_records(
        format,
        fields,
        (
            [
                (
                    source,
                    place.switch,
                    place.port,
                    row.time_us,
                    place.value,
                    *(row.cell(name) for name in query.metric[1:]),
                )
                for place, row, source in places
            ]
            for places in ranked
        ),
    )


def _ranked(standing: Standing, rankings: dict[int, Ranking], query: TopMetrics, n: int) -> Iterator[list[_Place]]:
    """The rows in order, some at a time, maybe none: between two times others have their turn."""
    descending = query.order == "desc"
    sign = -1 if descending else 1
    metric = query.metric[0]
    candidates: list[Iterator[tuple[Ranked, int]]] = []
    for at, ranking in rankings.items():
        for iterators in ranking.rank(metric, n, descending=descending):
            yield []
            candidates += (zip(iterator, repeat(at)) for iterator in iterators or ())
    ordered = merge(
        *candidates, key=lambda each: (each[0].value, sign * each[1], sign * each[0].place), reverse=descending
    )
    places: list[_Place] = []
    for number, (row, at) in enumerate(ordered):
        if _counts(standing.live[:at], standing.live[at], row, metric):
            places.append(_Place(row, Row(row.block, row.offset), standing.live[at].source.name))
            n -= 1
            if not n:
                break
        if number % PIECE_RANKED_ROWS == PIECE_RANKED_ROWS - 1:
            yield places
            places = []
    yield places


def _counts(earlier: Sequence[Live], live: Live, row: Ranked, metric: str) -> bool:
    """Whether GetMetric gives this cell: its row is the first of switch and port, and no earlier source has one."""
    port = row.port
    if find_row(live.loaded.snapshot, row.switch, port) != Row(row.block, row.offset):
        return False
    for other in earlier:
        known = find_row(other.loaded.snapshot, row.switch, port)
        if known is not None and known.cell(metric) is not None:
            return False
    return True
