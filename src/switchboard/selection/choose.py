"""Which rows and columns of a snapshot a list takes: a few vectorised operations per step, before any cell is read.

A **Choice** is what a query asks for. A **Selector** is a choice applied to one snapshot. It names rows by *ordinals*,
positions in the order of lists (``snapshot/order.py``): a page is a range of ordinals, and costs the same anywhere.

The selector goes through the rows in **steps** of about STEP_ROWS candidates; between two steps the caller may let
others have their turn. A step tells which of its candidates are taken, how many it looked at, and where the next step
begins. Candidates pass through filters in this order. Filters 3 and 4 are one mask; each other filter is applied only
to rows that passed the earlier ones:

    1  time, by the manifest    the snapshot has no row later than ``since``: nothing is looked at
                                (``nothing_to_find``)
    2  switches                 exact names: only their rows are candidates at all. Patterns: matched per switch, not
                                per row, and each name once per selector
    3  first of its kind        of two rows with one switch and port the first counts. It counts even if it is not taken
                                for another reason: the second does not stand in for it
    4  ports, time              one mask per block, made once; a candidate is looked up in it
    5  conditions               one truth value per condition and row of a block
    6  any chosen cell          with ``metrics``, rows that have none of them are left out

Filters that need no column come first. The masks of 4, 5 and 6 are made for a whole block when its first candidate
needs them, and kept (``masks.py``): the next steps, and the search for the end of a page, read the same block.

Where several snapshots are merged, filters 5 and 6 cannot be applied to one snapshot alone, because another snapshot
may have the missing cell. So ``merge.py`` asks for whole switches (``switch_steps``), has filters 3 and 4 applied
(``rows_of``), puts rows together, and applies the other two to the result, with ``truths`` and ``has``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from switchboard.selection import cost
from switchboard.selection.conditions import Condition
from switchboard.selection.globs import Names
from switchboard.selection.masks import (
    Columns,
    PerBlock,
    SwitchMatches,
    choose_columns,
    judge_rows,
    mask_any_cell,
    mask_ports_and_time,
)
from switchboard.selection.where import MET, Truths
from switchboard.snapshot.arrays import IntArray, Mask
from switchboard.snapshot.block import Block
from switchboard.snapshot.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Choice:
    """The part of a list that a query asks for. A field that is None takes everything.

    Without ``metrics`` there are all metrics and no labels; with them, rows that have none of them are left out. Every
    condition of ``where`` has to be met, also of columns that are not chosen.
    """

    switches: Names | None = None
    metrics: Names | None = None
    ports: Names | None = None
    since_us: int | None = None
    """Microseconds since the epoch: rows whose own time is later."""
    ago_us: int | None = None
    """In place of ``since_us``: microseconds before the newest row of the snapshot."""
    where: tuple[Condition, ...] = ()

    @property
    def row_work(self) -> int:
        """What it costs to look at a row, by what is asked of it, in cells of ``cost.py``."""
        work = cost.LOOK_CELLS + cost.CONDITION_CELLS * len(self.where)
        for names in (self.switches, self.ports):
            if names is not None and names.globs:
                work += cost.PATTERN_CELLS + sum(map(len, names.globs)) // cost.CHARACTERS_PER_CELL
        return work


class Step(NamedTuple):
    """What one step found: maybe nothing."""

    taken: IntArray
    """Ordinals of rows, or numbers of switches, in ascending order."""
    looked: int
    """Number of rows that the step looked at."""
    after: int
    """The ordinal, or the number of the switch, with which the next step begins."""


class Selector:
    """A choice applied to one snapshot."""

    def __init__(self, snapshot: Snapshot, choice: Choice) -> None:
        self.snapshot = snapshot
        self.choice = choice
        self.order = snapshot.order
        since_us, manifest = choice.since_us, snapshot.manifest
        if choice.ago_us is not None:
            since_us = manifest.data_max_us - choice.ago_us
        self.nothing_to_find = since_us is not None and manifest.data_max_us <= since_us
        """No row is late enough: there is no need to look."""
        if since_us is not None and manifest.data_min_us > since_us:
            since_us = None  # every row is late enough
        self.row_work = choice.row_work + round(cost.RUN_CELLS * self.order.scatter)
        """What it costs to look at a row, in cells of ``cost.py``."""
        self.step_work = cost.STEP_CELLS + min(cost.STEP_ROWS, self.order.rows) * (choice.row_work - cost.LOOK_CELLS)
        """What it costs to find the rows of a step, in cells of ``cost.py``."""
        self._all_rows = choice.ports is None and since_us is None
        """Filter 4 leaves everything."""
        self._columns: dict[int, Columns] = {}
        """Key: ``id()`` of the dictionary of metrics, which all blocks of a schema share."""
        self._in_ports_and_time = PerBlock(partial(mask_ports_and_time, choice.ports, since_us))
        self._with_any_cell = PerBlock(partial(mask_any_cell, partial(_columns_of, self._columns, choice.metrics)))
        self._judged = PerBlock(partial(judge_rows, choice.where))
        self._matches, self._switches = _find_switches(snapshot, choice.switches)
        self._remembered: dict[int, list[Step]] = {}
        """Steps that will be asked for again, by the ordinal at which the first one starts."""

    def columns(self, block: Block) -> Columns:
        """The columns of a block that are listed: labels first, both in the order of the block."""
        return _columns_of(self._columns, self.choice.metrics, block)

    @property
    def widest(self) -> int:
        """The largest number of listed columns that a block has."""
        return max((len(self.columns(block).names) for block in self.snapshot.schemas), default=0)

    def switch_at(self, ordinal: int) -> int:
        """The number of the switch of a row; for the ordinal after the last row, the number of switches."""
        return int(np.searchsorted(self.order.switch_starts, ordinal, side="right")) - 1

    def steps(self, start: int = 0, *, remember: bool = False) -> Iterator[Step]:
        """The rows that are taken, from ordinal ``start`` on.

        ``remember``: the caller will ask for the same steps once more, so they are kept instead of looked for again.
        """
        if start in self._remembered:
            for step in self._remembered[start]:
                yield step
                start = step.after
        found: list[Step] = []
        if remember:
            self._remembered[start] = found
        for candidates in () if self.nothing_to_find else self._candidates(start):
            step = candidates._replace(taken=self._filtered(candidates.taken))
            if remember:
                found.append(step)
            yield step

    def switch_steps(self, start: int = 0) -> Iterator[Step]:
        """The switches that are taken, from number ``start`` on.

        A step covers switches with about STEP_ROWS rows; a quarter of that if their rows are scattered over the body.
        """
        most_rows = round(cost.STEP_ROWS / (1 + 3 * self.order.scatter))
        starts = self.order.switch_starts
        switches = np.arange(len(starts) - 1, dtype=np.int32) if self._switches is None else self._switches
        begin = int(np.searchsorted(switches, start))
        rows = np.cumsum(starts[switches + 1] - starts[switches])
        while not self.nothing_to_find and begin < len(switches):
            before = int(rows[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(rows, before + most_rows, side="right")))
            some = switches[begin:end]
            looked, after = int(rows[end - 1]) - before, int(some[-1]) + 1
            yield Step(some if self._matches is None else some[self._matches.mask(some)], looked, after)
            begin = end

    def rows_of(self, switches: IntArray) -> IntArray:
        """Ordinals of the rows of these switches, switch by switch, that are taken by port and time."""
        ordinals = ranges(self.order.switch_starts[switches], self.order.switch_starts[switches + 1])
        starts = np.flatnonzero(np.diff(ordinals, prepend=ordinals[:1] - 2) != 1)
        parts = np.split(ordinals, starts[1:])  # switches may be in any order, and repeated rows are known by range
        kept = [part if (mask := self._mask(part)) is None else part[mask] for part in parts if len(part)]
        return np.concatenate(kept) if kept else ordinals

    def has(self, ordinals: IntArray) -> Mask:
        """Whether rows have any of the chosen cells."""
        result = np.ones(len(ordinals), bool)
        for block, offsets, start in self.order.segments(ordinals):
            mask = self._with_any_cell[block]
            if mask is not None:
                result[start : start + len(offsets)] = mask[offsets]
        return result

    def truths(self, ordinals: IntArray) -> Truths:
        """What rows say about the conditions: a line per condition, a column per row."""
        result = np.zeros((len(self.choice.where), len(ordinals)), np.uint8)
        for block, offsets, start in self.order.segments(ordinals):
            for line, judged in enumerate(self._judged[block]):
                result[line, start : start + len(offsets)] = judged[offsets]
        return result

    def _candidates(self, start: int) -> Iterator[Step]:
        """Steps of rows whose switch is taken: filter 2."""
        return self._spans(start) if self._switches is None else self._named(self._switches, start)

    def _named(self, switches: IntArray, start: int) -> Iterator[Step]:
        starts = self.order.switch_starts
        chosen = ranges(starts[switches], starts[switches + 1])
        for begin in range(int(np.searchsorted(chosen, start)), len(chosen), cost.STEP_ROWS):
            some = chosen[begin : begin + cost.STEP_ROWS]
            yield Step(some, len(some), int(some[-1]) + 1)

    def _spans(self, start: int) -> Iterator[Step]:
        order = self.order
        while start < order.rows:
            end = order.span_end(start, cost.STEP_ROWS)
            ordinals = np.arange(start, end, dtype=np.int32)
            if self._matches is not None:
                ordinals = ordinals[self._matches.mask(order.switches[start:end])]
            yield Step(ordinals, end - start, end)
            start = end

    def _filtered(self, ordinals: IntArray) -> IntArray:
        """The candidates that pass filters 3 to 6."""
        mask = self._mask(ordinals)
        ordinals = ordinals if mask is None else ordinals[mask]
        if self.choice.where:
            ordinals = ordinals[(self.truths(ordinals) == MET).all(axis=0)]
        if self.choice.metrics is not None:
            ordinals = ordinals[self.has(ordinals)]
        return ordinals

    def _mask(self, ordinals: IntArray) -> Mask | None:
        """Filters 3 and 4 for rows in ascending order; None: all of them pass."""
        if not len(ordinals):
            return None
        repeated = self._repeated(ordinals)
        result = None if repeated is None else ~repeated
        if self._all_rows:
            return result
        result = np.ones(len(ordinals), bool) if result is None else result
        for block, offsets, start in self.order.segments(ordinals):
            mask = self._in_ports_and_time[block]
            if mask is not None:
                result[start : start + len(offsets)] &= mask[offsets]
        return result

    def _repeated(self, ordinals: IntArray) -> Mask | None:
        """Which rows, in ascending order, repeat the switch and port of an earlier row; None: none of them."""
        first, end = int(ordinals[0]), int(ordinals[-1]) + 1
        if end - first == len(ordinals):
            return self.order.repeated(first, end)
        if end - first <= 4 * cost.STEP_ROWS:
            repeated = self.order.repeated(first, end)
            return None if repeated is None else repeated[ordinals - first]
        cuts = [0, *(np.flatnonzero(np.diff(ordinals) != 1) + 1).tolist(), len(ordinals)]
        result = np.zeros(len(ordinals), bool)
        for low, high in pairwise(cuts):
            repeated = self.order.repeated(int(ordinals[low]), int(ordinals[high - 1]) + 1)
            if repeated is not None:
                result[low:high] = repeated
        return result


class Listed(NamedTuple):
    """A source in a list: its name, and the selector of its snapshot."""

    name: str
    selector: Selector


def ranges(starts: IntArray, ends: IntArray) -> IntArray:
    """All numbers from each start to before its end, one range after the other."""
    lengths = ends - starts
    offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) if len(starts) else starts
    return (offsets + np.arange(len(offsets))).astype(np.int32)


def _columns_of(known: dict[int, Columns], metrics: Names | None, block: Block) -> Columns:
    """The listed columns of a block, from ``known`` if another block of its schema was asked for before."""
    columns = known.get(id(block.metrics))
    if columns is None:
        columns = known[id(block.metrics)] = choose_columns(metrics, block)
    return columns


def _find_switches(snapshot: Snapshot, names: Names | None) -> tuple[SwitchMatches | None, IntArray | None]:
    """Patterns to match switches with, or the numbers of the switches that are named exactly; neither: all switches."""
    if names is None:
        return None, None
    if names.globs:
        return SwitchMatches(names, snapshot.order.names), None
    known = snapshot.switches
    return None, np.sort(np.asarray([known[name] for name in names.exact if name in known], np.int32))
