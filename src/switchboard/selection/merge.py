"""Rows of several snapshots merged into one list: a switch and port is there once.

A merged row has the cells of all sources that know its switch and port. Where two have the same cell, that of the first
source counts; sources are in order of precedence. For example:

    source 0             source 1                  the list
    sw1  1  rx=1         sw2  1  rx=5              sw1  1  rx=1
    sw1  2  rx=2         sw1  2  rx=9  tx=4        sw1  2  rx=2  tx=4
                                                   sw2  1  rx=5

The list has the switches of source 0 first, in its order, then the switches of source 1 that source 0 lacks, and so on
(``merged_steps``). A step makes all rows of some switches, and handles only row numbers: no cell is read here. It has
three parts, shown for switch sw1:

    gather   From each source take the rows of the step's switches that its ``Selector.rows_of`` leaves.

             source          0    0    1
             ordinal         0    1    1       the row in its own source; sw1 2 is row 1 in both
             place           0    0    0       index of the switch in the step
             port            "1"  "2"  "2"

    group    Rows with one place and one port are a group: a row of the list.

             group           0    1    1

    keep     Write a table with a line per source and a column per group, and the truth value of each condition. The
             first source that has the cell decides. Keep the groups that meet all conditions and have a chosen cell in
             any source. Order them by switch, then in the order of the first source that has the row.

             source 0        0    1            ordinals
             source 1       -1    1            -1: source 1 does not have the row

``outputs/json.py`` then reads the cells line by line, and puts those of later sources under those of earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from switchboard.selection import cost
from switchboard.selection.choose import Choice, Selector
from switchboard.selection.pages import WHOLE, Page, Position, page_end
from switchboard.selection.where import MET, MISSING, Truths
from switchboard.snapshot.arrays import IntArray, slice_or_take
from switchboard.snapshot.block import PORT

_ABSENT = -1
"""The ordinal of a row that a source does not have."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Rows of the list, in its order, that one step found: maybe none."""

    source: int
    """Index of the selector whose switches these are."""
    switches: IntArray
    """Number of the switch of every row, as that selector's snapshot numbers them."""
    ports: list[str | None]
    ordinals: IntArray
    """A line per selector, a column per row: the ordinal of the row in its snapshot; -1 if it does not have the row."""
    looked: int = 0
    """Number of rows of ``source`` that the step looked at."""
    after: int = 0
    """Number of the switch with which the next step begins."""
    ports_beside: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """By number of a switch that is in the list both as a whole and by its ports: names of its ports in the list."""

    def part(self, start: int, end: int, looked: int = 0, after: int = 0) -> Merged:
        """The rows from ``start`` to before ``end``."""
        rows = slice(start, end)
        return Merged(
            self.source, self.switches[rows], self.ports[rows], self.ordinals[:, rows], looked, after, self.ports_beside
        )


def merged_steps(selectors: Sequence[Selector], choice: Choice, page: Page = WHOLE) -> Iterator[Merged]:
    """The rows of ``page``, a step at a time."""
    for source, selector in enumerate(selectors):
        start, end = page.of(source)
        if selector.nothing_to_find or start is None:
            continue
        first = selector.switch_at(start.row)
        last = None if end is None else selector.switch_at(end.row)
        earlier = [other for other in selectors[:source] if not other.nothing_to_find]
        for switches, looked, after in selector.switch_steps(first):
            own = switches if last is None else switches[switches <= last]
            if earlier:
                own = _without_known(selector, own, earlier)
            merged = _merge(selectors, source, own, choice)
            low, high = 0, len(merged.switches)
            if start.skip:
                low = min(start.skip, int(np.searchsorted(merged.switches, first, side="right")))
            if end is not None and last is not None:
                before, to = np.searchsorted(merged.switches, [last, last + 1])
                high = min(int(before) + end.skip, int(to))
            yield merged.part(low, high, looked, after)
            if last is not None and after > last:
                break


def merged_page_end(selectors: Sequence[Selector], start: Position, limit: int) -> Position | None:
    """The end of a page of merged rows, by the rules of ``page_end``. At least one selector; all have one choice."""
    if sum(not selector.nothing_to_find for selector in selectors) == 1:
        return page_end(selectors, start, limit)
    left, idle = limit, 0
    row_work = cost.MERGE_CELLS + sum(selector.row_work for selector in selectors)
    for merged in merged_steps(selectors, selectors[0].choice, Page(start, None)):
        if len(merged.switches) > left:
            return _position_of(selectors, merged, left, start)
        left -= len(merged.switches)
        idle += max(0, merged.looked - len(merged.switches)) * row_work
        if idle >= cost.MOST_IDLE_CELLS:
            starts = selectors[merged.source].order.switch_starts
            return Position(merged.source, int(starts[merged.after]))
    return None


def _position_of(selectors: Sequence[Selector], merged: Merged, row: int, start: Position) -> Position:
    """The position of a merged row, counted from 0 in ``merged``; ``start`` is where the page begins."""
    selector = selectors[merged.source]
    switch = int(merged.switches[row])
    skip = row - int(np.searchsorted(merged.switches, switch))
    if merged.source == start.source and selector.switch_at(start.row) == switch:
        skip += start.skip
    return Position(merged.source, int(selector.order.switch_starts[switch]), skip)


def _without_known(selector: Selector, switches: IntArray, others: Sequence[Selector]) -> IntArray:
    """The switches that none of the others has."""
    names = selector.order.names
    unknown = [
        switch for switch in switches.tolist() if not any(names[switch] in other.snapshot.switches for other in others)
    ]
    return np.asarray(unknown, np.int32)


