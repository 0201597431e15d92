"""Faults in the rows of a body. The header stays, and the bytes are a function of the good ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np

from switchboard.generator.draws import ONE, draw, hash64, purpose

_HIT, _HOW = purpose(80), purpose(81)

# Cases of bad input: no number, not finite, not plainly written, too large for 64 bits, of another country or script.
BAD_CELLS = (
    *(b"NaN", b"inf", b"-Infinity", b"1e400", b"0x1F", b"+5", b" 12 ", b"1_000", b"1.234.5", b"--", b"12 GB", b"null"),
    *(b"9223372036854775808000", b"1" * 400, "１２".encode(), "٣".encode(), b'"1,5"'),
)


class RowFault:
    """Changes rows as they pass; which rows depends on the key and on how many rows have passed."""

    def __init__(self, amount: float, key: int) -> None:
        """``amount`` is the share of the rows that are hit, unless a subclass says otherwise."""
        self.amount = amount
        self.share = amount
        self.key = key
        self._passed = 0

    def read_header(self, line: bytes) -> None:
        """Look at the columns, before the first row."""

    def change(self, lines: list[bytes]) -> list[bytes]:
        """The next rows as they are sent, without line ends. May change the list."""
        numbers = np.arange(self._passed, self._passed + len(lines), dtype=np.uint64)
        self._passed += len(lines)
        keys = numbers + np.uint64(self.key)
        places = np.flatnonzero(draw(keys, _HIT) < self.share * ONE)
        return self.hit(lines, places.tolist(), hash64(keys[places], _HOW).tolist())

    def hit(self, lines: list[bytes], places: list[int], bits: list[int]) -> list[bytes]:
        """Change the rows at these places; for each there are 64 random bits that say how."""
        raise NotImplementedError


class RaggedRows(RowFault):
    """A cell too many, or one too few."""

    def hit(self, lines: list[bytes], places: list[int], bits: list[int]) -> list[bytes]:
        """Add a cell to about half of the rows, and take one from the others."""
        for place, how in zip(places, bits, strict=True):
            lines[place] = lines[place] + b",0" if how & 1 else lines[place].rpartition(b",")[0]
        return lines


class BadCells(RowFault):
    """One cell of a row is replaced, never one that says whose row it is."""

    _first = 0

    def read_header(self, line: bytes) -> None:
        """Find the first column that is not a key."""
        names = line.split(b",")
        ports = [at for at, name in enumerate(names) if name in {b"switch_id", b"port_num", b"Port_Number"}]
        self._first = max(ports, default=0) + 1

    def hit(self, lines: list[bytes], places: list[int], bits: list[int]) -> list[bytes]:
        """Replace a drawn cell of each row by a drawn text."""
        for place, how in zip(places, bits, strict=True):
            cells = lines[place].split(b",")
            if len(cells) > self._first:
                cells[self._first + (how >> 8) % (len(cells) - self._first)] = BAD_CELLS[how % len(BAD_CELLS)]
                lines[place] = b",".join(cells)
        return lines


class DuplicateRows(RowFault):
    """A row comes twice, one after the other."""

    def hit(self, lines: list[bytes], places: list[int], bits: list[int]) -> list[bytes]:
        """Insert the copies from the end, so that the places before them stay right."""
        for place in reversed(places):
            lines.insert(place, lines[place])
        return lines


class RowCollapse(RowFault):
    """Only the rows that are hit are sent: the same ones each time, as when a part of the fabric cannot be reached."""

    def __init__(self, amount: float, key: int) -> None:
        super().__init__(amount, 0)

    def hit(self, lines: list[bytes], places: list[int], bits: list[int]) -> list[bytes]:
        """Keep only the rows that are hit."""
        return [lines[place] for place in places]


ROW_FAULTS: dict[str, type[RowFault]] = {
    "ragged_rows": RaggedRows,
    "bad_cells": BadCells,
    "duplicate_rows": DuplicateRows,
    "row_collapse": RowCollapse,
}
"""By name of the fault."""


async def change_rows(body: AsyncIterator[bytes], faults: Sequence[RowFault]) -> AsyncIterator[bytes]:
    """The body with changed rows, in pieces of about the size of those that come, which may be cut within a line."""
    rest = b""
    in_rows = False
    async for piece in body:
        *lines, rest = (rest + piece).split(b"\n")
        if lines and not in_rows:
            in_rows = True
            header, *lines = lines
            for fault in faults:
                fault.read_header(header)
            yield header + b"\n"
        if lines:
            # Large pieces take a while.
            yield await asyncio.to_thread(_changed, lines, faults)
    if rest:
        yield await asyncio.to_thread(_changed, [rest], faults)


def _changed(lines: list[bytes], faults: Sequence[RowFault]) -> bytes:
    for fault in faults:
        lines = fault.change(lines)
    return b"".join(line + b"\n" for line in lines)
