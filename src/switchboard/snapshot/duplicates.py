"""Duplicates: rows of a body that repeat the switch and port of an earlier row.

Duplicates are stored like other rows; queries are answered from the first row. They are found at the end of the body by
one sort of 64-bit hashes: 8 bytes per row, however many ports there are. Among a million rows the chance that two keys
share a hash is 3 in 10^8.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from switchboard.snapshot.arrays import IntArray

PAGE_ROWS = 1 << 17
"""Hashes per page of memory: 1 MiB."""
_Hashes = npt.NDArray[np.uint64]

# The constants of FNV-1a, and those of the finaliser of MurmurHash3.
_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_HALF = np.uint64(33)


class Duplicates:
    """The keys (switch and port) of all rows of a body, as hashes."""

    def __init__(self) -> None:
        self._rows = 0
        # Pages are never moved. One growing buffer would be copied again and again, and be in memory twice meanwhile.
        self._pages: list[_Hashes] = []
        self._runs = bytearray()  # int32 pairs, per run of rows on consecutive lines: first row and its line

    def add(self, switches: IntArray, ports: pa.Array, lines: IntArray) -> None:
        """Take the next rows. An entry per row: number of its switch, its port (of type null: no ports), its line."""
        starts = np.flatnonzero(np.diff(lines, prepend=lines[:1]) != 1).astype(np.int32)
        self._runs += np.stack([self._rows + starts, lines[starts]], axis=1).tobytes()
        keys = _hash(switches, ports)
        while len(keys):
            page, used = divmod(self._rows, PAGE_ROWS)
            if page == len(self._pages):
                self._pages.append(np.empty(PAGE_ROWS, np.uint64))
            some, keys = keys[: PAGE_ROWS - used], keys[PAGE_ROWS - used :]
            self._pages[page][used : used + len(some)] = some
            self._rows += len(some)

    def rows(self) -> IntArray:
        """Numbers of all duplicates among the rows, from 0 and in order."""
        keys = np.concatenate([*self._pages, np.empty(0, np.uint64)])[: self._rows]
        order = np.argsort(keys, kind="stable")
        return np.sort(order[1:][np.diff(keys[order]) == 0]).astype(np.int32)

    def lines(self, rows: IntArray) -> list[int]:
        """The line of each of these rows."""
        first_rows, first_lines = np.frombuffer(self._runs, np.int32).reshape(-1, 2).T
        run = np.searchsorted(first_rows, rows, side="right") - 1
        found: list[int] = (rows - first_rows[run] + first_lines[run]).tolist()
        return found


def _hash(switches: IntArray, ports: pa.Array) -> _Hashes:
    """A hash per row: FNV-1a over the number of the switch and the bytes of the port; then its bits are mixed."""
    hashes = (switches.astype(np.uint64) ^ _BASIS) * _PRIME
    if not pa.types.is_null(ports.type):
        _, offsets, data = ports.buffers()
        starts = np.frombuffer(offsets, np.int32)[ports.offset : ports.offset + len(ports) + 1]
        bytes_ = np.frombuffer(data or b"\0", np.uint8)
        lengths = np.diff(starts)
        for offset in range(int(lengths.max(initial=0))):
            longer = np.flatnonzero(lengths > offset)
            hashes[longer] = (hashes[longer] ^ bytes_[starts[longer] + offset]) * _PRIME
        hashes ^= lengths.astype(np.uint64)
    for factor in _MIX:
        hashes ^= hashes >> _HALF
        hashes *= factor
    return hashes ^ (hashes >> _HALF)
