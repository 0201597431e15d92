"""How old the data of a source is: a source may go on answering for ever while its data stands still.

Pure: the source's clock, its newest row, and how often its data changed so far.
"""

from __future__ import annotations

from switchboard.model import Manifest

LEAST_LIMIT_MS = 15 * 60_000
PERIODS = 3
"""Data is old by default after this many times the longest period that was seen between two changes."""


def data_age_ms(newest_us: int, source_us: int) -> int:
    """Age of the newest row in ms, where the source's clock shows ``source_us``; 0 for a row of its future."""
    return max(0, (source_us - newest_us) // 1000)


def period_ms(before: Manifest | None, after: Manifest) -> int:
    """Time between two changes of the data, where ``after`` has replaced a snapshot that was live until then.

    The lesser of two measures: the rows' own times, which jump where a source wakes up after years, and our clock,
    which may be set.
    """
    if before is None:
        return 0
    return max(0, min((after.data_max_us - before.data_max_us) // 1000, after.scraped_ms - before.scraped_ms))


def limit_ms(max_data_age: float | None, longest_period_ms: int) -> int:
    """The age in ms beyond which data is called old; 0: none. ``max_data_age`` is the setting, None: automatic."""
    if max_data_age is not None:
        return round(max_data_age * 1000)
    return max(LEAST_LIMIT_MS, PERIODS * longest_period_ms)
