"""Conditions that a row has to meet: ``METRIC OP VALUE``, as in ``packet_errors>100`` or ``state!=Active``.

    METRIC   name of a metric or label, without < > = ! in it
    OP       one of > >= < <= = !=
    VALUE    a decimal number for all of them; for = and != it may be any text, which labels are compared with

Blanks around the operator do not count. A missing cell meets no condition, not even ``!=``. Integers are compared as
integers, however large, and doubles with the double that is nearest to VALUE, as they were read themselves. A label is
compared as text, and meets neither ``>`` nor ``<``; a number never equals a text.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MISSING, UNMET, MET = 0, 1, 2
"""What a row has to say about a condition."""

Verdicts = npt.NDArray[np.uint8]
_OPERATORS = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
_KERNELS = {
    ">": pc.greater, ">=": pc.greater_equal, "<": pc.less, "<=": pc.less_equal, "=": pc.equal, "!=": pc.not_equal,
}  # fmt: skip
_RANGES = {
    pa.int32(): (-(2**31), 2**31 - 1),
    pa.int64(): (-(2**63), 2**63 - 1),
    pa.uint64(): (0, 2**64 - 1),
}


def _truths(values: pa.Array) -> Any:
    """Truth values, a null being false."""
    return (values.fill_null(False) if values.null_count else values).to_numpy(zero_copy_only=False)


def _always(column: pa.Array, met: bool) -> pa.Array | None:
    return column.is_valid() if met else None
