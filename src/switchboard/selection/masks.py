"""Masks: what the rows of one block, or the names of some switches, mean for a query. Each is worked out once.

A mask has one truth value per row of the block. None stands for "all rows": most blocks need no mask then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.selection import cost
from switchboard.selection.conditions import Condition
from switchboard.selection.globs import Names
from switchboard.selection.where import Truths, truths
from switchboard.snapshot.arrays import IntArray, Mask
from switchboard.snapshot.block import PORT, TIME, Block

T = TypeVar("T")


class PerBlock(dict[Block, T]):
    """A memo: one value per block, made by ``make`` when it is first asked for.

    ``make`` must not refer to the owner of the memo: the two would keep each other, and the snapshot of the blocks, in
    memory until a garbage collection. Give it what it needs, with ``functools.partial``.
    """

    def __init__(self, make: Callable[[Block], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, block: Block) -> T:
        value = self[block] = self._make(block)
        return value


class Columns(NamedTuple):
    """The chosen columns of a block: names, and positions in the block; the first ``labels`` of them are labels."""

    names: tuple[str, ...]
    positions: tuple[int, ...]
    labels: int


def choose_columns(metrics: Names | None, block: Block) -> Columns:
    """The columns of a block that a query lists: labels first, both in the order of the block."""
    if metrics is None:
        labels, numbers = [], list(block.metrics)
    else:
        taken = metrics.among([*block.labels, *block.metrics])
        labels = [name for name in block.labels if name in taken]
        numbers = [name for name in block.metrics if name in taken]
    positions = (*(block.labels[name] for name in labels), *(block.metrics[name] for name in numbers))
    return Columns((*labels, *numbers), positions, len(labels))


def mask_ports_and_time(ports: Names | None, since_us: int | None, block: Block) -> Mask | None:
    """The rows with one of these ports, and with a time later than ``since_us``, in microseconds since the epoch."""
    taken: Mask | None = None
    if ports is not None:
        column = block.rows.column(PORT)
        taken = ports.mask(column) if block.has_ports else np.zeros(len(column), bool)
    if since_us is not None:
        later: Mask = block.rows.column(TIME).to_numpy() > since_us
        taken = later if taken is None else taken & later
    return taken


def mask_any_cell(columns_of: Callable[[Block], Columns], block: Block) -> Mask | None:
    """The rows that have a cell in at least one of the chosen columns."""
    columns = columns_of(block)
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


def judge_rows(conditions: Sequence[Condition], block: Block) -> list[Truths]:
    """For each condition what every row says about it: MISSING, UNMET or MET."""
    return [_judge(condition, block) for condition in conditions]


def _judge(condition: Condition, block: Block) -> Truths:
    position = block.column_of(condition.metric)
    if position is None:
        return np.zeros(block.rows.num_rows, np.uint8)
    return truths(condition, block.rows.column(position))


class SwitchMatches:
    """Which switches of a snapshot a set of names takes. Names are matched STEP_NAMES at a time, and only once."""

    def __init__(self, wanted: Names, names: Sequence[str]) -> None:
        self._wanted = wanted
        self._names = names
        self._known: dict[int, Mask] = {}
        """By number of the step: for each of its names whether it is taken."""

    def mask(self, switches: IntArray) -> Mask:
        """For numbers of switches in ascending order, whether each is taken."""
        result = np.zeros(len(switches), bool)
        if len(switches):
            for step in range(int(switches[0]) // cost.STEP_NAMES, int(switches[-1]) // cost.STEP_NAMES + 1):
                first = step * cost.STEP_NAMES
                if step not in self._known:
                    some = pa.array(self._names[first : first + cost.STEP_NAMES], pa.string())
                    self._known[step] = self._wanted.mask(some)
                low, high = np.searchsorted(switches, [first, first + cost.STEP_NAMES])
                result[low:high] = self._known[step][switches[low:high] - first]
        return result