def _merge(selectors: Sequence[Selector], source: int, switches: IntArray, choice: Choice) -> Merged:
    """All merged rows of these switches of ``source``, which no earlier source has."""
    parts = _gather(selectors, source, switches)
    if not parts:
        return Merged(source, np.empty(0, np.int32), [], np.empty((len(selectors), 0), np.int32))
    groups = _group(selectors, parts)
    table = _tabulate(selectors, parts, groups, choice)
    kept = _keep(table, groups)
    texts = groups.port_texts.to_pylist()
    ports = [texts[code] for code in groups.port_codes[kept].tolist()]
    listed = switches[groups.places[kept]]
    beside = _ports_beside(listed, ports) if None in texts and len(texts) > 1 else {}
    return Merged(source, listed, ports, table.ordinals[:, kept], ports_beside=beside)


def _ports_beside(switches: IntArray, ports: Sequence[str | None]) -> dict[int, frozenset[str]]:
    """For each switch that has a row without a port, the ports of its other rows, if it has any."""
    wholes = {switch for switch, port in zip(switches.tolist(), ports, strict=True) if port is None}
    found: dict[int, set[str]] = {}
    for switch, port in zip(switches.tolist(), ports, strict=True):
        if port is not None and switch in wholes:
            found.setdefault(switch, set()).add(port)
    return {switch: frozenset(names) for switch, names in found.items()}


class _Part(NamedTuple):
    """The gathered rows of one source, at least one."""

    source: int
    ordinals: IntArray
    places: IntArray
    """For each row the index of its switch among those of the step."""


def _gather(selectors: Sequence[Selector], source: int, switches: IntArray) -> list[_Part]:
    """The rows that each source from ``source`` on has of these switches; sources without any are left out."""
    names = selectors[source].order.names
    wanted = [names[switch] for switch in switches.tolist()]
    parts = [
        _gather_from(selector, index, wanted)
        for index, selector in enumerate(selectors[source:], source)
        if not selector.nothing_to_find
    ]
    return [part for part in parts if part is not None]


def _gather_from(selector: Selector, source: int, names: Sequence[str]) -> _Part | None:
    known = selector.snapshot.switches
    own = [(place, known[name]) for place, name in enumerate(names) if name in known]
    if not own:
        return None
    places, switches = np.asarray(own, np.int32).T
    ordinals = selector.rows_of(switches)
    if not len(ordinals):
        return None
    place_of = np.empty(len(selector.order.names), np.int32)
    place_of[switches] = places
    return _Part(source, ordinals, place_of[selector.order.switches[ordinals]])


class _Groups(NamedTuple):
    """Gathered rows, those of all sources one after the other, by switch and port."""

    of_row: npt.NDArray[np.intp]
    """For each gathered row its group."""
    places: IntArray
    """For each group the index of its switch among those of the step."""
    port_codes: IntArray
    """For each group its port, as an index into ``port_texts``."""
    port_texts: pa.Array


def _group(selectors: Sequence[Selector], parts: Sequence[_Part]) -> _Groups:
    ports = pa.concat_arrays([_ports(selectors[part.source], part.ordinals) for part in parts])
    ports = ports.dictionary_encode(null_encoding="encode")
    places = np.concatenate([part.places for part in parts])
    codes = ports.indices.to_numpy()
    keys = (places.astype(np.int64) << 32) | codes
    _, one_row, of_row = np.unique(keys, return_index=True, return_inverse=True)
    return _Groups(of_row, places[one_row], codes[one_row], ports.dictionary)


class _Table(NamedTuple):
    """What all sources have of each group."""

    ordinals: IntArray
    """A line per selector, a column per group; -1: the source does not have the row."""
    truths: Truths
    """A line per condition, a column per group."""
    first: npt.NDArray[np.intp]
    """For each group the index, among all gathered rows, of the first one that has a chosen cell."""


def _tabulate(selectors: Sequence[Selector], parts: Sequence[_Part], groups: _Groups, choice: Choice) -> _Table:
    count, end = len(groups.places), len(groups.of_row)
    table = _Table(
        np.full((len(selectors), count), _ABSENT, np.int32),
        np.full((len(choice.where), count), MISSING, np.uint8),
        np.full(count, end),  # no row, unless one is written below
    )
    for part in reversed(parts):  # what the first source says is written last
        selector, begin = selectors[part.source], end - len(part.ordinals)
        own = groups.of_row[begin:end]
        table.ordinals[part.source, own] = part.ordinals
        listed = np.arange(begin, end)
        if choice.metrics is not None:
            listed = listed[selector.has(part.ordinals)]
        table.first[groups.of_row[listed]] = listed
        if choice.where:
            truths = selector.truths(part.ordinals)
            table.truths[:, own] = np.where(truths == MISSING, table.truths[:, own], truths)
        end = begin
    return table


def _keep(table: _Table, groups: _Groups) -> npt.NDArray[np.intp]:
    """The groups that are rows of the list, in its order."""
    kept = np.flatnonzero((table.first < len(groups.of_row)) & (table.truths == MET).all(axis=0))
    return kept[np.lexsort((table.first[kept], groups.places[kept]))]


def _ports(selector: Selector, ordinals: IntArray) -> pa.Array:
    """The port of every row; null where a block has no ports."""
    parts = []
    for block, offsets, _ in selector.order.segments(ordinals):
        ports = slice_or_take(block.rows.column(PORT), offsets)
        parts.append(ports if block.has_ports else ports.cast(pa.string()))
    return pa.concat_arrays(parts)
