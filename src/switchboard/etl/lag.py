"""Lag: which switches have rows that are far older or newer than those of the others.

Looked for only while the times of a source's rows are too far apart: other bodies do not pay for it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from switchboard.snapshot.block import TIME, RowBatch

MOST_NAMED = 3
"""Most switches that a sentence names on each side."""


class SwitchTimes:
    """The oldest and the newest time of the rows of each switch, in microseconds."""

    def __init__(self) -> None:
        self._times: dict[str, tuple[int, int]] = {}

    def add(self, batch: RowBatch) -> None:
        """Take the next rows of the body."""
        table = pa.table({"switch": batch.switches, "time": batch.rows.column(TIME)})
        extremes = table.group_by("switch", use_threads=False).aggregate([("time", "min"), ("time", "max")])
        columns = (extremes[name].to_pylist() for name in ("switch", "time_min", "time_max"))
        for switch, oldest, newest in zip(*columns, strict=True):
            known = self._times.get(switch, (oldest, newest))
            self._times[switch] = min(oldest, known[0]), max(newest, known[1])

    def who(self, most_us: int) -> str:
        """Which switches are further than ``most_us`` from most of the others, the furthest first; empty if none is.

        They are compared with the switch in the middle; of two, that is the newer one.
        """
        if not self._times:
            return ""
        names = list(self._times)
        oldest, newest = np.array(list(self._times.values()), np.int64).T
        middle = np.sort(newest)[len(newest) // 2]
        return "; ".join(
            _name(names, by_us, most_us, side)
            for by_us, side in ((middle - oldest, "behind"), (newest - middle, "ahead"))
            if by_us.max() > most_us
        )


def _name(names: list[str], by_us: np.ndarray[tuple[int], np.dtype[np.int64]], most_us: int, side: str) -> str:
    far = np.flatnonzero(by_us > most_us)
    furthest = far[np.argsort(-by_us[far], kind="stable")][:MOST_NAMED].tolist()
    named = ", ".join(f"{names[at]!r} by {by_us[at] / 1e6:g} s" for at in furthest)
    more = ", …" if len(far) > len(furthest) else ""
    return f"{len(far)} of {len(names)} switches {'is' if len(far) == 1 else 'are'} {side}: {named}{more}"
