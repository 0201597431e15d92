"""Lists: ListMetrics and ListSwitches, pure functions of a view, the present moment and a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from switchboard.api.answer import Answer
from switchboard.api.bodies import MOST_VALUES
from switchboard.api.provenance import data_headers, entity_tag, standing_for
from switchboard.api.queries import ListMetrics, ListSwitches
from switchboard.api.view import Live, Standing, View
from switchboard.codec.guid import canonical_guid
from switchboard.codec.render import Choice, encode_json, render_list


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


_SWITCHES_A_PIECE = 1000


def list_metrics(view: View, now: float, query: ListMetrics) -> Answer:
    """The list of all switches with their metrics, or the part of it that the query chooses; maybe empty.

    Labels are in it where ``metric`` names them.

    Raises QueryError 404 (source) or 503.
    """
    standing = standing_for(view, now, query)
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
    standing = standing_for(view, now, query)
    return _list(standing, query, _switch_pieces(standing.live))


def _known_spelling(lives: Sequence[Live], switch: str) -> str:
    """The switch as the sources name it: as it was asked for if any of them has that, else as GUIDs are spelled."""
    if any(switch in live.loaded.snapshot.switches for live in lives):
        return switch
    return canonical_guid(switch) or switch


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
