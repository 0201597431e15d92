"""A whole snapshot in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from switchboard.model import Manifest
from switchboard.snapshot.arrays import IntArray
from switchboard.snapshot.block import Block
from switchboard.snapshot.metrics import Column, MetricInfo, Role
from switchboard.snapshot.order import Order
from switchboard.snapshot.units import unit_of


class Part(NamedTuple):
    """Neighbouring rows of one switch: ``rows`` rows of ``block`` from row ``first`` on."""

    block: Block
    first: int
    rows: int


class Snapshot:
    """A whole snapshot in memory. It is immutable: any number of readers may use it without a lock.

    ``order`` and ``extremes`` are worked out when they are first needed, and then shared by all readers.
    """

    def __init__(
        self,
        manifest: Manifest,
        blocks: list[Block],
        numbers: dict[str, int],
        parts: IntArray,
        offsets: IntArray,
        *,
        columns: Sequence[Column] = (),
    ) -> None:
        self.manifest = manifest
        self.blocks = blocks
        self.part_table = np.ascontiguousarray(parts)
        """A line per part: number of the switch, index of the block, first row in it, number of rows.

        Sorted by the number of the switch.
        """
        self.schemas = list({id(block.metrics): block for block in blocks}.values())
        """One block of every schema, in the order of the body."""
        self.columns = columns
        """The columns of the body in its order; none if the version that stored the snapshot did not keep them."""
        self._infos = {column.name: column.info for column in columns if column.role is Role.METRIC}
        self.extremes: dict[str, tuple[int, int]] = {}
        """By metric: lowest and highest integer, with 0 counted in. ``outputs/arrow.py`` adds them, in steps."""
        self._numbers = numbers
        # Plain ints from a memoryview: indexing a numpy array costs five times as much per cell.
        self._parts = self.part_table.reshape(-1).data
        self._offsets = offsets.data

    @cached_property
    def order(self) -> Order:
        """The order of its rows in lists: made in 2 ms for 200,000 rows.

        An Order does not refer to its snapshot: the two would stay in memory until a garbage collection, though a
        snapshot that was replaced should be freed at once.
        """
        return Order(list(self._numbers), self.blocks, self.part_table)

    @property
    def switches(self) -> dict[str, int]:
        """The switches in the order of the body, each with its number. Nobody may change it."""
        return self._numbers

    def info(self, metric: str) -> MetricInfo:
        """What is known about a metric; the unit alone, by its name, if the snapshot does not say."""
        info = self._infos.get(metric)
        return MetricInfo(unit=unit_of(metric)) if info is None else info

    def only_row(self, switch: str) -> tuple[Block, int] | None:
        """Block and index of the row of a switch that has one row, which is no port; None for any other switch."""
        number = self._numbers.get(switch)
        if number is None:
            return None
        at = self._offsets[number]
        if self._offsets[number + 1] != at + 1:
            return None
        block = self.blocks[self._parts[4 * at + 1]]
        return None if block.has_ports or self._parts[4 * at + 3] != 1 else (block, self._parts[4 * at + 2])

    def parts(self, switch: str) -> Iterator[Part]:
        """All rows of a switch, in the order of the body; nothing if there is no such switch."""
        number = self._numbers.get(switch)
        if number is None:
            return
        parts = self._parts
        for cell in range(self._offsets[number] * 4, self._offsets[number + 1] * 4, 4):
            yield Part(self.blocks[parts[cell + 1]], parts[cell + 2], parts[cell + 3])
