"""Times of rows: which unit they have, and whether they can be true."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

YEAR_2000_US = 946_684_800_000_000
FUTURE_US = 600_000_000
"""How far ahead of us a source's clock may be: 10 minutes."""

UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MICROSECONDS = 1_000_000
_DECADE_US = 10 * 365 * 86_400 * _MICROSECONDS

Int64Array = npt.NDArray[np.int64]


def guess_unit(time: int, now_us: int) -> str | None:
    """The one unit that puts ``time`` between the year 2000 and ten minutes from now; None if there is none."""
    for unit in UNITS_PER_SECOND:
        if YEAR_2000_US <= to_us(time, unit) <= now_us + FUTURE_US:
            return unit
    return None


def ahead(time: int, now_us: int) -> bool:
    """Whether a time that is not believable in any unit is one of a clock that is up to ten years ahead."""
    return any(now_us < to_us(time, unit) <= now_us + _DECADE_US for unit in UNITS_PER_SECOND)


def to_us(time: int, unit: str) -> int:
    """Microseconds since the epoch; parts of a microsecond are cut off."""
    return time * _MICROSECONDS // UNITS_PER_SECOND[unit]


def to_us_array(times: Int64Array, unit: str) -> Int64Array:
    """``to_us`` for an array; a time that does not fit into 64 bits becomes one that ``believable`` refuses."""
    per_second = UNITS_PER_SECOND[unit]
    if per_second >= _MICROSECONDS:
        return times // (per_second // _MICROSECONDS)
    factor = _MICROSECONDS // per_second
    limit = np.iinfo(np.int64).max // factor
    return np.where(np.abs(times) <= limit, times, -1) * factor


def believable(times_us: Int64Array, now_us: int) -> npt.NDArray[np.bool_]:
    """Which times lie between the year 2000 and ten minutes from now."""
    return (times_us >= YEAR_2000_US) & (times_us <= now_us + FUTURE_US)
