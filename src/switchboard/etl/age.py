"""The age of a source's data: a source may go on answering while its data stands still.

Pure functions of the source's clock, its newest row, and the times between changes of its data.
"""

from __future__ import annotations

from switchboard.model import Manifest

LEAST_LIMIT_MS = 15 * 60_000
PERIODS = 3
"""By default data is old after this many times the longest time seen between two changes."""


def data_age_ms(newest_us: int, source_us: int) -> int:
    """Age of the newest row in ms when the source's clock shows ``source_us``; 0 for a row in its future."""
    return max(0, (source_us - newest_us) // 1000)


def period_ms(before: Manifest | None, after: Manifest) -> int:
    """Time between two changes of the data: ``after`` has replaced ``before``; 0 if there was no live snapshot before.

    The lesser of two measures, because each can be wrong: the rows' own times jump when a source wakes up after years,
    and our wall clock may be set.
    """
    if before is None:
        return 0
    return max(0, min((after.data_max_us - before.data_max_us) // 1000, after.scraped_ms - before.scraped_ms))


def limit_ms(max_data_age: float | None, longest_period_ms: int) -> int:
    """The age in ms beyond which data is old; 0: no limit. ``max_data_age`` is the setting; None: automatic."""
    if max_data_age is not None:
        return round(max_data_age * 1000)
    return max(LEAST_LIMIT_MS, PERIODS * longest_period_ms)
