"""Parts of a list: where a page begins and ends, at a cost that is the same wherever in the list it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from switchboard.selection.choose import Selector
from switchboard.snapshot.arrays import IntArray

MOST_IDLE_WORK = 100_000
"""Spent on rows that are not taken while the end of a page is looked for, in cells of 0.1 µs: up to 10 ms."""


class Position(NamedTuple):
    """A place in a list: the row with this ordinal of the snapshot with this number.

    Where snapshots are merged, it is the first row of its switch, and ``skip`` rows of the merged switch are before it.
    """

    source: int = 0
    row: int = 0
    skip: int = 0


class Page(NamedTuple):
    """What lies between two positions; ``end`` None: all the rest."""

    start: Position
    end: Position | None

    def of(self, source: int) -> tuple[Position | None, Position | None]:
        """The part of one snapshot. No start: the page has none of it; no end: it goes on to its last row."""
        if source < self.start.source or (self.end is not None and source > self.end.source):
            return None, None
        start = self.start if source == self.start.source else Position(source)
        return start, self.end if self.end is not None and source == self.end.source else None


WHOLE = Page(Position(), None)


def page_end(selectors: Sequence[Selector], start: Position, limit: int) -> Position | None:
    """Where the page ends that begins at ``start`` and has ``limit`` rows; None: it is the last one.

    It ends earlier, and may even be empty, when rows that are not taken have cost about MOST_IDLE_WORK: the event loop
    waits meanwhile. How much that is depends on the query alone, never on a clock, so a page is always the same.
    """
    left, idle = limit, 0
    for number, selector in enumerate(selectors[start.source :], start.source):
        first = start.row if number == start.source else 0
        for step in selector.steps(first, remember=True):
            if len(step.taken) > left:
                return Position(number, int(step.taken[left]))
            left -= len(step.taken)
            idle += (step.looked - len(step.taken)) * selector.row_work
            if idle >= MOST_IDLE_WORK:
                return Position(number, step.after)
    return None


def page_steps(selector: Selector, page: Page, source: int) -> Iterator[IntArray]:
    """Ordinals of the rows of a page that are those of one snapshot, as many as one step finds: maybe none."""
    start, end = page.of(source)
    if start is None:
        return
    for step in selector.steps(start.row):
        if end is not None and step.after >= end.row:
            yield step.taken[: int(np.searchsorted(step.taken, end.row))]
            return
        yield step.taken
