"""The rows of a snapshot from the highest or lowest value of a metric on, exact and in a defined order.

numpy ranks a column a type at a time, which keeps integers of 64 bits apart from doubles; only the best few of each
type become Python values, and these compare exactly with each other. Rows with equal values keep the order in which a
list has them: switches in the order of the body, and the rows of each in theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.snapshot.block import PORT, Block
from switchboard.snapshot.snapshot import Snapshot

_Places = npt.NDArray[np.signedinteger[Any]]
_Values = npt.NDArray[Any]
_STEP_RUNS = 128
"""Runs of rows after which a step ends: well below 1 ms."""
_LEAST_PAGE, _MOST_PAGE = 256, 8192
"""Rows that are made at once after the first ones. Every time, all values that are left are looked at."""


class Ranked(NamedTuple):
    """A row with its value. ``place`` is its place among all selected rows, in the order of a list."""

    value: int | float
    place: int
    switch: str
    block: Block
    at: int

    @property
    def port(self) -> str | None:
        """Its port; None if it is a whole switch."""
        return self.block.ports[self.at] if self.block.has_ports else None


class Found(NamedTuple):
    """What a selection has of a metric."""

    port: bool
    """A row of a port that is wanted; or any row, if all are."""
    value: bool
    """A number in such a row."""
    label: bool
    """A text column of that name."""


class _Run(NamedTuple):
    """Rows of a block that follow each other."""

    block: Block
    first: int
    rows: int

    def column(self, at: int) -> pa.Array:
        column = self.block.rows.column(at)
        return column if self.rows == self.block.rows.num_rows else column.slice(self.first, self.rows)


class Selection:
    """The rows of some switches and ports of a snapshot; None means all of them."""

    def __init__(
        self, snapshot: Snapshot, switches: Collection[str] | None = None, ports: Collection[str] | None = None
    ) -> None:
        self._snapshot = snapshot
        self._ports = None if ports is None else pa.array(sorted(ports), pa.string())
        table = snapshot.part_table.astype(np.intp)
        if switches is None:
            starts = np.cumsum([0, *(block.rows.num_rows for block in snapshot.blocks)], dtype=np.intp)
            self._runs = [_Run(block, 0, block.rows.num_rows) for block in snapshot.blocks]
            self._starts = starts[:-1]
            self._places = _places(starts[table[:, 1]] + table[:, 2], table[:, 3])
        else:
            table = table[np.isin(table[:, 0], [snapshot.switches[each] for each in switches])]
            self._runs = [_Run(snapshot.blocks[block], first, rows) for _, block, first, rows in table.tolist()]
            self._starts = np.cumsum(table[:, 3]) - table[:, 3]
            self._places = None
        self._owners = table[:, 0]
        self._owner_starts = np.cumsum(table[:, 3]) - table[:, 3]

    def look(self, metric: str) -> Found:
        """What there is of a metric; stops at the first number."""
        port = label = False
        for run in self._runs:
            label |= metric in run.block.labels
            wanted = self._wanted(run)
            if wanted is None and self._ports is not None:
                continue
            port |= wanted is None or bool(wanted.true_count)
            column = run.block.metrics.get(metric)
            if column is not None:
                values = run.column(column) if wanted is None else run.column(column).filter(wanted)
                if values.null_count < len(values):
                    return Found(port=True, value=True, label=label)
        return Found(port=port, value=False, label=label)

    def rank(self, metric: str, page: int, *, descending: bool) -> Iterator[list[Iterator[Ranked]] | None]:
        """Yields None after each step of work, and then iterators which together have every row that has a value.

        Each of them is in order already, and makes ``page`` rows at first, more when asked for more.
        """
        groups: dict[pa.DataType, tuple[list[pa.Array], list[int]]] = {}
        for number, run in enumerate(self._runs):
            column = run.block.metrics.get(metric)
            if column is not None and (self._ports is None or run.block.has_ports):
                values = run.column(column)
                arrays, numbers = groups.setdefault(values.type, ([], []))
                arrays.append(values)
                numbers.append(number)
            if number % _STEP_RUNS == _STEP_RUNS - 1:
                yield None
        names = list(self._snapshot.switches)
        iterators: list[Iterator[Ranked]] = []
        for arrays, numbers in groups.values():
            values, positions = self._numbers(arrays, np.array(numbers))
            iterators.append(self._in_order(values, positions, page, names, descending=descending))
            yield None
        yield iterators

    def _wanted(self, run: _Run) -> pa.BooleanArray | None:
        """Which rows of a run have a port that is wanted; None where nobody asks, or where rows have no ports."""
        if self._ports is None or not run.block.has_ports:
            return None
        return pc.is_in(run.column(PORT), self._ports)

    def _numbers(self, arrays: list[pa.Array], numbers: _Places) -> tuple[_Values, _Places]:
        """The values of runs that are there and wanted, and the position of each in the sequence of all runs."""
        column = pa.concat_arrays(arrays)
        lengths = np.array([len(array) for array in arrays])
        positions = np.arange(len(column), dtype=np.int32)  # no wider than it must be: making it is most of the work
        positions += np.repeat((self._starts[numbers] - np.cumsum(lengths) + lengths).astype(np.int32), lengths)
        masks = []
        if self._ports is not None:
            ports = pa.chunked_array([self._runs[number].column(PORT) for number in numbers])
            masks.append(pc.is_in(ports, self._ports).to_numpy())
        if column.null_count:
            masks.append(column.is_valid().to_numpy(zero_copy_only=False))
            column = pc.fill_null(column, 0)
        values = column.to_numpy()
        if masks:
            wanted = np.logical_and.reduce(masks)
            values, positions = values[wanted], positions[wanted]
        return values, positions

    def _in_order(
        self, values: _Values, positions: _Places, page: int, names: list[str], *, descending: bool
    ) -> Iterator[Ranked]:
        places = positions if self._places is None else self._places[positions]
        while len(values):
            best = _best(values, page, None if self._places is None else places, descending=descending)
            owners = self._owners[np.searchsorted(self._owner_starts, places[best], side="right") - 1]
            numbers = np.searchsorted(self._starts, positions[best], side="right") - 1
            offsets = positions[best] - self._starts[numbers]
            for value, place, owner, number, offset in zip(
                *(array.tolist() for array in (values[best], places[best], owners, numbers, offsets)), strict=True
            ):
                run = self._runs[number]
                yield Ranked(value, place, names[owner], run.block, run.first + offset)
            left = np.ones(len(values), np.bool_)
            left[best] = False
            values, positions, places = values[left], positions[left], places[left]
            page = min(max(2 * page, _LEAST_PAGE), _MOST_PAGE)


def _best(values: _Values, count: int, places: _Places | None, *, descending: bool) -> _Places:
    """Where the first ``count`` values are, in order; of equal ones, those with the lower places.

    ``places`` None: they rise with the values' positions.
    """
    chosen: _Places = np.arange(len(values))
    if len(values) > count:
        last = len(values) - count if descending else count - 1
        limit = np.partition(values, last)[last]
        better = np.flatnonzero(values > limit if descending else values < limit)
        equal = np.flatnonzero(values == limit)
        room = count - len(better)
        if places is not None and len(equal) > room:
            equal = equal[np.argpartition(places[equal], room - 1)]
        chosen = np.concatenate([better, equal[:room]])
    by_place = chosen[np.argsort(chosen if places is None else places[chosen])]
    if not descending:
        return by_place[np.argsort(values[by_place], kind="stable")]
    # Turned round twice, so that a stable sort leaves equal values in their order.
    return by_place[::-1][np.argsort(values[by_place][::-1], kind="stable")][::-1]


def _places(stored: _Places, rows: _Places) -> _Places | None:
    """The place in a list of every row as it is stored; None: the same. Of each part the first row and the rows."""
    if np.all(np.diff(stored) > 0):
        return None
    starts = np.cumsum(rows) - rows
    order = np.argsort(stored)
    return np.repeat(starts[order] - stored[order], rows[order]) + np.arange(int(rows.sum()))
