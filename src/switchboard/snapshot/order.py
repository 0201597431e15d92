"""The rows of a snapshot in the order of lists: switch by switch, and the rows of a switch in the order of the body.

Switches are in the order in which the body first names them. The *ordinal* of a row is its position in this order. In
most bodies the rows of a switch are neighbours, so the blocks one after the other are the order already. Where they are
not, the order consists of *runs*: rows that are neighbours both in the order and in a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from switchboard.snapshot.arrays import IntArray, Mask, is_range, slice_or_take
from switchboard.snapshot.block import PORT, Block

REPEATED_ROWS = 2048
"""Rows among which repeated ones are looked for together, up to the next switch boundary: a part of a list's step."""


class Segment(NamedTuple):
    """Consecutive requested rows that lie in one block."""

    block: Block
    offsets: IntArray
    """For each row its index in the block."""
    start: int
    """Index of the first of the rows in the request."""


class Order:
    """The order of one snapshot's rows. ``Snapshot.order`` makes it once."""

    def __init__(self, names: Sequence[str], blocks: Sequence[Block], part_table: IntArray) -> None:
        """``names``: the switches by number. ``part_table``: as in Snapshot."""
        switches, part_blocks, firsts, rows = part_table.T
        starts = np.concatenate([[0], np.cumsum(rows)])
        begins = np.ones(len(rows), bool)
        begins[1:] = (part_blocks[1:] != part_blocks[:-1]) | (firsts[1:] != firsts[:-1] + rows[:-1])
        heads = np.flatnonzero(begins)
        self.rows = int(starts[-1])
        """Number of rows."""
        self.names = names
        self.switches: IntArray = np.repeat(switches, rows)
        """Number of the switch of every row."""
        self.switch_starts: IntArray = np.searchsorted(self.switches, np.arange(len(names) + 1)).astype(np.int32)
        """Ordinal of the first row of every switch, and then the number of rows."""
        self._blocks = blocks
        self._run_blocks, self._run_firsts = part_blocks[heads], firsts[heads]
        self._run_starts = starts[heads]
        self._steps = self._cuts()
        self._repeated: dict[int, Mask | None] = {}
        """By index of a step in ``_steps``; None: no row of the step is repeated."""

    @property
    def scatter(self) -> float:
        """Runs per row: near 0 where the rows of a switch are neighbours in the body, 1 where no two of them are."""
        return len(self._run_starts) / max(1, self.rows)

    def span_end(self, start: int, most_rows: int) -> int:
        """The end of a span of up to ``most_rows`` rows from ordinal ``start``: the end of a run if there is one."""
        end = start + most_rows
        if end >= self.rows:
            return self.rows
        run_start = int(self._run_starts[np.searchsorted(self._run_starts, end, side="right") - 1])
        return run_start if run_start > start else end

    def segments(self, ordinals: IntArray) -> Iterator[Segment]:
        """The blocks in which rows lie, in the order of ``ordinals``."""
        if not len(ordinals):
            return
        first = int(np.searchsorted(self._run_starts, ordinals[0], side="right")) - 1
        if is_range(ordinals) and (first + 1 == len(self._run_starts) or ordinals[-1] < self._run_starts[first + 1]):
            yield self._segment(first, ordinals, 0)
            return
        runs = np.searchsorted(self._run_starts, ordinals, side="right") - 1
        cuts = [0, *(np.flatnonzero(np.diff(runs)) + 1).tolist(), len(ordinals)]
        for start, end in pairwise(cuts):
            yield self._segment(int(runs[start]), ordinals[start:end], start)

    def repeated(self, start: int, end: int) -> Mask | None:
        """Which rows from ordinal ``start`` to before ``end`` repeat the switch and port of an earlier row.

        None: none of them. Of two rows with one switch and port the first counts.
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
        for first, mask in found:
            low, high = max(first, start), min(first + len(mask), end)
            result[low - start : high - start] = mask[low - first : high - first]
        return result

    def _segment(self, run: int, ordinals: IntArray, start: int) -> Segment:
        offsets = ordinals - (self._run_starts[run] - self._run_firsts[run])
        return Segment(self._blocks[self._run_blocks[run]], offsets, start)

    def _cuts(self) -> npt.NDArray[np.int64]:
        """Ordinals that cut the rows into steps of whole switches: rows are only repeated within a switch."""
        marks = np.searchsorted(self.switch_starts, np.arange(0, self.rows, REPEATED_ROWS))
        return np.unique(np.append(self.switch_starts[marks], self.rows)).astype(np.int64)

    def _repeated_in(self, start: int, end: int) -> Mask | None:
        switches = self.switches[start:end]
        if int(switches[-1]) - int(switches[0]) == end - start - 1:
            return None  # every row is a switch of its own
        ports = [
            _texts(slice_or_take(segment.block.rows.column(PORT), segment.offsets))
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


def _texts(ports: pa.Array) -> pa.Array:
    return ports.cast(pa.string()) if pa.types.is_null(ports.type) else ports
