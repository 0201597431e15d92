"""Reading the text of a parameter as its value: moments, time spans and conditions."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from switchboard.errors import ErrorKind, QueryError
from switchboard.moments import NoOffset, NoSuchTime, parts_of, read_iso8601
from switchboard.selection.conditions import BadCondition, parse_condition, spelled


def parse_moment(name: str, text: str) -> str:
    """A moment, or a time span, as ``Since`` writes it. Raises QueryError (MALFORMED)."""
    if _SPAN.fullmatch(text) is None:
        return f"{_AT}{parse_since(name, text)}"
    milliseconds = sum(round(Decimal(number) * _UNITS[unit]) for number, unit in _PART.findall(text))
    if milliseconds > _LONGEST_SPAN:
        raise malformed(name, text, f"is longer than {_LONGEST_SPAN // _UNITS['d']} days")
    return f"{milliseconds}"


class Since(NamedTuple):
    """The meaning of ``since=``: one of the two is a number, in microseconds."""

    at_us: int | None = None
    """A moment, counted from the epoch."""
    ago_us: int | None = None
    """A time span before the newest row of the snapshot."""

    @classmethod
    def read(cls, canonical: str | None) -> Since:
        """What ``parse_moment`` wrote; None: everything."""
        if canonical is None:
            return cls()
        if canonical.startswith(_AT):
            return cls(at_us=int(canonical.removeprefix(_AT)))
        return cls(ago_us=int(canonical) * 1_000)


def parse_since(name: str, text: str) -> int:
    """A moment as microseconds since the epoch, rounded down. Raises QueryError (MALFORMED).

    A number up to 1e11 counts seconds (until the year 5138), a larger one up to 1e14 milliseconds.
    """
    number = _NUMBER.fullmatch(text)
    if number is not None:
        whole, fraction = int(number[1]), number[2] or ""
        if whole <= _MOST_SECONDS:
            return whole * 1_000_000 + parts_of(fraction, 6)
        if whole <= _MOST_SECONDS * 1000:
            return whole * 1_000 + parts_of(fraction, 3)
        raise malformed(name, text, "is too large for Unix milliseconds")
    try:
        # In a query string a + that is not written %2B arrives as a space.
        time_us = read_iso8601(_SPACE_FOR_PLUS.sub(r"\1+\2", text))
    except NoOffset:
        raise malformed(name, text, "has no offset: end it with Z or +HH:MM") from None
    except NoSuchTime:
        raise malformed(name, text, "is no date and time that exists") from None
    if time_us is None:
        raise malformed(
            name,
            text,
            "is neither Unix seconds or milliseconds, nor RFC 3339 (2026-11-24T06:00:00Z), nor a time span (15m)",
        )
    return time_us


def parse_where(name: str, text: str) -> str:
    """A condition in its canonical spelling. Raises QueryError (MALFORMED)."""
    try:
        return spelled(parse_condition(text))
    except BadCondition as error:
        raise malformed(name, text, str(error)) from None


_AT = "@"
_UNITS = {
    "ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000,
}  # fmt: skip
"""Milliseconds in each unit of a time span."""
_LONGEST_SPAN = 36_500 * _UNITS["d"]
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|min|m|h|d|w)")
_SPAN = re.compile(rf"-?(?:{_PART.pattern}){{1,7}}")
_MOST_SECONDS = 10**11
_NUMBER = re.compile(r"([0-9]{1,40})(?:\.([0-9]{0,40}))?")
_SPACE_FOR_PLUS = re.compile(r"(:[0-9]{2}(?:[.,][0-9]+)?) ([0-9]{2}(?::?[0-9]{2})?)$")
_MOST_SHOWN_CHARACTERS = 60


def malformed(name: str, text: str, reason: str) -> QueryError:
    """The error for a parameter that cannot be read; ``reason`` continues the sentence after the text."""
    return QueryError(ErrorKind.MALFORMED, f"Malformed {name} parameter: {shown(text)} {reason}")


def shown(text: str) -> str:
    """A client's text, made printable and short so that a sentence may repeat it."""
    printable = "".join(character if character.isprintable() else "?" for character in text[:_MOST_SHOWN_CHARACTERS])
    return printable if len(text) <= _MOST_SHOWN_CHARACTERS else f"{printable}…"
