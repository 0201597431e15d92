"""Parts of a list: where a page begins and ends. A page costs the same wherever in the list it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from switchboard.selection import cost
from switchboard.selection.choose import Selector
from switchboard.snapshot.arrays import IntArray


class Position(NamedTuple):
    """A place in a list: before a row of one of its snapshots."""

    source: int = 0
    """Index of the snapshot among those of the list."""
    row: int = 0
    """Ordinal of the row. Where snapshots are merged, the row is the first one of its switch."""
    skip: int = 0
    """Where snapshots are merged: how many merged rows of that switch the pages before this place have; else 0."""


class Page(NamedTuple):
    """The part of a list between two positions. ``end`` None: to the end of the list."""

    start: Position
    end: Position | None

    def of(self, source: int) -> tuple[Position | None, Position | None]:
        """Where the page begins and ends in one snapshot.

        Start None: no row of the snapshot is in the page. End None: the page goes on to the snapshot's last row.
        """
        if source < self.start.source or (self.end is not None and source > self.end.source):
            return None, None
        start = self.start if source == self.start.source else Position(source)
        return start, self.end if self.end is not None and source == self.end.source else None


WHOLE = Page(Position(), None)
"""The whole list."""


def page_end(selectors: Sequence[Selector], start: Position, limit: int) -> Position | None:
    """The end of the page that begins at ``start`` and has ``limit`` rows; None: it is the last page.

    The page ends earlier, and may even be empty, when rows that are not taken have cost about MOST_IDLE_CELLS: the
    event loop waits meanwhile. Their cost is reckoned from the query, so the same query always has the same pages.
    """
    left, idle = limit, 0
    for source, selector in enumerate(selectors[start.source :], start.source):
        first = start.row if source == start.source else 0
        for step in selector.steps(first, remember=True):
            if len(step.taken) > left:
                return Position(source, int(step.taken[left]))
            left -= len(step.taken)
            idle += (step.looked - len(step.taken)) * selector.row_work
            if idle >= cost.MOST_IDLE_CELLS:
                return Position(source, step.after)
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
