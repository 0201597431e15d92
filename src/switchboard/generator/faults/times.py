"""Rows with times that cannot be true, and answers of another time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from switchboard.generator.faults.rows import RowFault

_SECONDS_DIGITS = 10

seconds_behind: ContextVar[float] = ContextVar("seconds_behind", default=0.0)
"""How far the generator's clock is behind while it answers the request of this context."""


def late(clock: Callable[[], float]) -> Callable[[], float]:
    """A clock that is behind ``clock`` by ``seconds_behind`` of the context."""
    return lambda: clock() - seconds_behind.get()


@contextmanager
def behind(seconds: float) -> Iterator[None]:
    """Within it, the clock of this context is behind by ``seconds``."""
    token = seconds_behind.set(seconds)
    try:
        yield
    finally:
        seconds_behind.reset(token)


class ClockBehind(RowFault):
    """All rows are older than they should be; ``amount`` is in seconds."""

    sign = -1

    def __init__(self, amount: float, key: int) -> None:
        super().__init__(amount, key)
        self.share = 1.0

    def hit(self, lines: list[bytes], places: list[int], bits: list[int]) -> list[bytes]:
        """Move the time, which is the first cell."""
        for place in places:
            time, comma, rest = lines[place].partition(b",")
            if time.isdigit():
                # Times of our day have ten digits in seconds, and three more for each finer unit.
                per_second = 10 ** (len(time) - _SECONDS_DIGITS)
                moved = int(time) + self.sign * round(self.amount * per_second)
                lines[place] = b"%d%b%b" % (max(0, moved), comma, rest)
        return lines


class ClockAhead(ClockBehind):
    """All rows have times in the future."""

    sign = 1


class MixedTimestamps(ClockBehind):
    """Half of the rows are older than the others."""

    def __init__(self, amount: float, key: int) -> None:
        super().__init__(amount, key)
        self.share = 0.5


TIME_FAULTS: dict[str, type[RowFault]] = {
    "mixed_timestamps": MixedTimestamps,
    "clock_ahead": ClockAhead,
    "clock_behind": ClockBehind,
}
"""By name of the fault."""
