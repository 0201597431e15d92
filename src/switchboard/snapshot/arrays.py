"""Numpy arrays that name rows: their types, and the rows of an Arrow array that they name."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

IntArray = npt.NDArray[np.int32]
"""Numbers of rows, switches or blocks."""
Mask = npt.NDArray[np.bool_]
"""A truth value per row."""


def is_range(numbers: IntArray) -> bool:
    """Whether each number, of at least one, is the one before it plus one."""
    if int(numbers[-1]) - int(numbers[0]) != len(numbers) - 1:
        return False
    return bool((np.diff(numbers) == 1).all())


def slice_or_take(values: pa.Array | pa.RecordBatch, rows: IntArray) -> pa.Array | pa.RecordBatch:
    """The rows with these indices, at least one; not copied if they are neighbours."""
    if len(rows) == 1 or is_range(rows):
        return values if len(rows) == len(values) else values.slice(int(rows[0]), len(rows))
    return values.take(pa.array(rows))
