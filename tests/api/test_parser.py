"""Query strings."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.api.describe.schemas import parameters_of
from switchboard.api.parser import Parser
from switchboard.errors import ErrorKind, QueryError
from switchboard.query.requests import GetMetric, ListMetrics
from switchboard.query.values import parse_moment, parse_since
from tests.lab.fuzz import fuzz

GET = Parser(GetMetric, "GetMetric")
LIST = Parser(ListMetrics, "ListMetrics")


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        (b"switch_id=sw1&metric=x", GetMetric(switch_id="sw1", metric="x")),
        (b"metric=x&&switch_id=sw1&", GetMetric(switch_id="sw1", metric="x")),
        (b"switch_id=a%20b+c%2B&metric=%E2%82%AC", GetMetric(switch_id="a b c+", metric="€")),
        (b"switch%5Fid=1=2&metric=x;y", GetMetric(switch_id="1=2", metric="x;y")),
        (b"switch_id=sw1&metric=x&port=1&source=f", GetMetric(switch_id="sw1", metric="x", port="1", source="f")),
        (b"switch_id=%2500&metric=x", GetMetric(switch_id="%00", metric="x")),  # decoded exactly once
        ("switch_id=é&metric=x".encode(), GetMetric(switch_id="é", metric="x")),
    ],
)
def test_get_metric_is_read(raw: bytes, query: GetMetric) -> None:
    """Names and values are decoded once; order and empty pairs do not matter."""
    assert GET.parse(raw) == query


def test_what_repeats_has_one_spelling() -> None:
    """Two spellings of one query are equal, and so are their entity tags."""
    query = LIST.parse(b"switch_id=b&metric=y&switch_id=a&switch_id=b")
    assert query == ListMetrics(switch_id=("a", "b"), metric=("y",)) == LIST.parse(b"metric=y&switch_id=a&switch_id=b")


@pytest.mark.parametrize("name", ["x" * 100, "a\nb", "<script>", "\u202e"])
def test_an_unknown_name_is_shown_short_and_printable(name: str) -> None:
    """The sentence repeats what the client sent without control characters, and not all of it."""
    with pytest.raises(QueryError) as caught:
        GET.parse(quote(name).encode() + b"=1")
    assert caught.value.kind is ErrorKind.MALFORMED
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 150


@given(st.text(min_size=1), st.text(min_size=1))
@fuzz()
def test_any_text_comes_through(switch: str, metric: str) -> None:
    """Whatever text a client quotes is what is asked for."""
    raw = f"switch_id={quote(switch)}&metric={quote_plus(metric)}".encode()
    assert GET.parse(raw) == GetMetric(switch_id=switch, metric=metric)


@given(st.binary())
@fuzz()
def test_any_bytes_are_a_query_or_refused(raw: bytes) -> None:
    """No query string raises anything but QueryError."""
    for parser in (GET, LIST):
        with contextlib.suppress(QueryError):
            parser.parse(raw)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("0", 0),
        ("1795460000", 1_795_460_000_000_000),
        ("1795460000.25", 1_795_460_000_250_000),
        ("1795460000.0000009", 1_795_460_000_000_000),
        ("1795460000.", 1_795_460_000_000_000),
        ("100000000000", 100_000_000_000_000_000),
        ("100000000001", 100_000_000_001_000),
        ("1795460000123", 1_795_460_000_123_000),
        ("1795460000123.4567", 1_795_460_000_123_456),
        ("2026-11-23T18:53:20Z", 1_795_460_000_000_000),
        ("2026-11-23t18:53:20.1234567z", 1_795_460_000_123_456),
        ("2026-11-23 18:53:20+00:00", 1_795_460_000_000_000),
        ("2026-11-24T00:23:20+05:30", 1_795_460_000_000_000),
        ("2026-11-24T00:23:20 05:30", 1_795_460_000_000_000),  # a + that was not quoted
        ("2026-11-23T13:53:20-05:00", 1_795_460_000_000_000),
        ("1969-12-31T23:59:59.5Z", -500_000),
    ],
)
def test_since_is_read(text: str, microseconds: int) -> None:
    """Seconds, milliseconds and RFC 3339 are told apart, and rounded down."""
    assert parse_since("since", text) == microseconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0" * 20 + "5", None),
        ("-" + "0" * 20 + "5", "is less than 1"),
        ("9" * 40, "is more than 10000"),
        ("0", "is less than 1"),
        ("1.0", "is no whole number from 1 to 10000"),
    ],
)
def test_a_whole_number_of_any_length_is_read(text: str, reason: str | None) -> None:
    """Zeros before a number do not count, and no number is so long that its range is told wrongly."""
    raw = f"limit={text}".encode()
    if reason is None:
        assert LIST.parse(raw) == ListMetrics(limit=5)
        return
    with pytest.raises(QueryError, match=reason):
        LIST.parse(raw)


@pytest.mark.parametrize("text", ["15m", "-15m", "1h30m", "1d12h30m", "0.5h", "90s", "250ms", "5min"])
def test_the_published_pattern_takes_the_time_spans_that_are_read(text: str) -> None:
    """A client that checks its queries by the description of the API may send what the documents show."""
    (since,) = (each for each in parameters_of(ListMetrics, {}) if each["name"] == "since")
    patterns = [form["pattern"] for form in since["schema"]["anyOf"] if "pattern" in form]
    assert any(re.search(pattern, text) for pattern in patterns)
    assert parse_moment("since", text).isdigit()


@pytest.mark.parametrize(
    "text",
    ["-1", "1e9", "0x10", "1_000", "١٢٣", "NaN", "1795460000 ", "100000000000001", "9" * 41, "2026-11-23", "18:53:20Z",
     "2026-11-23T18:53:20", "2026-11-23T18:53Z", "2026-13-01T00:00:00Z", "2026-11-23T24:00:01Z", "0000-01-01T00:00:00Z",
     "2026-11-23T18:53:20+5:30", "2026-11-23T18:53:20+99:00", "2026-11-23T18:53:20.Z", "now"],
)  # fmt: skip
def test_a_malformed_since_is_400(text: str) -> None:
    """Whatever is not exactly one of the three forms is refused with its name and value."""
    with pytest.raises(QueryError, match="Malformed since parameter: ") as caught:
        parse_since("since", text)
    assert caught.value.kind is ErrorKind.MALFORMED


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001 - the zone is drawn apart
    st.integers(-1439, 1439),
)
@fuzz()
def test_any_moment_can_be_written_as_rfc_3339(moment: datetime, offset_minutes: int) -> None:
    """A date and time with any offset is the moment that it names."""
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_since("since", aware.isoformat()) == expected


@given(st.decimals(0, 10**11, allow_nan=False, places=8))
@fuzz()
def test_decimals_are_exact(number: object) -> None:
    """A decimal number of seconds loses nothing but what is below a microsecond."""
    assert parse_since("since", f"{number:f}") == Fraction(str(number)) * 1_000_000 // 1
