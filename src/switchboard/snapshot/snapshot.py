"""A whole snapshot in memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from switchboard.model import Manifest
from switchboard.snapshot.arrays import IntArray
from switchboard.snapshot.block import Block
from switchboard.snapshot.metrics import Column, MetricInfo, Role
from switchboard.snapshot.units import unit_of


class Part(NamedTuple):
    """A run of rows of one switch: ``rows`` rows of ``block`` from ``first`` on."""

    block: Block
    first: int
    rows: int


class Snapshot:
    """A whole snapshot in memory, immutable: any number of readers, no lock."""

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
        """Switch, block, first row and rows of every part, switch by switch."""
        self.schemas = list({id(block.metrics): block for block in blocks}.values())
        """One block of every schema, in the order of the body."""
        self.columns = columns
        """The columns of the body in its order; none if the version that stored the snapshot did not keep them."""
        self._infos = {column.name: column.info for column in columns if column.role is Role.METRIC}
        self.memo: dict[Hashable, Any] = {}
        """What readers have worked out of it and share with each other."""
        self._numbers = numbers
        # Plain ints from a memoryview: indexing a numpy array costs five times as much a cell.
        self._parts = self.part_table.reshape(-1).data
        self._offsets = offsets.data

    @property
    def switches(self) -> dict[str, int]:
        """The switches in the order of the body, each with its number. Not to be changed."""
        return self._numbers

    def info(self, metric: str) -> MetricInfo:
        """What is known about a metric; the unit alone, by its name, if the snapshot does not say."""
        info = self._infos.get(metric)
        return MetricInfo(unit=unit_of(metric)) if info is None else info

    def parts(self, switch: str) -> Iterator[Part]:
        """All rows of a switch, in the order of the body; none if there is no such switch."""
        number = self._numbers.get(switch)
        if number is None:
            return
        parts = self._parts
        for at in range(self._offsets[number] * 4, self._offsets[number + 1] * 4, 4):
            yield Part(self.blocks[parts[at + 1]], parts[at + 2], parts[at + 3])
