"""Rankings: TopMetrics, a pure function of a view, the present moment and a query."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from heapq import merge
from itertools import repeat

from switchboard.errors import ErrorKind, QueryError
from switchboard.moments import rfc3339
from switchboard.outputs.json import encode_json
from switchboard.query.reports import TopEntry
from switchboard.query.requests import TopMetrics
from switchboard.query.result import Result
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
    standing = standing_for(view, now, query)
    rankings = _rankings(standing.live, query)
    error = _miss(list(rankings.values()), query)
    if error is not None:
        raise missed(view, now, standing, str(error)) if error.kind is ErrorKind.NOT_FOUND else error
    return Result(
        pieces=_pieces(standing, rankings, query),
        provenance=standing.provenance(),
        tag=content_tag(standing),
        shared=True,
        cells=query.n * _ENTRY_CELLS,
    )


def _rankings(lives: Sequence[Live], query: TopMetrics) -> dict[int, Ranking]:
    """What is to be ranked, by index into ``lives``; sources that have none of the switches are left out."""
    rankings: dict[int, Ranking] = {}
    known = [live.loaded.snapshot.switches for live in lives]
    wanted = {known_spelling(switch, *known) for switch in query.switch_id}
    for at, live in enumerate(lives):
        snapshot = live.loaded.snapshot
        switches: Collection[str] | None = wanted & snapshot.switches.keys() if wanted else None
        if switches is None or switches:
            rankings[at] = Ranking(snapshot, switches, query.port or None)
    return rankings


def _miss(rankings: Sequence[Ranking], query: TopMetrics) -> QueryError | None:
    """Why there is nothing to rank, if that is so."""
    if not rankings:
        return QueryError(ErrorKind.NOT_FOUND, "switch_id does not exist")
    ports = label = False
    for ranking in rankings:
        presence = ranking.look(query.metric)
        if presence.value:
            return None
        ports |= presence.port
        label |= presence.label
    if query.port and not ports:
        return QueryError(ErrorKind.NOT_FOUND, "port does not exist")
    if label:
        return malformed("metric", query.metric, "is a label: only numbers can be ranked")
    return QueryError(ErrorKind.NOT_FOUND, "metric does not exist")


def _pieces(standing: Standing, rankings: dict[int, Ranking], query: TopMetrics) -> Iterator[bytes]:
    descending = query.order == "desc"
    sign = -1 if descending else 1
    candidates: list[Iterator[tuple[Ranked, int]]] = []
    for at, ranking in rankings.items():
        for iterators in ranking.rank(query.metric, query.n, descending=descending):
            yield b""
            candidates += (zip(iterator, repeat(at)) for iterator in iterators or ())
    ordered = merge(
        *candidates, key=lambda each: (each[0].value, sign * each[1], sign * each[0].place), reverse=descending
    )
    entries: list[TopEntry] = []
    for number, (row, at) in enumerate(ordered):
        if _counts(standing.live[:at], standing.live[at], row, query.metric):
            own = Row(row.block, row.offset)
            entries.append(
                TopEntry(row.switch, row.port, row.value, rfc3339(own.time_us), standing.live[at].source.name)
            )
            if len(entries) == query.n:
                break
        if number % PIECE_RANKED_ROWS == PIECE_RANKED_ROWS - 1:
            yield b""
    yield encode_json(entries) + b"\n"


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
