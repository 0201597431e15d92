"""Single cells and rows of a snapshot, found by switch, port and name.

Of two rows with one switch and port the first counts, also where it has no such cell. A column may be a label in one
block and a metric in another: each row says what it has.
"""

from __future__ import annotations

from typing import NamedTuple

from switchboard.snapshot.block import TIME, Block
from switchboard.snapshot.cell import Cell
from switchboard.snapshot.snapshot import Snapshot


class Row(NamedTuple):
    """A row of a block."""

    block: Block
    at: int

    @property
    def time_us(self) -> int:
        """Its own time, in microseconds since the epoch."""
        time_us: int = self.block.cell(TIME, self.at)
        return time_us

    def cell(self, name: str) -> Cell | None:
        """Its cell of a metric or label; None if it has none: the column or the value is missing, or a text empty."""
        column = self.block.column_of(name)
        return None if column is None else _value(self.block.cell(column, self.at))

    def labels(self) -> dict[str, str]:
        """All its labels that have a text."""
        texts = {name: self.block.cell(column, self.at) for name, column in self.block.labels.items()}
        return {name: text for name, text in texts.items() if text}


def find_cells(snapshot: Snapshot, switch: str, name: str, port: str | None) -> tuple[dict[str | None, Cell], bool]:
    """The cells of one metric or label of a switch by port (None: of the switch itself), and whether any row matched.

    ``port`` None asks for all rows of the switch.
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
        elif (at := row_of(block, port, first, rows)) is not None:
            if column is not None and (value := _value(block.cell(column, at))) is not None:
                cells[port] = value
            return cells, True
    return cells, bool(seen)


def find_rows(snapshot: Snapshot, switch: str, port: str | None) -> dict[str | None, Row]:
    """The rows of a switch by port (None: of the switch itself); ``port`` None asks for all."""
    found: dict[str | None, Row] = {}
    for block, first, rows in snapshot.parts(switch):
        if not block.has_ports:
            if port is None:
                found.setdefault(None, Row(block, first))
        elif port is None:
            for at in range(first, first + rows):
                found.setdefault(block.ports[at], Row(block, at))
        elif (row := row_of(block, port, first, rows)) is not None:
            return {port: Row(block, row)}
    return found


def find_row(snapshot: Snapshot, switch: str, port: str | None) -> Row | None:
    """The row of one port of a switch, or of the switch itself; None if there is no such row."""
    for block, first, rows in snapshot.parts(switch):
        if not block.has_ports:
            if port is None:
                return Row(block, first)
        elif port is not None and (at := row_of(block, port, first, rows)) is not None:
            return Row(block, at)
    return None


def row_of(block: Block, port: str, first: int, rows: int) -> int | None:
    """The first of ``rows`` rows from ``first`` on that is this port; the block has ports."""
    try:
        return block.ports.index(port, first, first + rows)
    except ValueError:
        return None


def _value(value: Cell | None) -> Cell | None:
    """None where there is no value: null, or a label without text."""
    return None if value == "" else value
