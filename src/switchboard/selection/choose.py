"""Which rows and columns of a snapshot a list takes: a few vectorised steps a block, before any cell is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.selection.conditions import Condition
from switchboard.selection.globs import Names
from switchboard.selection.where import MET, Verdicts, verdicts
from switchboard.snapshot.arrays import IntArray, Mask
from switchboard.snapshot.block import PORT, TIME, Block
from switchboard.snapshot.order import STEP_ROWS, order_of
from switchboard.snapshot.snapshot import Snapshot

_NAMES_A_STEP = 2048
_STEP_WORK = 1_000
_CONDITION_WORK, _PATTERN_WORK, _CHARACTERS_A_WORK = 2, 8, 10
"""What a row costs for each condition, for having a name matched at all, and for so many characters of patterns."""
_RUN_WORK = 20
"""What it costs to go to another place of the body."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of a list is wanted; None means all. ``since_us`` (microseconds): rows whose own time is later.

    Without ``metrics`` there are all metrics and no labels; with them, rows that have none of them are left out. Every
    condition of ``where`` has to be met, also of columns that are not chosen.
    """

    switches: Names | None = None
    metrics: Names | None = None
    ports: Names | None = None
    since_us: int | None = None
    where: tuple[Condition, ...] = ()

    @property
    def row_work(self) -> int:
        """What a row costs by what is asked of it, in cells of 0.1 µs."""
        work = 1 + _CONDITION_WORK * len(self.where)
        for names in (self.switches, self.ports):
            if names is not None and names.globs:
                work += _PATTERN_WORK + sum(map(len, names.globs)) // _CHARACTERS_A_WORK
        return work


class Columns(NamedTuple):
    """The chosen columns of a block: names, and positions in it; the first ``labels`` of them are labels."""

    names: tuple[str, ...]
    positions: tuple[int, ...]
    labels: int


class Step(NamedTuple):
    """Ordinals of rows, or numbers of switches, that one step found: maybe none.

    ``looked`` is how many rows it looked at, ``after`` where the next one begins.
    """

    taken: IntArray
    looked: int
    after: int


class Selector:
    """What a choice takes of one snapshot."""

    def __init__(self, snapshot: Snapshot, choice: Choice) -> None:
        self.snapshot = snapshot
        self.order = order_of(snapshot)
        since_us, manifest = choice.since_us, snapshot.manifest
        self.hopeless = since_us is not None and manifest.data_max_us <= since_us
        """No row is late enough: there is no need to look."""
        self._since_us = None if since_us is None or manifest.data_min_us > since_us else since_us
        self.row_work = choice.row_work + round(_RUN_WORK * self.order.scatter)
        """What it costs to tell whether a row is taken, in cells of 0.1 µs."""
        self.step_work = _STEP_WORK + min(STEP_ROWS, self.order.rows) * (choice.row_work - 1)
        """What it costs to find the rows of a step, in cells of 0.1 µs."""
        self.choice = choice
        self._columns: dict[int, Columns] = {}
        self._takes: dict[int, Mask | None] = {}
        self._has: dict[int, Mask | None] = {}
        self._verdicts: dict[int, list[Verdicts]] = {}
        names = choice.switches
        self._by_pattern = names if names is not None and names.globs else None
        self._matches: dict[int, Mask] = {}
        self._remembered: dict[int, list[Step]] = {}
        self._switches: IntArray | None = None
        if names is not None and not names.globs:
            known = snapshot.switches
            self._switches = np.sort(np.asarray([known[name] for name in names.exact if name in known], np.int32))

    def columns(self, block: Block) -> Columns:
        """Which columns of a block are listed: labels first, both in the order of the block."""
        known = self._columns.get(id(block.metrics))
        if known is None:
            wanted = self.choice.metrics
            if wanted is None:
                labels, metrics = [], list(block.metrics)
            else:
                taken = wanted.among([*block.labels, *block.metrics])
                labels = [name for name in block.labels if name in taken]
                metrics = [name for name in block.metrics if name in taken]
            positions = (*(block.labels[name] for name in labels), *(block.metrics[name] for name in metrics))
            known = self._columns[id(block.metrics)] = Columns((*labels, *metrics), positions, len(labels))
        return known

    @property
    def widest(self) -> int:
        """The most columns that any block has."""
        return max((len(self.columns(block).names) for block in self.snapshot.schemas), default=0)

    def switch_at(self, row: int) -> int:
        """Number of the switch of a row; of no switch, one more than the last, after the last row."""
        return int(np.searchsorted(self.order.switch_starts, row, side="right")) - 1

    def steps(self, start: int = 0, *, remember: bool = False) -> Iterator[Step]:
        """The rows that are taken, from ordinal ``start`` on.

        ``remember``: the same steps will be asked for again, and are not to be looked for again then.
        """
        if start in self._remembered:
            for step in self._remembered[start]:
                yield step
                start = step.after
        found: list[Step] = []
        if remember:
            self._remembered[start] = found
        for step in () if self.hopeless else self._candidates(start):
            ordinals = step.taken
            taken = self._mask(ordinals)
            ordinals = ordinals if taken is None else ordinals[taken]
            if self.choice.where:
                ordinals = ordinals[(self.verdicts(ordinals) == MET).all(axis=0)]
            if self.choice.metrics is not None:
                ordinals = ordinals[self.has(ordinals)]
            found_step = step._replace(taken=ordinals)
            if remember:
                found.append(found_step)
            yield found_step

    def switch_steps(self, start: int = 0) -> Iterator[Step]:
        """The switches that are taken, from number ``start`` on.

        Those of a step have about STEP_ROWS rows, or a quarter of that where each row stands elsewhere.
        """
        most_rows = round(STEP_ROWS / (1 + 3 * self.order.scatter))
        starts = self.order.switch_starts
        numbers = np.arange(len(starts) - 1, dtype=np.int32) if self._switches is None else self._switches
        at = int(np.searchsorted(numbers, start))
        rows = np.cumsum(starts[numbers + 1] - starts[numbers])
        while not self.hopeless and at < len(numbers):
            before = int(rows[at - 1]) if at else 0
            end = max(at + 1, int(np.searchsorted(rows, before + most_rows, side="right")))
            some = numbers[at:end]
            looked, after = int(rows[end - 1]) - before, int(some[-1]) + 1
            yield Step(some if self._by_pattern is None else some[self._match(some)], looked, after)
            at = end

    def rows_of(self, switches: IntArray) -> IntArray:
        """Ordinals of the rows of these switches, switch by switch, that are taken by port and time."""
        ordinals = ranges(self.order.switch_starts[switches], self.order.switch_starts[switches + 1])
        starts = np.flatnonzero(np.diff(ordinals, prepend=ordinals[:1] - 2) != 1)
        parts = np.split(ordinals, starts[1:])  # as they may be in any order, and repeated rows are known by range
        kept = [part if (mask := self._mask(part)) is None else part[mask] for part in parts if len(part)]
        return np.concatenate(kept) if kept else ordinals

    def has(self, ordinals: IntArray) -> Mask:
        """Whether rows have any of the chosen cells."""
        result = np.ones(len(ordinals), bool)
        for block, rows, at in self.order.segments(ordinals):
            if id(block) not in self._has:
                self._has[id(block)] = self._has_any(block)
            has = self._has[id(block)]
            if has is not None:
                result[at : at + len(rows)] = has[rows]
        return result

    def verdicts(self, ordinals: IntArray) -> Verdicts:
        """What rows say about the conditions: one line a condition, one column a row."""
        result = np.zeros((len(self.choice.where), len(ordinals)), np.uint8)
        for block, rows, at in self.order.segments(ordinals):
            if id(block) not in self._verdicts:
                self._verdicts[id(block)] = [_verdicts(condition, block) for condition in self.choice.where]
            for line, of_block in enumerate(self._verdicts[id(block)]):
                result[line, at : at + len(rows)] = of_block[rows]
        return result

    def _candidates(self, start: int) -> Iterator[Step]:
        order = self.order
        if self._switches is not None:
            chosen = ranges(order.switch_starts[self._switches], order.switch_starts[self._switches + 1])
            for at in range(int(np.searchsorted(chosen, start)), len(chosen), STEP_ROWS):
                some = chosen[at : at + STEP_ROWS]
                yield Step(some, len(some), int(some[-1]) + 1)
            return
        at = start
        while at < order.rows:
            end = order.span_end(at, order.rows)
            ordinals = np.arange(at, end, dtype=np.int32)
            if self._by_pattern is not None:
                ordinals = ordinals[self._match(order.switches[at:end])]
            yield Step(ordinals, end - at, end)
            at = end

    def _mask(self, ordinals: IntArray) -> Mask | None:
        """Which rows, in ascending order, are taken by port and time and are the first of their kind; None: all."""
        if not len(ordinals):
            return None
        first, end = int(ordinals[0]), int(ordinals[-1]) + 1
        repeated = self._repeated(ordinals, first, end)
        result = None if repeated is None else ~repeated
        if self._since_us is None and self.choice.ports is None:
            return result
        result = np.ones(len(ordinals), bool) if result is None else result
        for block, rows, at in self.order.segments(ordinals):
            if id(block) not in self._takes:
                self._takes[id(block)] = self._taken_of(block)
            takes = self._takes[id(block)]
            if takes is not None:
                result[at : at + len(rows)] &= takes[rows]
        return result

    def _repeated(self, ordinals: IntArray, first: int, end: int) -> Mask | None:
        if end - first == len(ordinals):
            return self.order.repeated(first, end)
        if end - first <= 4 * STEP_ROWS:
            repeated = self.order.repeated(first, end)
            return None if repeated is None else repeated[ordinals - first]
        cuts = [0, *(np.flatnonzero(np.diff(ordinals) != 1) + 1).tolist(), len(ordinals)]
        result = np.zeros(len(ordinals), bool)
        for low, high in pairwise(cuts):
            repeated = self.order.repeated(int(ordinals[low]), int(ordinals[high - 1]) + 1)
            if repeated is not None:
                result[low:high] = repeated
        return result

    def _match(self, switches: IntArray) -> Mask:
        """For numbers of switches in ascending order, whether their names are wanted."""
        assert self._by_pattern is not None
        result = np.zeros(len(switches), bool)
        if len(switches):
            names = self.order.names
            for step in range(int(switches[0]) // _NAMES_A_STEP, int(switches[-1]) // _NAMES_A_STEP + 1):
                first = step * _NAMES_A_STEP
                if step not in self._matches:
                    some = pa.array(names[first : first + _NAMES_A_STEP], pa.string())
                    self._matches[step] = self._by_pattern.mask(some)
                low, high = np.searchsorted(switches, [first, first + _NAMES_A_STEP])
                result[low:high] = self._matches[step][switches[low:high] - first]
        return result

    def _taken_of(self, block: Block) -> Mask | None:
        taken: Mask | None = None
        ports = self.choice.ports
        if ports is not None:
            column = block.rows.column(PORT)
            taken = ports.mask(column) if block.has_ports else np.zeros(len(column), bool)
        if self._since_us is not None:
            later: Mask = block.rows.column(TIME).to_numpy() > self._since_us
            taken = later if taken is None else taken & later
        return taken

    def _has_any(self, block: Block) -> Mask | None:
        columns = self.columns(block)
        result: Mask = np.zeros(block.rows.num_rows, bool)
        for place, position in enumerate(columns.positions):
            column = block.rows.column(position)
            if place < columns.labels:
                there = pc.not_equal(column, "").fill_null(False)
            elif column.null_count == 0:
                return None
            else:
                there = column.is_valid()
            result |= there.to_numpy(zero_copy_only=False)
        return result


class Listed(NamedTuple):
    """A source in a list: its name, and what is taken of its snapshot."""

    name: str
    selector: Selector


def ranges(starts: IntArray, ends: IntArray) -> IntArray:
    """All numbers from each start to its end, one range after the other."""
    lengths = ends - starts
    offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) if len(starts) else starts
    return (offsets + np.arange(len(offsets))).astype(np.int32)


def _verdicts(condition: Condition, block: Block) -> Verdicts:
    position = block.column_of(condition.metric)
    if position is None:
        return np.zeros(block.rows.num_rows, np.uint8)
    return verdicts(condition, block.rows.column(position))
