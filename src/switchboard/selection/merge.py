"""Rows of several snapshots put together: a switch and port stands once, with the first cell that any has of a column.

Which rows that makes is found with a few vectorised steps for the switches of one step; no cell is read for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from switchboard.selection.choose import Choice, Selector
from switchboard.selection.pages import MOST_IDLE_WORK, WHOLE, Page, Position, page_end
from switchboard.selection.where import MET, MISSING
from switchboard.snapshot.arrays import IntArray, slice_or_take
from switchboard.snapshot.block import PORT

MERGE_WORK = 30
"""What it costs to put a row together with those of other snapshots, in cells of 0.1 µs."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Rows of the list, in its order. ``ordinals`` has a line per selector and a column per row; -1: it has none.

    ``source`` is the number of the selector whose order this is; ``switches`` are its numbers, one entry a row.
    ``looked`` and ``after`` are those of the step that found them.
    """

    source: int
    switches: IntArray
    ports: list[str | None]
    ordinals: IntArray
    looked: int = 0
    after: int = 0

    def part(self, start: int, end: int, looked: int = 0, after: int = 0) -> Merged:
        """The rows from ``start`` to ``end``."""
        rows = slice(start, end)
        return Merged(self.source, self.switches[rows], self.ports[rows], self.ordinals[:, rows], looked, after)


def merged_steps(selectors: Sequence[Selector], choice: Choice, page: Page = WHOLE) -> Iterator[Merged]:
    """The rows of ``page``, all rows of some switches in a step."""
    for number, selector in enumerate(selectors):
        start, end = page.of(number)
        if selector.hopeless or start is None:
            continue
        first = selector.switch_at(start.row)
        last = None if end is None else selector.switch_at(end.row)
        earlier = [other for other in selectors[:number] if not other.hopeless]
        for switches, looked, after in selector.switch_steps(first):
            own = switches if last is None else switches[switches <= last]
            if earlier:
                own = _unknown(selector, own, earlier)
            merged = _merge(selectors, number, own, choice)
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
    """Where a page ends of rows that are put together: as ``page_end`` says. ``selectors``: at least one."""
    if sum(not selector.hopeless for selector in selectors) == 1:
        return page_end(selectors, start, limit)
    choice = selectors[0].choice
    left, idle = limit, 0
    row_work = MERGE_WORK + sum(selector.row_work for selector in selectors)
    for merged in merged_steps(selectors, choice, Page(start, None)):
        selector = selectors[merged.source]
        starts = selector.order.switch_starts
        if len(merged.switches) > left:
            switch = int(merged.switches[left])
            skip = left - int(np.searchsorted(merged.switches, switch))
            if merged.source == start.source and selector.switch_at(start.row) == switch:
                skip += start.skip
            return Position(merged.source, int(starts[switch]), skip)
        left -= len(merged.switches)
        idle += max(0, merged.looked - len(merged.switches)) * row_work
        if idle >= MOST_IDLE_WORK:
            return Position(merged.source, int(starts[merged.after]))
    return None


def _unknown(selector: Selector, switches: IntArray, others: Sequence[Selector]) -> IntArray:
    """Those switches that none of the others has."""
    names = selector.order.names
    unknown = [
        switch for switch in switches.tolist() if not any(names[switch] in other.snapshot.switches for other in others)
    ]
    return np.asarray(unknown, np.int32)


def _merge(selectors: Sequence[Selector], source: int, switches: IntArray, choice: Choice) -> Merged:
    """All rows of these switches, which are numbered as ``source`` does."""
    names = [selectors[source].order.names[switch] for switch in switches.tolist()]
    owners, ordinals, places = [], [], []
    for number, selector in enumerate(selectors[source:], source):
        if selector.hopeless:
            continue
        known = selector.snapshot.switches
        own = [(place, known[name]) for place, name in enumerate(names) if name in known]
        if own:
            place_of, numbers = np.asarray(own, np.int32).T
            rows = selector.rows_of(numbers)
            if len(rows):
                back = np.empty(len(selector.order.names), np.int32)
                back[numbers] = place_of
                owners.append(number)
                ordinals.append(rows)
                places.append(back[selector.order.switches[rows]])
    if not owners:
        return Merged(source, np.empty(0, np.int32), [], np.empty((len(selectors), 0), np.int32))
    ports = pa.concat_arrays(
        [_ports(selectors[number], rows) for number, rows in zip(owners, ordinals, strict=True)]
    ).dictionary_encode(null_encoding="encode")
    place = np.concatenate(places)
    keys = (place.astype(np.int64) << 32) | ports.indices.to_numpy()
    _, one_of, group = np.unique(keys, return_index=True, return_inverse=True)
    table = np.full((len(selectors), len(one_of)), -1, np.int32)
    verdicts = np.full((len(choice.where), len(one_of)), MISSING, np.uint8)
    never = len(keys)
    first = np.full(len(one_of), never)
    at = len(keys)
    for number, rows in zip(reversed(owners), reversed(ordinals), strict=True):  # the first one writes last
        at -= len(rows)
        groups = group[at : at + len(rows)]
        table[number, groups] = rows
        listed = np.arange(at, at + len(rows))
        if choice.metrics is not None:
            listed = listed[selectors[number].has(rows)]
        first[group[listed]] = listed
        if choice.where:
            own_verdicts = selectors[number].verdicts(rows)
            verdicts[:, groups] = np.where(own_verdicts == MISSING, verdicts[:, groups], own_verdicts)
    kept = np.flatnonzero((first < never) & (verdicts == MET).all(axis=0))
    kept = kept[np.lexsort((first[kept], place[one_of[kept]]))]
    texts = ports.dictionary.to_pylist()
    codes = ports.indices.to_numpy()[one_of[kept]]
    return Merged(source, switches[place[one_of[kept]]], [texts[code] for code in codes.tolist()], table[:, kept])


def _ports(selector: Selector, ordinals: IntArray) -> pa.Array:
    parts = []
    for block, rows, _ in selector.order.segments(ordinals):
        ports = slice_or_take(block.rows.column(PORT), rows)
        parts.append(ports if block.has_ports else ports.cast(pa.string()))
    return pa.concat_arrays(parts)
