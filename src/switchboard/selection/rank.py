"""Rankings: the rows of a snapshot from the highest or lowest value of a metric on, exact and in a defined order.

A metric may have another type in each block. numpy ranks the values of one type at a time, so 64-bit integers are never
rounded to doubles. Only the best few of each type become Python values, and Python compares these exactly. Rows with
equal values keep the order of lists: switches in the order of the body, and the rows of each switch likewise.

In this module a row has two numbers. The two are the same unless rows of a switch are far apart in the body:

    position  where it is stored: its index in the sequence of runs, in which values are read
    place     where it is shown: its index in the order of lists
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.selection import cost
from switchboard.snapshot.block import PORT, Block
from switchboard.snapshot.snapshot import Snapshot

_Places = npt.NDArray[np.signedinteger[Any]]
_Values = npt.NDArray[Any]
_LEAST_PAGE, _MOST_PAGE = 256, 8192
"""Rows per page after the first one; a page is twice the one before. Each page costs one pass over all values left."""


class Ranked(NamedTuple):
    """A row with its value."""

    value: int | float
    place: int
    """Its index among all rows of the ranking's switches, in the order of lists."""
    switch: str
    block: Block
    offset: int
    """Its index in the block."""

    @property
    def port(self) -> str | None:
        """Its port; None if the row is a whole switch."""
        return self.block.ports[self.offset] if self.block.has_ports else None


class Presence(NamedTuple):
    """What the rows of a ranking have of a metric."""

    port: bool
    """There is a row of a wanted port; of any port, or of a switch itself, if the ranking names no ports."""
    value: bool
    """There is a number in such a row."""
    label: bool
    """There is a label of that name."""


class _Run(NamedTuple):
    """Neighbouring rows of a block: ``rows`` of them from row ``first`` on."""

    block: Block
    first: int
    rows: int

    def column(self, position: int) -> pa.Array:
        column = self.block.rows.column(position)
        return column if self.rows == self.block.rows.num_rows else column.slice(self.first, self.rows)


class Ranking:
    """Rankings of the rows of some switches and ports of a snapshot; None: of all switches, or of all ports."""

    def __init__(
        self, snapshot: Snapshot, switches: Collection[str] | None = None, ports: Collection[str] | None = None
    ) -> None:
        self._snapshot = snapshot
        self._ports = None if ports is None else pa.array(sorted(ports), pa.string())
        self._runs: list[_Run]
        self._starts: _Places
        """Position of the first row of every run."""
        self._places: _Places | None
        """Place of the row at every position; None: the same number."""
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
        self._part_switches = table[:, 0]
        """Number of the switch of every part, in the order of lists."""
        self._part_places = np.cumsum(table[:, 3]) - table[:, 3]
        """Place of the first row of every part."""

    @property
    def columns(self) -> set[str]:
        """The metrics and labels of the snapshot."""
        return {name for block in self._snapshot.schemas for name in (*block.labels, *block.metrics)}

    def look(self, metric: str) -> Presence:
        """What the rows have of a metric; stops at the first number."""
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
                    return Presence(port=True, value=True, label=label)
        return Presence(port=port, value=False, label=label)

    def rank(self, metric: str, page: int, *, descending: bool) -> Iterator[list[Iterator[Ranked]] | None]:
        """Yields None after each step of work, and then one list: iterators over all rows that have a value.

        There is an iterator per type of values; each is in order. It finds ``page`` rows at first, and more when more
        are asked for.
        """
        groups: dict[pa.DataType, tuple[list[pa.Array], list[int]]] = {}
        for index, run in enumerate(self._runs):
            column = run.block.metrics.get(metric)
            if column is not None and (self._ports is None or run.block.has_ports):
                values = run.column(column)
                arrays, runs = groups.setdefault(values.type, ([], []))
                arrays.append(values)
                runs.append(index)
            if index % cost.STEP_RUNS == cost.STEP_RUNS - 1:
                yield None
        names = list(self._snapshot.switches)
        iterators: list[Iterator[Ranked]] = []
        for arrays, runs in groups.values():
            values, positions = self._present(arrays, np.array(runs))
            iterators.append(self._in_order(values, positions, page, names, descending=descending))
            yield None
        yield iterators

    def _wanted(self, run: _Run) -> pa.BooleanArray | None:
        """Which rows of a run have a wanted port; None: the ranking names no ports, or the rows have none."""
        if self._ports is None or not run.block.has_ports:
            return None
        return pc.is_in(run.column(PORT), self._ports)

    def _present(self, arrays: list[pa.Array], runs: _Places) -> tuple[_Values, _Places]:
        """The values in wanted rows of some runs, and the position of each; ``arrays`` has a column per run."""
        column = pa.concat_arrays(arrays)
        lengths = np.array([len(array) for array in arrays])
        positions = np.arange(len(column), dtype=np.int32)  # int32, not int64: making it is most of the work
        positions += np.repeat((self._starts[runs] - np.cumsum(lengths) + lengths).astype(np.int32), lengths)
        masks = []
        if self._ports is not None:
            ports = pa.chunked_array([self._runs[run].column(PORT) for run in runs])
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
        """The rows at ``positions`` in the order of their ``values``; ``names``: the switches by number."""
        places = positions if self._places is None else self._places[positions]
        while len(values):
            best = _best(values, page, None if self._places is None else places, descending=descending)
            switches = self._part_switches[np.searchsorted(self._part_places, places[best], side="right") - 1]
            runs = np.searchsorted(self._starts, positions[best], side="right") - 1
            rows = positions[best] - self._starts[runs]
            for value, place, switch, index, row in zip(
                *(array.tolist() for array in (values[best], places[best], switches, runs, rows)), strict=True
            ):
                run = self._runs[index]
                yield Ranked(value, place, names[switch], run.block, run.first + row)
            left = np.ones(len(values), np.bool_)
            left[best] = False
            values, positions, places = values[left], positions[left], places[left]
            page = min(max(2 * page, _LEAST_PAGE), _MOST_PAGE)


def _best(values: _Values, count: int, places: _Places | None, *, descending: bool) -> _Places:
    """Indices of the ``count`` highest or lowest values, or of all, in order; equal values by place.

    ``places`` None: the places rise with the indices.
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
    # Reversed twice, so that the stable sort leaves equal values in their order.
    return by_place[::-1][np.argsort(values[by_place][::-1], kind="stable")][::-1]


def _places(stored: _Places, rows: _Places) -> _Places | None:
    """The place of the row at every position; None: the same number.

    For each part, in the order of lists: ``stored`` has the position of its first row, ``rows`` its number of rows.
    """
    if np.all(np.diff(stored) > 0):
        return None
    starts = np.cumsum(rows) - rows
    order = np.argsort(stored)
    return np.repeat(starts[order] - stored[order], rows[order]) + np.arange(int(rows.sum()))
