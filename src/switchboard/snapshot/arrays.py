"""Arrays of row numbers and masks, and rows taken by them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

IntArray = npt.NDArray[np.int32]


def is_range(numbers: IntArray) -> bool:
    """Whether numbers follow each other one by one."""
    if int(numbers[-1]) - int(numbers[0]) != len(numbers) - 1:
        return False
    return bool((np.diff(numbers) == 1).all())


def slice_or_take(values: pa.Array | pa.RecordBatch, rows: IntArray) -> pa.Array | pa.RecordBatch:
    """The rows at these positions, at least one; without a copy where they follow each other."""
    if len(rows) == 1 or is_range(rows):
        return values if len(rows) == len(values) else values.slice(int(rows[0]), len(rows))
    return values.take(pa.array(rows))


Mask = npt.NDArray[np.bool_]
