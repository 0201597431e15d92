"""How busy the fabric is at an hour of the day (UTC), and how busy it has been since the epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from switchboard.generator.draws import ONE

# Share of the peak load at each full hour, in per cent: a quiet night, a working day, an evening of backups.
_LOAD_PERCENT = (28, 22, 18, 16, 16, 19, 26, 40, 60, 78, 88, 92, 86, 88, 94, 97, 93, 82, 66, 55, 52, 56, 48, 37)

WORK_PER_MS = 200
"""Work that is done in a millisecond at peak load."""
_HOUR_MS = 3_600_000
_BEFORE = np.array(_LOAD_PERCENT, np.int64)
_RISE = np.roll(_BEFORE, -1) - _BEFORE
_WORK_OF_HOURS = (2 * _BEFORE + _RISE) * _HOUR_MS
_WORK_UNTIL_HOUR = np.concatenate([[0], np.cumsum(_WORK_OF_HOURS)])


def load_share(time_seconds: int) -> int:
    """Load of the fabric at a Unix time, as a share of the peak: straight lines between the full hours of the day."""
    hour, second = divmod(time_seconds % 86_400, 3_600)
    before, after = _LOAD_PERCENT[hour], _LOAD_PERCENT[(hour + 1) % 24]
    return (before * (3_600 - second) + after * second) * ONE // 360_000


def work_until(times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """The load added up from the epoch to each Unix time: `WORK_PER_MS` for a millisecond at peak load.

    It is the integral of the straight lines of `load_share`, rounded down, so it grows in every millisecond. Good for
    times from 30,000 years before the epoch to as long after it.
    """
    hours, ms = np.divmod(times_ms, _HOUR_MS)
    days, hour = np.divmod(hours, 24)
    within = 2 * _BEFORE[hour] * ms + _RISE[hour] * ms * ms // _HOUR_MS
    work: NDArray[np.int64] = days * _WORK_UNTIL_HOUR[24] + _WORK_UNTIL_HOUR[hour] + within
    return work
