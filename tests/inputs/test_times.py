"""Times of rows: units, and what can be believed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.times import UNITS_PER_SECOND, believable, guess_unit, to_us, to_us_array
from tests.lab.fuzz import fuzz
from tests.lab.parsing import parse
from tests.lab.reference import NOW_US, YEAR_2000_US

UNITS = sorted(UNITS_PER_SECOND)
SECONDS = 1_795_460_000


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("wanted", ["auto", "same"])
def test_every_unit_can_be_told_or_guessed(unit: str, wanted: str) -> None:
    """The same moment in any unit is the same time, whether the settings say the unit or not."""
    settings = ColumnSettings(timestamp_unit="auto" if wanted == "auto" else unit)  # type: ignore[arg-type]
    parsed = parse(f"timestamp,switch_id,a\n{SECONDS * UNITS_PER_SECOND[unit]},sw1,5\n".encode(), settings)
    assert [row[1] for row in parsed.rows] == [SECONDS * 1_000_000]


@pytest.mark.parametrize("unit", UNITS)
def test_a_clock_that_is_ahead_is_told_from_a_number_that_is_no_time(unit: str) -> None:
    """Where no time of a body can be true, those up to ten years ahead are in the future, others are no times."""
    per_second = UNITS_PER_SECOND[unit]
    for seconds, reason in ((3600, "future"), (9 * 365 * 86400, "future"), (11 * 365 * 86400, "bad_timestamp")):
        parsed = parse(f"timestamp,switch_id,a\n{(SECONDS + seconds) * per_second},sw1,5\n".encode())
        assert parsed.parser.rejects.counts == {reason: 1}


def test_parts_of_a_microsecond_are_cut_off() -> None:
    """Nanoseconds become whole microseconds, in the fast way and in the careful way."""
    for end in ("", '"sw2",5'):
        parsed = parse(f"timestamp,switch_id,a\n{SECONDS}123456789,sw1,5\n{end}".encode())
        assert [row[1] for row in parsed.rows] == [SECONDS * 1_000_000 + 123456]


def test_the_first_time_decides_the_unit() -> None:
    """A body has one unit: what is no time in the unit of the first row is rejected."""
    parsed = parse(f"timestamp,switch_id,a\n{SECONDS}000,sw1,5\n{SECONDS},sw2,5\n{SECONDS}001,sw3,5\n".encode())
    assert [row[0] for row in parsed.rows] == ["sw1", "sw3"]
    assert parsed.parser.rejects.counts == {"bad_timestamp": 1}


def test_a_unit_that_does_not_fit_rejects_every_row() -> None:
    """Seconds where the settings say milliseconds are the year 1970, and nobody believes them."""
    parsed = parse(f"timestamp,switch_id,a\n{SECONDS},sw1,5\n".encode(), ColumnSettings(timestamp_unit="ms"))
    assert parsed.error is not None
    assert parsed.error.reason == "no_rows"


@pytest.mark.parametrize("unit", UNITS)
def test_what_can_be_believed(unit: str) -> None:
    """From the year 2000 to ten minutes from now, both ends included, and nothing else."""
    least, most = YEAR_2000_US, NOW_US + 600_000_000
    for time_us, believed in ((least - 1_000_000, False), (least, True), (most, True), (most + 1_000_000, False)):
        time = time_us * UNITS_PER_SECOND[unit] // 1_000_000
        assert bool(believable(to_us_array(np.array([time]), unit), NOW_US)[0]) is believed


@fuzz()
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20), st.sampled_from(UNITS))
def test_many_times_are_as_one(times: list[int], unit: str) -> None:
    """The vectorised conversion believes the same times, and says the same of them, whatever would overflow."""
    many = to_us_array(np.array(times, np.int64), unit)
    one = [to_us(time, unit) for time in times]
    believed = believable(many, NOW_US)
    assert believed.tolist() == [YEAR_2000_US <= time_us <= NOW_US + 600_000_000 for time_us in one]
    assert [time_us for time_us, fine in zip(many.tolist(), believed, strict=True) if fine] == [
        time_us for time_us, fine in zip(one, believed, strict=True) if fine
    ]


@fuzz()
@given(st.integers(-10, 2**64))
def test_at_most_one_unit_fits(time: int) -> None:
    """A guess is never a choice: no number is a believable time in two units."""
    fitting = [unit for unit in UNITS if YEAR_2000_US <= to_us(time, unit) <= NOW_US + 600_000_000]
    assert len(fitting) <= 1
    assert guess_unit(time, NOW_US) == (fitting[0] if fitting else None)
