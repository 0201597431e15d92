"""The rows of a snapshot in the order of lists: switch by switch as the body first names them, and in its order.

A row has a number in that order, its ordinal. In most bodies the rows of a switch stand together, so blocks one after
the other are the order; where they do not, it is put together from pieces of blocks, the runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from switchboard.snapshot.arrays import IntArray, Mask, is_range, slice_or_take
from switchboard.snapshot.block import PORT, Block
from switchboard.snapshot.snapshot import Snapshot

STEP_ROWS = 2048
"""Rows that are looked at in one step: about 0.2 ms, or some milliseconds where each is a run of its own."""


class Segment(NamedTuple):
    """Rows of one block, in the order asked for: ``rows`` are positions in it, ``at`` is where they were asked for."""

    block: Block
    rows: IntArray
    at: int


class Order:
    """The order of one snapshot, for as long as somebody holds that. Ask ``order_of``, which makes it once."""

    def __init__(self, snapshot: Snapshot) -> None:
        switches, blocks, firsts, rows = snapshot.part_table.T
        starts = np.concatenate([[0], np.cumsum(rows)])
        begins = np.ones(len(rows), bool)
        begins[1:] = (blocks[1:] != blocks[:-1]) | (firsts[1:] != firsts[:-1] + rows[:-1])
        heads = np.flatnonzero(begins)
        self.rows = int(starts[-1])
        self.names = list(snapshot.switches)
        self.switches: IntArray = np.repeat(switches, rows)
        """Number of the switch of every row."""
        self.switch_starts: IntArray = np.searchsorted(self.switches, np.arange(len(self.names) + 1)).astype(np.int32)
        """Ordinal of the first row of every switch, and the number of rows."""
        # Not the snapshot, which has this in its memo: both would wait for a garbage collection.
        self._blocks = snapshot.blocks
        self._run_blocks, self._run_firsts = blocks[heads], firsts[heads]
        self._run_starts = starts[heads]
        self._steps = self._cuts()
        self._repeated: dict[int, Mask | None] = {}

    @property
    def scatter(self) -> float:
        """Runs a row: near 0 where the rows of a switch stand together, 1 where no two of them do."""
        return len(self._run_starts) / max(1, self.rows)

    def span_end(self, start: int, end: int) -> int:
        """Where to end a step from ``start``: after STEP_ROWS or before, at the end of a run if there is one."""
        most = start + STEP_ROWS
        if most >= end:
            return end
        run_start = int(self._run_starts[np.searchsorted(self._run_starts, most, side="right") - 1])
        return run_start if run_start > start else most

    def segments(self, ordinals: IntArray) -> Iterator[Segment]:
        """Where rows are, by block, in the order of ``ordinals``."""
        if not len(ordinals):
            return
        first = int(np.searchsorted(self._run_starts, ordinals[0], side="right")) - 1
        if is_range(ordinals) and (first + 1 == len(self._run_starts) or ordinals[-1] < self._run_starts[first + 1]):
            yield self._segment(first, ordinals, 0)
            return
        runs = np.searchsorted(self._run_starts, ordinals, side="right") - 1
        cuts = [0, *(np.flatnonzero(np.diff(runs)) + 1).tolist(), len(ordinals)]
        for at, end in pairwise(cuts):
            yield self._segment(int(runs[at]), ordinals[at:end], at)

    def repeated(self, start: int, end: int) -> Mask | None:
        """Which of the rows from ``start`` to ``end`` say again what an earlier one said; None: none of them.

        Of two rows with one switch and port the first counts.
        """
        step = int(np.searchsorted(self._steps, start, side="right")) - 1
        found: list[tuple[int, Mask]] = []
        while step < len(self._steps) - 1 and self._steps[step] < end:
            if step not in self._repeated:
                self._repeated[step] = self._repeated_in(int(self._steps[step]), int(self._steps[step + 1]))
            mask = self._repeated[step]
            if mask is not None:
                found.append((int(self._steps[step]), mask))
            step += 1
        if not found:
            return None
        result = np.zeros(end - start, bool)
        for at, mask in found:
            low, high = max(at, start), min(at + len(mask), end)
            result[low - start : high - start] = mask[low - at : high - at]
        return result

    def _segment(self, run: int, ordinals: IntArray, at: int) -> Segment:
        rows = ordinals - (self._run_starts[run] - self._run_firsts[run])
        return Segment(self._blocks[self._run_blocks[run]], rows, at)

    def _cuts(self) -> npt.NDArray[np.int64]:
        """Ordinals that cut the rows into steps of whole switches: rows are only repeated within a switch."""
        marks = np.searchsorted(self.switch_starts, np.arange(0, self.rows, STEP_ROWS))
        return np.unique(np.append(self.switch_starts[marks], self.rows)).astype(np.int64)

    def _repeated_in(self, start: int, end: int) -> Mask | None:
        switches = self.switches[start:end]
        if int(switches[-1]) - int(switches[0]) == end - start - 1:
            return None  # every row is a switch of its own
        ports = [
            _texts(slice_or_take(segment.block.rows.column(PORT), segment.rows))
            for segment in self.segments(np.arange(start, end, dtype=np.int32))
        ]
        codes = pa.concat_arrays(ports).dictionary_encode(null_encoding="encode").indices.to_numpy()
        keys = (switches.astype(np.int64) << 32) | codes
        order = np.argsort(keys, kind="stable")
        again = order[1:][np.diff(keys[order]) == 0]
        if not len(again):
            return None
        mask = np.zeros(end - start, bool)
        mask[again] = True
        return mask


def order_of(snapshot: Snapshot) -> Order:
    """The order of a snapshot's rows; made when it is first asked for: 2 ms for 200,000 rows."""
    order = snapshot.memo.get("order")
    if order is None:
        order = snapshot.memo["order"] = Order(snapshot)
    return cast(Order, order)


def _texts(ports: pa.Array) -> pa.Array:
    return ports.cast(pa.string()) if pa.types.is_null(ports.type) else ports
