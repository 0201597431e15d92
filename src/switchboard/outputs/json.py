"""Snapshots as JSON text: the list of all switches, in pieces that are short enough for an event loop.

The list is ``[{"sw1":{"bandwidth_mbps":9485.01,…}},…]``, with ports ``[{"sw1":{"1":{…},"2":{…}}},…]``: switches, ports
and columns in the order of the body, a switch once even if its rows are far apart in it. Integers are exact, floats the
shortest text that reads back as the same float, a missing cell is left out, and so is a label without text. Of two rows
with one switch and port the first counts.

Metrics are listed unless others are named; labels only where they are named, because they seldom change and are long. A
column may be a label in one block and a metric in another: each row says what it has.

Columns become Python values a window of rows at a time and are written by msgspec: 0.1 µs a cell. Arrow's own cast to
text was measured and is slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

import msgspec
import numpy as np

from switchboard.selection.choose import Choice, Listed, Selector
from switchboard.selection.merge import MERGE_WORK, merged_steps
from switchboard.selection.pages import WHOLE, Page, page_steps
from switchboard.selection.windows import ROW_WORK, read_cells, read_windows
from switchboard.snapshot.cell import Cells

PIECE_WORK = 5_000
"""Work after which a piece ends, in cells of 0.1 µs: 0.5 ms on an idle machine, several times that on a busy one."""

encode_json = msgspec.json.Encoder().encode


def render_json(sources: Sequence[Listed], page: Page = WHOLE) -> Iterator[bytes]:
    """The rows of a page, put together from these sources, at least one: the format ``json``."""
    selectors = [source.selector for source in sources]
    return render_list(selectors, selectors[0].choice, page)


def render_list(selectors: Sequence[Selector], choice: Choice, page: Page = WHOLE) -> Iterator[bytes]:
    """The rows that the selectors of ``choice`` take, with a final newline, in pieces of about 0.5 ms of work.

    Where two snapshots have the same cell, the earlier one's counts. A piece may be empty.
    """
    writer = _Writer()
    alive = [number for number, selector in enumerate(selectors) if not selector.hopeless]
    if len(alive) == 1:
        yield from _single(writer, selectors[alive[0]], page, alive[0])
    else:
        yield from _merged(writer, selectors, choice, page)
    yield writer.end()


def _single(writer: _Writer, selector: Selector, page: Page, number: int) -> Iterator[bytes]:
    for ordinals in page_steps(selector, page, number):
        numbers = selector.order.switches[ordinals].tolist()
        for window in read_windows(selector, ordinals, PIECE_WORK):
            ports = window.ports or repeat(None)
            switches = numbers[window.at : window.at + window.rows.num_rows]
            for switch, port, cells in zip(switches, ports, read_cells(window), strict=False):
                if switch != writer.switch:
                    writer.open(switch, selector.order.names[switch])
                writer.row(port, cells)
            if writer.worked(window.work):
                yield writer.take()
        if writer.worked(selector.step_work):
            yield writer.take()


def _merged(writer: _Writer, selectors: Sequence[Selector], choice: Choice, page: Page) -> Iterator[bytes]:
    for step in merged_steps(selectors, choice, page):
        names = selectors[step.source].order.names
        most = max(1, PIECE_WORK // (ROW_WORK + sum(selector.widest for selector in selectors)))
        for start in range(0, len(step.ports), most):
            part = step.part(start, start + most)
            rows: list[Cells | None] = [None] * len(part.ports)
            work = len(rows) * ROW_WORK
            for selector, ordinals in zip(selectors, part.ordinals, strict=True):
                places = np.flatnonzero(ordinals >= 0)
                at = places.tolist()
                for window in read_windows(selector, ordinals[places], PIECE_WORK):
                    work += window.work
                    for place, cells in zip(at[window.at :], read_cells(window), strict=False):
                        known = rows[place]
                        rows[place] = cells if known is None else known | (cells | known)
            for switch, port, merged in zip(part.switches.tolist(), part.ports, rows, strict=True):
                if (step.source, switch) != writer.switch:
                    writer.open((step.source, switch), names[switch])
                writer.row(port, merged or {})
            if writer.worked(work):
                yield writer.take()
        if writer.worked(selectors[step.source].step_work + MERGE_WORK * step.looked):
            yield writer.take()


class _Writer:
    """Puts rows together as the text of a list."""

    __slots__ = ("_comma", "_out", "_work", "_written", "switch")

    def __init__(self) -> None:
        self.switch: object = None
        """Which switch is open."""
        self._out: list[bytes] = []
        self._comma = b""
        self._written = False
        self._work = 0

    def open(self, switch: object, name: str) -> None:
        """Begin a switch."""
        self._out += (b"}},{" if self._written else b"[{", encode_json(name), b":{")
        self._written, self.switch, self._comma = True, switch, b""

    def row(self, port: str | None, cells: Cells) -> None:
        """Add a row of the switch that is open."""
        text = encode_json(cells)
        if port is not None:
            self._out += (self._comma, encode_json(port), b":", text)
        elif cells:
            self._out += (self._comma, text[1:-1])
        else:
            return
        self._comma = b","

    def worked(self, work: int) -> bool:
        """Count work; whether it is time to end a piece."""
        self._work += work
        return self._work >= PIECE_WORK

    def take(self) -> bytes:
        """What was written since the last time."""
        text = b"".join(self._out)
        self._out.clear()
        self._work = 0
        return text

    def end(self) -> bytes:
        """The rest of the list."""
        self._out.append(b"}}]\n" if self._written else b"[]\n")
        return self.take()
