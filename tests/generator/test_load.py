from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from switchboard.generator.draws import ONE
from switchboard.generator.load import WORK_PER_MS, load_share, work_until

DAY_MS = 86_400_000
TIMES = st.integers(-(2**40), 2**44)


def work_between(start_ms: int, end_ms: int) -> int:
    before, after = work_until(np.array([start_ms, end_ms])).tolist()
    return int(after - before)


@given(time_ms=TIMES, days=st.integers(0, 20_000))
def test_every_day_has_the_same_work(time_ms: int, days: int) -> None:
    """From any time to the same time some days later, the work is so many times that of a day."""
    assert work_between(time_ms, time_ms + days * DAY_MS) == days * work_between(0, DAY_MS)


@given(time_ms=TIMES)
def test_work_grows_with_the_load(time_ms: int) -> None:
    """In any minute, the work is the load in the middle of it, to a thousandth."""
    share = load_share((time_ms + 30_000) // 1000) / ONE
    assert abs(work_between(time_ms, time_ms + 60_000) / (60_000 * WORK_PER_MS) - share) < 0.001


@given(time_ms=TIMES)
def test_work_grows_in_every_millisecond(time_ms: int) -> None:
    """No millisecond of any night is without work."""
    assert 0 < work_between(time_ms, time_ms + 1) <= WORK_PER_MS
