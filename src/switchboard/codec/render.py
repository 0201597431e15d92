"""Snapshots as JSON text: single cells, and the list of all switches in pieces that are short enough for an event loop.

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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from switchboard.codec.block import TIME, Block, Snapshot

PIECE_WORK = 5_000
"""Work after which a piece ends, in cells of 0.1 µs: 0.5 ms on an idle machine, several times that on a busy one."""
_ROW_WORK = 20
"""What a row costs beside its cells, in cells."""

Cell = int | float | str
"""A number, or the text of a label."""
Cells = dict[str, Cell]

encode_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of a list is wanted; None means all. ``since_us`` (microseconds): rows whose own time is later."""

    switches: frozenset[str] | None = None
    metrics: frozenset[str] | None = None
    ports: frozenset[str] | None = None
    since_us: int | None = None


def find_cells(snapshot: Snapshot, switch: str, metric: str, port: str | None) -> tuple[dict[str | None, Cell], bool]:
    """The cells of one metric or label of a switch by port (None: of the switch itself), and whether any row matched.

    ``port`` None asks for all rows of the switch.
    """
    cells: dict[str | None, Cell] = {}
    seen: set[str | None] = set()
    for block, first, rows in snapshot.parts(switch):
        ports = block.ports if block.has_ports else None
        column = block.metrics.get(metric)
        if column is None:
            column = block.labels.get(metric)
        for row in range(first, first + rows):
            name = None if ports is None else ports[row]
            if name in seen or (port is not None and name != port):
                continue
            seen.add(name)
            if column is not None:
                value = block.rows.column(column)[row].as_py()
                if value or value == 0:  # else there is none: null, or a label without text
                    cells[name] = value
    return cells, bool(seen)


def render_list(snapshots: Iterable[Snapshot], choice: Choice) -> Iterator[bytes]:
    """The list of all rows that ``choice`` takes, with a final newline, in pieces of about 0.5 ms of work.

    Where two snapshots have the same cell, the earlier one's counts. What several snapshots know of one switch is put
    together in one step. A piece may be empty.
    """
    work = _Work()
    decoders = [
        _Decoder(snapshot, choice, work)
        for snapshot in snapshots
        if choice.since_us is None or snapshot.manifest.data_max_us > choice.since_us
    ]
    out: list[bytes] = []
    begin = b"[{"
    for switch, owners in _switches(decoders, choice.switches):
        opened, comma = False, b""
        for port, cells in owners[0].rows(switch) if len(owners) == 1 else _merged(owners, switch):
            if cells is not None:
                if not opened:
                    out += (begin, encode_json(switch), b":{")
                    opened, begin = True, b",{"
                text = encode_json(cells)
                if port is not None:
                    out += (comma, encode_json(port), b":", text)
                    comma = b","
                elif cells:
                    out += (comma, text[1:-1])
                    comma = b","
            if work.done >= PIECE_WORK:
                work.done = 0
                yield b"".join(out)
                out.clear()
        work.done += 1
        if opened:
            out.append(b"}}")
    out.append(b"[]\n" if begin == b"[{" else b"]\n")
    yield b"".join(out)


