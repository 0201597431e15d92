"""Times of rows: units, and what can be believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.time_columns import FEW, SOME, believable, of_integers, of_texts, to_us_array
from switchboard.inputs.times import UNITS_PER_SECOND, Clock, guess_unit, to_us
from switchboard.moments import read_zone
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


@pytest.mark.parametrize("end", ["", '"sw9",5'], ids=["fast", "careful"])
def test_every_row_has_its_own_unit(end: str) -> None:
    """Rows in seconds, milliseconds, microseconds and nanoseconds, with a fraction or as a date, stand in one body."""
    rows = [
        f"{SECONDS},sw1,5",
        f"{SECONDS}000,sw2,5",
        f"{SECONDS}000000000,sw3,5",
        f"{SECONDS}.5,sw4,5",
        "2026-11-23T18:53:20Z,sw5,5",
        f"{SECONDS}000000,sw6,5",
    ]
    parsed = parse("\n".join(["timestamp,switch_id,a", *rows, end]).encode())
    assert [row[1] - SECONDS * 1_000_000 for row in parsed.rows] == [0, 0, 0, 500_000, 0, 0]
    assert set(parsed.parser.rejects.counts) <= {"columns"}


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


WRITTEN = [
    (f"{SECONDS}.250000", 250_000),
    (f"{SECONDS}.", 0),
    (f"{SECONDS}.0000009", 0),
    (f"{SECONDS}." + "9" * 60, 999_999),
    (f"{SECONDS}123.4567", 123_456),
    (f"{SECONDS}123456.789", 123_456),
    (f"000{SECONDS}.5", 500_000),
    ("2026-11-23T18:53:20Z", 0),
    ("2026-11-23t18:53:20z", 0),
    ("2026-11-23 18:53:20Z", 0),
    ("2026-11-23 18:53:20+00", 0),
    ("2026-11-23 18:53:20 +0000", 0),
    ("2026-11-24T00:23:20.5+05:30", 500_000),
    ("2026-11-23T13:23:20-0530", 0),
    ("2026-11-23T18:53:20.123456789Z", 123_456),
]
"""Spellings of a time, and how many microseconds later than SECONDS each is."""
REFUSED = [
    ("2026-11-23T18:53:20", "no_offset"),
    ("2026-11-23 18:53:20.5", "no_offset"),
    ("2026-11-23T19:53:20Z", "future"),
    ("2026-11-23T18:53:20-01:00", "future"),
    (f"{SECONDS + 3600}.5", "future"),
    ("1999-12-31T23:59:59Z", "bad_timestamp"),
    ("2026-02-30T00:00:00Z", "bad_timestamp"),
    ("2026-11-23T24:00:00Z", "bad_timestamp"),
    ("2026-11-23T18:53:60Z", "bad_timestamp"),
    ("2026-11-23T18:53:20+24:00", "bad_timestamp"),
    ("2026-11-23T18:53:20.Z", "bad_timestamp"),
    ("2026-11-23T18:53Z", "bad_timestamp"),
    ("2026-11-23", "bad_timestamp"),
    ("20261123T185320Z", "bad_timestamp"),
    ("1.79546e9", "bad_timestamp"),
    ("-1795460000", "bad_timestamp"),
    ("+1795460000", "bad_timestamp"),
    ("１７９５４６００００", "bad_timestamp"),
    (".5", "bad_timestamp"),
    ("", "bad_timestamp"),
    ("now", "bad_timestamp"),
]


@pytest.mark.parametrize("quote", ["", '"'], ids=["fast", "careful"])
@pytest.mark.parametrize(("text", "more_us"), WRITTEN)
def test_a_time_is_read_to_the_microsecond(text: str, more_us: int, quote: str) -> None:
    """Unix times with a fraction and ISO 8601 with an offset are read as `since=` reads them, and rounded down."""
    parsed = parse(f"timestamp,switch_id,a\n{quote}{text}{quote},sw1,5\n".encode())
    assert [row[1] for row in parsed.rows] == [SECONDS * 1_000_000 + more_us]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_time_has_a_reason(text: str, reason: str) -> None:
    """A row whose time cannot be known is a reject, never a guess; rows beside it are kept."""
    parsed = parse(f"timestamp,switch_id,a\n2026-11-23T18:53:20Z,sw1,5\n{text},sw2,5\n".encode())
    assert parsed.rejects == [(3, "timestamp", reason, text)]
    assert [row[0] for row in parsed.rows] == ["sw1"]


@pytest.mark.parametrize(
    ("zone", "text"),
    [("UTC", "18:53:20"), ("+05:30", "00:23:20"), ("-05:30", "13:23:20"), ("Europe/Berlin", "19:53:20")],
)
@pytest.mark.parametrize("many", [1, 2 * FEW])
def test_times_without_an_offset_are_of_the_zone_of_the_settings(zone: str, text: str, many: int) -> None:
    """With `timestamp_zone`, local times are read; a time with an offset keeps its own."""
    day = "2026-11-24" if text == "00:23:20" else "2026-11-23"
    rows = "".join(f"{day} {text}.{part:06},sw{part},5\n" for part in range(many))
    settings = ColumnSettings(timestamp_zone=zone)
    parsed = parse(f"timestamp,switch_id,a\n{rows}2026-11-23T18:53:20Z,sw,5\n".encode(), settings)
    assert [row[1] - SECONDS * 1_000_000 for row in parsed.rows] == [*range(many), 0]


def test_of_an_hour_that_comes_twice_the_later_is_meant_unless_it_is_to_come() -> None:
    """When clocks are set back, local times of that hour are read as the ones that the source can have meant."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, as an hour later
    for passed in (timedelta(0), timedelta(hours=1)):
        now_us = int((first + passed).timestamp()) * 1_000_000
        clock = Clock(now_us, zone=read_zone("Europe/Berlin"))
        assert clock.read("2026-10-25 02:30:00") == ("", now_us)


