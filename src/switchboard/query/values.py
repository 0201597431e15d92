"""Reading the text of a parameter as its value: moments and conditions."""

from __future__ import annotations

import re

from switchboard.errors import ErrorKind, QueryError
from switchboard.moments import NoOffset, NoSuchTime, parts_of, read_iso8601
from switchboard.selection.conditions import BadCondition, parse_condition, spelled


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
        raise malformed(name, text, "is neither Unix seconds or milliseconds nor RFC 3339 (2026-11-24T06:00:00Z)")
    return time_us


def parse_where(name: str, text: str) -> str:
    """A condition in its canonical spelling. Raises QueryError (MALFORMED)."""
    try:
        return spelled(parse_condition(text))
    except BadCondition as error:
        raise malformed(name, text, str(error)) from None


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