class _Work:
    """How much was done since the last piece ended, in cells."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = 0


class _Decoder:
    """Reads the chosen rows of one snapshot, in windows that grow as long as the rows asked for follow each other."""

    def __init__(self, snapshot: Snapshot, choice: Choice, work: _Work) -> None:
        self.switches = snapshot.switches
        self._snapshot = snapshot
        self._choice = choice
        self._work = work
        all_later = choice.since_us is None or snapshot.manifest.data_min_us > choice.since_us
        self._since_us = None if all_later else choice.since_us
        self._block: Block | None = None
        self._first = self._end = 0
        self._ahead = 1
        self._names: list[str] = []
        self._metrics: list[int] = []
        self._labels: list[int] = []
        self._rows: list[tuple[Cell | None, ...]] = []
        self._times: list[int] = []
        self._ports: list[str] | None = None
        self._complete = True

    def rows(self, switch: str) -> Iterator[tuple[str | None, Cells | None]]:
        """Port and cells of every row of a switch; no cells where the row is not wanted."""
        ports_wanted, metrics_wanted, since_us = self._choice.ports, self._choice.metrics, self._since_us
        seen: set[str | None] = set()
        for block, first, rows in self._snapshot.parts(switch):
            end = first + rows
            for row in range(first, end):
                if block is not self._block or not self._first <= row < self._end:
                    self._read(block, row, end)
                self._work.done += _ROW_WORK
                port = None if self._ports is None else self._ports[row]
                unwanted = (
                    port in seen
                    or (ports_wanted is not None and port not in ports_wanted)
                    or (since_us is not None and self._times[row - self._first] <= since_us)
                )
                seen.add(port)
                cells = None if unwanted else self._cells(row)
                yield port, (None if metrics_wanted is not None and not cells else cells)

    def _cells(self, row: int) -> Cells:
        values = zip(self._names, self._rows[row - self._first], strict=True)
        if self._complete:  # then none of them is None
            return dict(values)  # type: ignore[arg-type]
        return {name: value for name, value in values if value is not None}

    def _read(self, block: Block, row: int, end: int) -> None:
        """Move the window so that it starts at ``row`` of ``block``; ``end`` is where the rows asked for end."""
        follows = row == self._end if block is self._block else row == 0
        self._ahead = self._ahead * 2 if follows and self._choice.switches is None else 1
        if block is not self._block:
            wanted = self._choice.metrics
            self._ports = block.ports if block.has_ports else None
            self._metrics = [at for name, at in block.metrics.items() if wanted is None or name in wanted]
            self._labels = [at for name, at in block.labels.items() if wanted is not None and name in wanted]
            self._names = [block.rows.schema.field(at).name for at in (*self._labels, *self._metrics)]
            self._block = block
        most = max(1, PIECE_WORK // (len(self._names) + 1))
        self._ahead = min(self._ahead, most)
        count = min(max(self._ahead, min(end - row, most)), block.rows.num_rows - row)
        window = block.rows.slice(row, count)
        metrics = [window.column(at) for at in self._metrics]
        labels = [[text or None for text in window.column(at).to_pylist()] for at in self._labels]
        columns = [*labels, *(column.to_pylist() for column in metrics)]
        self._complete = all(column.null_count == 0 for column in metrics) and not any(
            None in texts for texts in labels
        )
        self._rows = list(zip(*columns, strict=True)) if columns else [()] * count
        if self._since_us is not None:
            self._times = window.column(TIME).to_pylist()
        self._first, self._end = row, row + count
        self._work.done += count * len(columns)


def _switches(decoders: Sequence[_Decoder], wanted: frozenset[str] | None) -> Iterator[tuple[str, Sequence[_Decoder]]]:
    """Every switch once, with the decoders that know it; with none where an earlier decoder had it already."""
    for at, decoder in enumerate(decoders):
        known, earlier, later = decoder.switches, decoders[:at], decoders[at + 1 :]
        alone = [decoder]
        for switch in known if wanted is None else sorted(wanted & known.keys(), key=known.__getitem__):
            if not earlier and not later:
                yield switch, alone
            elif any(switch in other.switches for other in earlier):
                yield switch, ()
            else:
                yield switch, [decoder, *(other for other in later if switch in other.switches)]


def _merged(owners: Sequence[_Decoder], switch: str) -> Iterator[tuple[str | None, Cells]]:
    merged: dict[str | None, Cells] = {}
    for owner in owners:
        for port, cells in owner.rows(switch):
            if cells is not None:
                known = merged.setdefault(port, cells)
                for metric in cells.keys() - known.keys():
                    known[metric] = cells[metric]
    return iter(merged.items())
