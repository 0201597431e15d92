"""The formats ``ndjson`` and ``csv``: lists as tables, a line per row of each snapshot; ``arrow`` uses them too.

The columns are ``source, switch_id, port, timestamp``, then the labels that the query names, then the metrics. The
columns come from all blocks, even if no row of a block is taken, so all pages of a list have the same columns. A column
of the body with the name of one of the first four gets a ``_`` after its name.

NDJSON leaves missing cells out, and the port where a source has no ports. CSV (RFC 4180) leaves the place between two
commas empty. A spreadsheet runs a text as a formula if it begins with one of ``= + - @``, also in their full-width
form, also after blanks; or if it begins with a tab or a line end. In CSV such a text has a ``'`` before it. Numbers
stay as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from switchboard.selection import cost
from switchboard.selection.choose import Listed
from switchboard.selection.cost import Piece, join_pieces
from switchboard.selection.pages import WHOLE, Page, page_steps
from switchboard.selection.windows import FIRST_CELL, Window, read_cells, read_windows
from switchboard.snapshot.block import TIME
from switchboard.snapshot.cell import Cells

FIXED = ("source", "switch_id", "port", "timestamp")
"""The first columns of every table."""

_FORMULA = ("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
_CONTROLS = ("\t", "\r", "\n")
_encode_lines = msgspec.json.Encoder().encode_lines


class Rows(NamedTuple):
    """Some rows of one source: a window, and the name of the switch of every row."""

    source: Listed
    window: Window
    switches: list[str]


def table_columns(sources: Sequence[Listed]) -> dict[str, str]:
    """The columns after the fixed ones, labels first: the name in the body, mapped to the name in the table."""
    labels: dict[str, None] = {}
    metrics: dict[str, None] = {}
    for source in sources:
        for block in source.selector.snapshot.schemas:
            columns = source.selector.columns(block)
            labels.update(dict.fromkeys(columns.names[: columns.labels]))
            metrics.update(dict.fromkeys(columns.names[columns.labels :]))
    return apart_from_fixed((*labels, *metrics))


def apart_from_fixed(names: Iterable[str]) -> dict[str, str]:
    """Names of columns of the body, mapped to their names in a table: one that is like a fixed one gets a ``_``."""
    shown = {name: name for name in names}
    for name in FIXED:
        if name in shown:
            while shown[name] in FIXED or shown[name] in shown.keys() - {name}:
                shown[name] += "_"
    return shown


def table_pieces(
    sources: Sequence[Listed],
    page: Page,
    budget: int,
    write: Callable[[Rows], Piece],
    *,
    units_per_cell: int = 1,
    first_rows: Iterable[int] = (),
) -> Iterator[Piece]:
    """The rows of a page, source by source, as ``write`` writes them: it is called with rows of about ``budget`` work.

    ``first_rows``: so many rows at most it gets in its first calls. After the rows of each step an empty piece follows,
    whose work is what it cost to find them. Work is counted in the unit that ``write`` uses; one cell of ``cost.py`` is
    ``units_per_cell`` of those.
    """
    most = iter(first_rows)
    for index, source in enumerate(sources):
        selector = source.selector
        names = selector.order.names
        for ordinals in page_steps(selector, page, index):
            at = 0
            while at < len(ordinals):
                part = ordinals[at : at + next(most, len(ordinals))]
                at += len(part)
                switches = [names[switch] for switch in selector.order.switches[part].tolist()]
                for window in read_windows(selector, part, budget):
                    yield write(Rows(source, window, switches[window.start : window.start + window.rows.num_rows]))
            yield Piece(b"", selector.step_work * units_per_cell)


def render_ndjson(sources: Sequence[Listed], page: Page = WHOLE) -> Iterator[bytes]:
    """The rows of a page, a JSON object per line."""
    shown = table_columns(sources)
    renamed = {name: other for name, other in shown.items() if name != other}
    budget = cost.PIECE_CELLS
    return join_pieces(table_pieces(sources, page, budget, partial(_ndjson, renamed)), budget)


def render_csv(sources: Sequence[Listed], page: Page = WHOLE) -> Iterator[bytes]:
    """A header, and then the rows of a page, a line per row."""
    shown = table_columns(sources)
    header = csv_lines([[safe(name) for name in (*FIXED, *shown.values())]])
    rows = table_pieces(sources, page, cost.PIECE_CELLS // cost.CSV_FACTOR, partial(_csv, shown))
    return join_pieces(chain([Piece(header, 0)], rows), cost.PIECE_CELLS)


def safe(text: str | None) -> str | None:
    """The text, changed if necessary so that no spreadsheet runs it as a formula."""
    if text is None:
        return None
    return f"'{text}" if text.startswith(_CONTROLS) or text.lstrip().startswith(_FORMULA) else text


def _ndjson(renamed: dict[str, str], rows: Rows) -> Piece:
    name = rows.source.name
    lines = []
    for switch, port, time, cells in zip(
        rows.switches, rows.window.ports or repeat(None), _times(rows.window), read_cells(rows.window), strict=False
    ):
        line: Cells = {"source": name, "switch_id": switch}
        if port is not None:
            line["port"] = port
        line["timestamp"] = time
        lines.append(line | ({renamed.get(each, each): cell for each, cell in cells.items()} if renamed else cells))
    return Piece(_encode_lines(lines), rows.window.work)


def _csv(shown: dict[str, str], rows: Rows) -> Piece:
    window = rows.window
    cells: dict[str, Iterable[Any]] = {}
    for place, (name, column) in enumerate(zip(window.columns.names, window.rows.columns[FIRST_CELL:], strict=True)):
        values = column.to_pylist()
        cells[name] = map(safe, values) if place < window.columns.labels else values
    columns: list[Iterable[Any]] = [
        repeat(safe(rows.source.name)),
        map(safe, rows.switches),
        repeat(None) if window.ports is None else map(safe, window.ports),
        _times(window),
        *(cells.get(name, repeat(None)) for name in shown),
    ]
    return Piece(csv_lines(zip(*columns, strict=False)), cost.CSV_FACTOR * window.work)


def _times(window: Window) -> list[str]:
    return times_as_text(window.rows.column(TIME).to_numpy())


def times_as_text(times: npt.NDArray[np.int64]) -> list[str]:
    """Times in microseconds since the epoch, by RFC 3339."""
    texts: list[str] = np.datetime_as_string(times.astype("datetime64[us]"), unit="us", timezone="UTC").tolist()
    return texts


def csv_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as lines of CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
