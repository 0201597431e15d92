"""Rows that say again what an earlier row said: one switch and port twice in a snapshot.

They are stored as they came, and the first one answers. They are found at the end, in one sort: 12 bytes a row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

IntArray = npt.NDArray[np.int32]


class Duplicates:
    """Collects the keys of all rows of a body."""

    def __init__(self) -> None:
        self._port_numbers: dict[str, int] = {}
        self._keys: list[npt.NDArray[np.int64]] = []
        self._lines: list[IntArray] = []

    def add(self, switches: IntArray, ports: pa.Array, lines: IntArray) -> None:
        """Take rows: the number of their switch, their port (an array of nulls where there are none), their line."""
        keys = switches.astype(np.int64) << 32
        if not pa.types.is_null(ports.type):
            encoded = ports.dictionary_encode()
            numbers = [
                self._port_numbers.setdefault(port, len(self._port_numbers)) for port in encoded.dictionary.to_pylist()
            ]
            keys |= np.asarray(numbers, np.int64)[encoded.indices.to_numpy()]
        self._keys.append(keys)
        self._lines.append(lines)

    def lines(self) -> list[int]:
        """Lines of all rows whose switch and port had a row before, in order."""
        if not self._keys:
            return []
        keys = np.concatenate(self._keys)
        order = np.argsort(keys, kind="stable")
        again = order[1:][np.diff(keys[order]) == 0]
        found: list[int] = np.sort(np.concatenate(self._lines)[again]).tolist()
        return found
