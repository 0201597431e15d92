"""Single cells and rows of a snapshot, found by switch, port and name.

Of two rows with one switch and port the first counts, even if it does not have the wanted cell and the second does. A
column may be a label in one block and a metric in another: each row has what its block has.
"""

from __future__ import annotations

from typing import NamedTuple

from switchboard.snapshot.block import TIME, Block
from switchboard.snapshot.cell import Cell
from switchboard.snapshot.snapshot import Snapshot


class Row(NamedTuple):
    """A row of a block."""

    block: Block
    offset: int
    """Its index in the block."""

    @property
    def time_us(self) -> int:
        """Its own time, in microseconds since the epoch."""
        time_us: int = self.block.cell(TIME, self.offset)
        return time_us

    def cell(self, name: str) -> Cell | None:
        """Its cell of a metric or label; None if the column or the value is missing, or the text empty."""
        column = self.block.column_of(name)
        return None if column is None else _value(self.block.cell(column, self.offset))

    def labels(self) -> dict[str, str]:
        """All its labels that have a text."""
        texts = {name: self.block.cell(column, self.offset) for name, column in self.block.labels.items()}
        return {name: text for name, text in texts.items() if text}


def only_cell(snapshot: Snapshot, switch: str, name: str) -> Cell | None:
    """The cell of a switch that has one row, which is no port; None if it has none, or the switch is not like that.

    It is what ``find_cells`` finds, at a third of the cost.
    """
    only = snapshot.only_row(switch)
    if only is None:
        return None
    block, row = only
    column = block.column_of(name)
    return None if column is None else _value(block.cell(column, row))


def find_cells(snapshot: Snapshot, switch: str, name: str, port: str | None) -> tuple[dict[str | None, Cell], bool]:
    """The cells of one metric or label of a switch, and whether the switch has such a row at all.

    ``port`` None asks for all rows of the switch. The cells are by port; None stands for the switch itself.
    """
    cells: dict[str | None, Cell] = {}
    seen: set[str | None] = set()
    for block, first, rows in snapshot.parts(switch):
        column = block.column_of(name)
        if not block.has_ports:
            if port is None and None not in seen:
                seen.add(None)
                if column is not None and (value := _value(block.cell(column, first))) is not None:
                    cells[None] = value
        elif port is None:
            ports = block.ports[first : first + rows]
            if column is not None:
                values = block.rows.column(column).slice(first, rows).to_pylist()
                for each, value in zip(ports, values, strict=True):
                    if each not in seen and _value(value) is not None:
                        cells[each] = value
                    seen.add(each)
            else:
                seen.update(ports)
        elif (offset := offset_of(block, port, first, rows)) is not None:
            if column is not None and (value := _value(block.cell(column, offset))) is not None:
                cells[port] = value
            return cells, True
    return cells, bool(seen)


def find_rows(snapshot: Snapshot, switch: str, port: str | None) -> dict[str | None, Row]:
    """The rows of a switch by port, None standing for the switch itself. ``port`` None asks for all of its rows."""
    found: dict[str | None, Row] = {}
    for block, first, rows in snapshot.parts(switch):
        if not block.has_ports:
            if port is None:
                found.setdefault(None, Row(block, first))
        elif port is None:
            for offset in range(first, first + rows):
                found.setdefault(block.ports[offset], Row(block, offset))
        elif (own := offset_of(block, port, first, rows)) is not None:
            return {port: Row(block, own)}
    return found


def find_row(snapshot: Snapshot, switch: str, port: str | None) -> Row | None:
    """The row of one port of a switch, or of the switch itself; None if there is no such row."""
    for block, first, rows in snapshot.parts(switch):
        if not block.has_ports:
            if port is None:
                return Row(block, first)
        elif port is not None and (offset := offset_of(block, port, first, rows)) is not None:
            return Row(block, offset)
    return None


def offset_of(block: Block, port: str, first: int, rows: int) -> int | None:
    """Index of the first row of a port among ``rows`` rows of a block with ports, from ``first`` on; None: no row."""
    try:
        return block.ports.index(port, first, first + rows)
    except ValueError:
        return None


def _value(value: Cell | None) -> Cell | None:
    """The value; None if it is null or a label without text."""
    return None if value == "" else value