@st.composite
def spelled_times(draw: st.DrawFn) -> tuple[str, int]:
    """A believable time in any spelling, and in microseconds."""
    time_us = draw(st.integers(YEAR_2000_US, NOW_US))
    kind = draw(st.sampled_from(["s", "ms", "us", "ns", "date", "date"]))
    if kind != "date":
        unit = UNITS_PER_SECOND[kind]
        whole, rest = divmod(time_us * unit, 1_000_000)
        fraction = f"{rest:06}" + draw(st.text("0123456789", max_size=9))
        return (f"{whole}.{fraction}" if kind in {"s", "ms"} else str(whole)), time_us
    zone = timezone(timedelta(minutes=draw(st.integers(-1439, 1439))))
    moment = datetime.fromtimestamp(time_us // 1_000_000, zone)
    offset = moment.isoformat()[19:] if draw(st.booleans()) else moment.strftime("%z")
    if moment.utcoffset() == timedelta(0):
        offset = draw(st.sampled_from(["Z", "z", "+00:00", "-00", " +0000"]))
    fraction = f"{time_us % 1_000_000:06}" + draw(st.text("0123456789", max_size=9))
    return f"{moment:%Y-%m-%d}{draw(st.sampled_from('Tt '))}{moment:%H:%M:%S}.{fraction}{offset}", time_us


@fuzz()
@given(st.lists(spelled_times(), min_size=1, max_size=20))
def test_any_mixture_of_spellings_is_read(times: list[tuple[str, int]]) -> None:
    """In whichever spelling each row has its time."""
    rows = "".join(f"{text},sw{at},5\n" for at, (text, _) in enumerate(times))
    parsed = parse(f"timestamp,switch_id,a\n{rows}".encode())
    assert [row[1] for row in parsed.rows] == [time_us for _, time_us in times]


@fuzz()
@given(
    st.lists(
        st.one_of(
            spelled_times().map(lambda time: time[0]),
            st.sampled_from([text for text, _ in WRITTEN]),
            st.sampled_from([text for text, _ in REFUSED]),
            st.from_regex(
                r"[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9](:[0-6][0-9]){2}([.][0-9]{1,9})?(Z|[+][0-9]{4})?",
                fullmatch=True,
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["auto", "s", "ms"]),
    st.sampled_from(["", "UTC", "+01:00", "Europe/Berlin"]),
)  # fmt: skip
def test_columns_of_times_are_read_as_each_is(texts: list[str], unit: str, zone: str) -> None:
    """A column read at once has the times of its cells, or is left to be read cell by cell."""
    clock = Clock(NOW_US, unit, read_zone(zone))
    column = texts + [f"2026-11-23 18:53:20.{part:06}" + ("" if zone else "Z") for part in range(FEW)]
    for some in (column, column[::-1], texts * 3):
        expected = [clock.read(text) for text in some]
        found = of_texts(clock, pa.array(some))
        if found is not None or not any(reason for reason, _ in expected):
            assert found is not None
            assert [("", time_us) for time_us in found.tolist()] == expected
    whole = [int(text) for text in texts if text.isascii() and text.isdigit()]
    if whole and (times := of_integers(clock, np.array(whole, np.int64))) is not None:
        assert [("", time_us) for time_us in times.tolist()] == [clock.read(str(each)) for each in whole]


@pytest.mark.parametrize("text", ["{}.{:06}", "2026-11-23T18:53:20.{1:06}Z", "2026-11-23 18:53:20.{1:06}+00"])
def test_a_time_for_each_row_is_read_at_once(text: str) -> None:
    """A column in which every time is another one is not read cell by cell."""
    times = pa.array([text.format(SECONDS, part) for part in range(2 * SOME)])
    found = of_texts(Clock(NOW_US), times)
    assert found is not None
    assert found.tolist() == [SECONDS * 1_000_000 + part for part in range(2 * SOME)]
