"""How old the data of a source is, and from when on it is called so."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from switchboard.etl.age import LEAST_LIMIT_MS, data_age_ms, limit_ms, period_ms
from tests.lab.snapshots import pack

MANIFEST = pack(b"switch_id,a\nsw1,1\n").manifest


def test_an_age_is_counted_by_the_sources_own_clock() -> None:
    """The source's time less its newest row; a row of its future has no age."""
    assert data_age_ms(newest_us=5_000_000, source_us=65_500_000) == 60_500
    assert data_age_ms(newest_us=65_500_000, source_us=5_000_000) == 0


@pytest.mark.parametrize(
    ("data_seconds", "scraped_seconds", "period_seconds"),
    [
        (3600, 3605, 3600),
        (3600, 20, 20),  # our clock was set back meanwhile, or the ETL has just begun to look
        (6 * 365 * 86_400, 10_800, 10_800),  # it slept for years, and we saw three hours of that
        (10, 86_400, 10),  # our clock was set forward
        (-5, 10, 0),
        (10, -3600, 0),
    ],
)
def test_a_period_is_what_both_clocks_agree_on(data_seconds: int, scraped_seconds: int, period_seconds: int) -> None:
    """The lesser of the rows' own times and the time between the scrapes, and never less than nothing."""
    after = replace(
        MANIFEST,
        data_max_us=MANIFEST.data_max_us + data_seconds * 1_000_000,
        scraped_ms=MANIFEST.scraped_ms + scraped_seconds * 1000,
    )
    assert period_ms(MANIFEST, after) == period_seconds * 1000
    assert period_ms(None, after) == 0


def test_the_limit_follows_the_source() -> None:
    """The setting, where there is one, 0 for none; else three of the longest periods, and 15 minutes at least."""
    assert limit_ms(0, 10_000_000) == 0
    assert limit_ms(2.5, 10_000_000) == 2500
    assert limit_ms(None, 10_000) == LEAST_LIMIT_MS == 900_000
    assert limit_ms(None, 3_600_000) == 10_800_000
