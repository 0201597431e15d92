"""Rows that say again what an earlier row said: one switch and port twice in a snapshot.

They are stored as they came, and the first one answers. They are found at the end, in one sort of 64-bit hashes: 8
bytes a row, however many ports there are. Among a million rows the chance that two keys share a hash is 3 in 10^8.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from switchboard.snapshot.arrays import IntArray

PAGE_ROWS = 1 << 17
"""1 MiB of hashes."""
_Hashes = npt.NDArray[np.uint64]

# Of FNV-1a, and of the finaliser of MurmurHash3.
_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_HALF = np.uint64(33)


class Duplicates:
    """Collects the keys of all rows of a body."""

    def __init__(self) -> None:
        self._rows = 0
        # Pages that stay where they are: one buffer that grows is copied again and again, and is there twice then.
        self._pages: list[_Hashes] = []
        self._runs = bytearray()  # int32: first row and its line, of rows that stand on lines one after the other

    def add(self, switches: IntArray, ports: pa.Array, lines: IntArray) -> None:
        """Take rows: the number of their switch, their port (an array of nulls where there are none), their line."""
        starts = np.flatnonzero(np.diff(lines, prepend=lines[:1]) != 1).astype(np.int32)
        self._runs += np.stack([self._rows + starts, lines[starts]], axis=1).tobytes()
        keys = _hash(switches, ports)
        while len(keys):
            page, at = divmod(self._rows, PAGE_ROWS)
            if page == len(self._pages):
                self._pages.append(np.empty(PAGE_ROWS, np.uint64))
            some, keys = keys[: PAGE_ROWS - at], keys[PAGE_ROWS - at :]
            self._pages[page][at : at + len(some)] = some
            self._rows += len(some)

    def lines(self) -> list[int]:
        """Lines of all rows whose switch and port had a row before, in order."""
        keys = np.concatenate([*self._pages, np.empty(0, np.uint64)])[: self._rows]
        order = np.argsort(keys, kind="stable")
        again = order[1:][np.diff(keys[order]) == 0]
        if not len(again):
            return []
        first_rows, first_lines = np.frombuffer(self._runs, np.int32).reshape(-1, 2).T
        run = np.searchsorted(first_rows, again, side="right") - 1
        found: list[int] = np.sort(again - first_rows[run] + first_lines[run]).tolist()
        return found


def _hash(switches: IntArray, ports: pa.Array) -> _Hashes:
    """FNV-1a over the bytes of the port, begun with the number of the switch; then mixed."""
    hashes = (switches.astype(np.uint64) ^ _BASIS) * _PRIME
    if not pa.types.is_null(ports.type):
        _, offsets, data = ports.buffers()
        ends = np.frombuffer(offsets, np.int32)[ports.offset : ports.offset + len(ports) + 1]
        bytes_ = np.frombuffer(data or b"\0", np.uint8)
        lengths = np.diff(ends)
        for at in range(int(lengths.max(initial=0))):
            longer = np.flatnonzero(lengths > at)
            hashes[longer] = (hashes[longer] ^ bytes_[ends[longer] + at]) * _PRIME
        hashes ^= lengths.astype(np.uint64)
    for factor in _MIX:
        hashes ^= hashes >> _HALF
        hashes *= factor
    return hashes ^ (hashes >> _HALF)
