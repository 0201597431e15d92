"""Times of rows: how they are written, which unit they have, and whether they can be true.

docs/sources.md has the rules as a table. `time_columns.py` reads whole columns, and as this file does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo

from switchboard.moments import NoOffset, NoSuchTime, parts_of, read_iso8601

YEAR_2000_US = 946_684_800_000_000
FUTURE_US = 600_000_000
"""How far ahead of us a source's clock may be: 10 minutes."""

UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MICROSECONDS = 1_000_000
_DECADE_US = 10 * 365 * 86_400 * _MICROSECONDS


@dataclass(frozen=True, slots=True)
class Clock:
    """Reads the times of one body.

    A number has the unit of the settings. With ``auto``, each number has the one unit that makes it a believable time:
    at most one does, so that rows in seconds and rows in milliseconds may stand in one body.
    """

    now_us: int
    """Time of the scrape."""
    unit: str = "auto"
    zone: tzinfo | None = None
    """Of times that are written without an offset; without it they are rejects."""

    def read(self, text: str) -> tuple[str, int]:
        """A time as text in microseconds since the epoch, rounded down, behind the reason of its reject or nothing."""
        number = _NUMBER.fullmatch(text)
        if number is None:
            return self._read_iso8601(text)
        digits = number[1].lstrip("0")
        if len(digits) > _MOST_DIGITS:
            return "bad_timestamp", 0
        whole = int(digits or "0")
        unit = guess_unit(whole, self.now_us) if self.unit == "auto" else self.unit
        if unit is None:
            return "future" if ahead(whole, self.now_us) else "bad_timestamp", 0
        return self._judged(to_us(whole, unit) + parts_of(number[2] or "", PLACES[unit]))

    def _read_iso8601(self, text: str) -> tuple[str, int]:
        try:
            time_us = read_iso8601(text, self.zone, fold=1)
            if self.zone and time_us and time_us > self.now_us + FUTURE_US:
                # Of an hour that clocks show twice, the second has not come yet.
                time_us = read_iso8601(text, self.zone)
        except NoOffset:
            return "no_offset", 0
        except NoSuchTime:
            time_us = None
        return ("bad_timestamp", 0) if time_us is None else self._judged(time_us)

    def _judged(self, time_us: int) -> tuple[str, int]:
        if time_us > self.now_us + FUTURE_US:
            return "future", 0
        return ("bad_timestamp", 0) if time_us < YEAR_2000_US else ("", time_us)


_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]*))?")
_MOST_DIGITS = 20
PLACES = {"s": 6, "ms": 3, "us": 0, "ns": 0}
"""Digits behind the point that a microsecond has, by the unit of the number."""


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
