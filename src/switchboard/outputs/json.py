"""The format ``json``: the list of all switches as one JSON text, in pieces that are short enough for an event loop.

The list is ``[{"sw1":{"bandwidth_mbps":9485.01,…}},…]``, with ports ``[{"sw1":{"1":{…},"2":{…}}},…]``. Switches, ports
and columns are in the order of the body. A switch is there once, even if its rows are far apart in the body. Integers
are exact; floats are the shortest text that reads back as the same float; a missing cell and a label without text are
left out. Of two rows with one switch and port the first counts. Where one source has the ports of a switch and another
has the switch as a whole, its object has both; a value with the name of one of those ports gets a ``_`` after its name.

Metrics are listed unless the query names others. Labels are listed only where the query names them, because they are
long and seldom change. A column may be a label in one block and a metric in another: each row has what its block has.

The cells of a window of rows become Python values column by column, and msgspec writes them: 0.1 µs per cell. Arrow's
own cast to text was measured and is slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

import msgspec
import numpy as np

from switchboard.selection import cost
from switchboard.selection.choose import Choice, Listed, Selector
from switchboard.selection.cost import Piece, join_pieces
from switchboard.selection.merge import Merged, merged_steps
from switchboard.selection.pages import WHOLE, Page, page_steps
from switchboard.selection.windows import Window, read_cells, read_windows
from switchboard.snapshot.cell import Cells

encode_json = msgspec.json.Encoder().encode


def render_json(sources: Sequence[Listed], page: Page = WHOLE) -> Iterator[bytes]:
    """The rows of a page, the sources merged; at least one source."""
    selectors = [source.selector for source in sources]
    return render_list(selectors, selectors[0].choice, page)


def render_list(selectors: Sequence[Selector], choice: Choice, page: Page = WHOLE) -> Iterator[bytes]:
    """The rows of a page as text with a final newline, in pieces of about PIECE_CELLS of work; a piece may be empty.

    All selectors have this ``choice``. Where two snapshots have the same cell, that of the earlier one counts.
    """
    return join_pieces(_written(selectors, choice, page), cost.PIECE_CELLS)


def _written(selectors: Sequence[Selector], choice: Choice, page: Page) -> Iterator[Piece]:
    writer = _Writer()
    alive = [source for source, selector in enumerate(selectors) if not selector.nothing_to_find]
    if len(alive) == 1:
        yield from _single(writer, selectors[alive[0]], page, alive[0])
    else:
        yield from _merged(writer, selectors, choice, page)
    yield Piece(writer.end(), 0)


def _single(writer: _Writer, selector: Selector, page: Page, source: int) -> Iterator[Piece]:
    for ordinals in page_steps(selector, page, source):
        owners = selector.order.switches[ordinals]
        for window in read_windows(selector, ordinals, cost.PIECE_CELLS):
            _write_window(writer, selector, window, owners[window.start : window.start + window.rows.num_rows].tolist())
            yield Piece(writer.take(), window.work)
        yield Piece(b"", selector.step_work)


def _write_window(writer: _Writer, selector: Selector, window: Window, switches: Sequence[int]) -> None:
    ports = window.ports or repeat(None)
    for switch, port, cells in zip(switches, ports, read_cells(window), strict=False):
        if switch != writer.switch:
            writer.open(switch, selector.order.names[switch])
        writer.row(port, cells)


def _merged(writer: _Writer, selectors: Sequence[Selector], choice: Choice, page: Page) -> Iterator[Piece]:
    most_rows = max(1, cost.PIECE_CELLS // (cost.ROW_CELLS + sum(selector.widest for selector in selectors)))
    for step in merged_steps(selectors, choice, page):
        names = selectors[step.source].order.names
        for start in range(0, len(step.ports), most_rows):
            part = step.part(start, start + most_rows)
            rows, work = _read_merged(selectors, part)
            for switch, port, cells in zip(part.switches.tolist(), part.ports, rows, strict=True):
                if (step.source, switch) != writer.switch:
                    writer.open((step.source, switch), names[switch])
                beside = part.ports_beside.get(switch) if port is None else None
                writer.row(port, _named_apart(cells or {}, beside) if beside else cells or {})
            yield Piece(writer.take(), work)
        yield Piece(b"", selectors[step.source].step_work + cost.MERGE_CELLS * step.looked)


def _named_apart(cells: Cells, ports: frozenset[str]) -> Cells:
    """The cells of a whole switch, where a name that is also one of its ports gets a ``_``: no name is there twice."""
    apart: Cells = {}
    for name, cell in cells.items():
        other = name
        while other in ports or other in apart or (other != name and other in cells):
            other += "_"
        apart[other] = cell
    return apart


def _read_merged(selectors: Sequence[Selector], part: Merged) -> tuple[list[Cells | None], int]:
    """The cells of merged rows, None for a row without any, and what it cost to read them."""
    rows: list[Cells | None] = [None] * len(part.ports)
    work = len(rows) * cost.ROW_CELLS
    for selector, ordinals in zip(selectors, part.ordinals, strict=True):
        own = np.flatnonzero(ordinals >= 0)
        places = own.tolist()
        for window in read_windows(selector, ordinals[own], cost.PIECE_CELLS):
            work += window.work
            for place, cells in zip(places[window.start :], read_cells(window), strict=False):
                known = rows[place]
                # The columns of the earlier source stay first and in its order, and its values win.
                rows[place] = cells if known is None else known | (cells | known)
    return rows, work


class _Writer:
    """The text of a list, as rows are added to it."""

    __slots__ = ("_comma", "_out", "_written", "switch")

    def __init__(self) -> None:
        self.switch: object = None
        """The switch that is open; None before the first one."""
        self._out: list[bytes] = []
        self._comma = b""
        self._written = False

    def open(self, switch: object, name: str) -> None:
        """Begin a switch."""
        self._out += (b"}},{" if self._written else b"[{", encode_json(name), b":{")
        self._written, self.switch, self._comma = True, switch, b""

    def row(self, port: str | None, cells: Cells) -> None:
        """Add a row of the open switch."""
        text = encode_json(cells)
        if port is not None:
            self._out += (self._comma, encode_json(port), b":", text)
        elif cells:
            self._out += (self._comma, text[1:-1])
        else:
            return
        self._comma = b","

    def take(self) -> bytes:
        """The text that was added since the last call."""
        text = b"".join(self._out)
        self._out.clear()
        return text

    def end(self) -> bytes:
        """The rest of the list."""
        self._out.append(b"}}]\n" if self._written else b"[]\n")
        return self.take()
