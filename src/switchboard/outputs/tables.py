"""Lists as tables: a line per row of each snapshot, as NDJSON or CSV, in pieces short enough for an event loop.

The columns are ``source, switch_id, port, timestamp``, then the labels that are named, then the metrics. They are those
of all blocks, whatever rows are taken, so that all pages of a list have the same. A column of the body that is called
like one of the first four gets a ``_`` after its name.

NDJSON leaves missing cells out, and the port where a source has none; CSV (RFC 4180) has nothing between their commas.
A spreadsheet takes text for a formula that begins with one of ``= + - @``, in full width too and behind blanks, or with
a tab or the end of a line: in CSV, such a text has a ``'`` before it. Numbers are as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np

from switchboard.outputs.json import PIECE_WORK
from switchboard.selection.choose import Listed
from switchboard.selection.pages import WHOLE, Page, page_steps
from switchboard.selection.windows import CELLS, Window, read_cells, read_windows
from switchboard.snapshot.block import TIME
from switchboard.snapshot.cell import Cells

FIXED = ("source", "switch_id", "port", "timestamp")

_FORMULA = ("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
_CONTROLS = ("\t", "\r", "\n")
_encode_lines = msgspec.json.Encoder().encode_lines


class Rows(NamedTuple):
    """Some rows of one source: the window, and the switch of every row."""

    source: Listed
    window: Window
    switches: list[str]


def table_columns(sources: Sequence[Listed]) -> dict[str, str]:
    """The columns after the fixed ones, labels first: as the body names them, and as the table does."""
    labels: dict[str, None] = {}
    metrics: dict[str, None] = {}
    for source in sources:
        for block in source.selector.snapshot.schemas:
            columns = source.selector.columns(block)
            labels.update(dict.fromkeys(columns.names[: columns.labels]))
            metrics.update(dict.fromkeys(columns.names[columns.labels :]))
    shown = {name: name for name in (*labels, *metrics)}
    for name in FIXED:
        if name in shown:
            while shown[name] in FIXED or shown[name] in shown.keys() - {name}:
                shown[name] += "_"
    return shown


def table_rows(sources: Sequence[Listed], page: Page, most_work: int) -> Iterator[Rows | int]:
    """The rows of a page, source by source; after those of each step what it cost to find them, in cells."""
    for number, source in enumerate(sources):
        order = source.selector.order
        for ordinals in page_steps(source.selector, page, number):
            switches = [order.names[switch] for switch in order.switches[ordinals].tolist()]
            for window in read_windows(source.selector, ordinals, most_work):
                yield Rows(source, window, switches[window.at : window.at + window.rows.num_rows])
            yield source.selector.step_work


def render_ndjson(sources: Sequence[Listed], page: Page = WHOLE) -> Iterator[bytes]:
    """A JSON object a line."""
    shown = table_columns(sources)
    renamed = {name: other for name, other in shown.items() if name != other}
    return joined((_ndjson(rows, renamed) for rows in table_rows(sources, page, PIECE_WORK)), PIECE_WORK)


def render_csv(sources: Sequence[Listed], page: Page = WHOLE) -> Iterator[bytes]:
    """A header, and a line a row."""
    shown = table_columns(sources)
    header = _lines([[safe(name) for name in (*FIXED, *shown.values())]])
    # Floats take three times as long as in JSON.
    rows = (_csv(rows, shown) for rows in table_rows(sources, page, PIECE_WORK // 2))
    return joined(chain([(header, 0)], rows), PIECE_WORK)


def joined(parts: Iterable[tuple[bytes, int]], most_work: int) -> Iterator[bytes]:
    """Parts of an answer, with the work that each was, as pieces of about ``most_work``; a piece may be empty."""
    out: list[bytes] = []
    done = 0
    for text, work in parts:
        out.append(text)
        done += work
        if done >= most_work:
            yield b"".join(out)
            out.clear()
            done = 0
    yield b"".join(out)


def safe(text: str | None) -> str | None:
    """A text that no spreadsheet takes for a formula."""
    if text is None:
        return None
    return f"'{text}" if text.startswith(_CONTROLS) or text.lstrip().startswith(_FORMULA) else text


def _ndjson(rows: Rows | int, renamed: dict[str, str]) -> tuple[bytes, int]:
    if isinstance(rows, int):
        return b"", rows
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
    return _encode_lines(lines), rows.window.work


def _csv(rows: Rows | int, shown: dict[str, str]) -> tuple[bytes, int]:
    if isinstance(rows, int):
        return b"", rows
    window = rows.window
    cells: dict[str, Iterable[Any]] = {}
    for place, (name, column) in enumerate(zip(window.columns.names, window.rows.columns[CELLS:], strict=True)):
        values = column.to_pylist()
        cells[name] = map(safe, values) if place < window.columns.labels else values
    columns: list[Iterable[Any]] = [
        repeat(safe(rows.source.name)),
        map(safe, rows.switches),
        repeat(None) if window.ports is None else map(safe, window.ports),
        _times(window),
        *(cells.get(name, repeat(None)) for name in shown),
    ]
    return _lines(zip(*columns, strict=False)), 2 * window.work


def _times(window: Window) -> list[str]:
    """Time of every row, by RFC 3339 with microseconds."""
    times = window.rows.column(TIME).to_numpy().astype("datetime64[us]")
    texts: list[str] = np.datetime_as_string(times, unit="us", timezone="UTC").tolist()
    return texts


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
