"""Times and time spans as text, written and read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo


class NoOffset(ValueError):
    """A date and time that does not say how far it is from UTC."""


class NoSuchTime(ValueError):
    """A date, time or offset that does not exist, as 30 February."""


def rfc3339(time_us: int) -> str:
    """A time in microseconds since the epoch as text, in UTC: ``2026-11-24T06:00:00.000000Z``."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def read_iso8601(text: str, zone: tzinfo | None = None, *, fold: int = 0) -> int | None:
    """A date and time in microseconds since the epoch, rounded down; None if the text is not written as one.

    RFC 3339, and of ISO 8601 beside it: a comma before the fraction, and offsets like ``+0100`` and ``+01``. A blank
    may stand before the offset. ``zone``: of texts without an offset; an hour that its clocks show twice is the first
    of the two with ``fold`` 0, and the second with 1. Raises NoOffset or NoSuchTime.
    """
    match = _ISO8601.fullmatch(text)
    if match is None:
        return None
    day, clock, fraction, is_utc, sign, hours, minutes = match.groups()
    if int(clock[:2]) > _LAST_HOUR or int(hours or 0) > _LAST_HOUR or int(minutes or 0) > _LAST_MINUTE:
        raise NoSuchTime(text)
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}")
    except ValueError as error:
        raise NoSuchTime(text) from error
    if not is_utc and not sign:
        if zone is None:
            raise NoOffset(text)
        offset = zone.utcoffset(moment.replace(fold=fold)) or timedelta()
    else:
        offset = timedelta(hours=int(f"{sign}{hours}"), minutes=int(f"{sign}{minutes or 0}")) if sign else timedelta()
    return (moment - _EPOCH - offset) // _SECOND * 1_000_000 + parts_of(fraction or "", 6)


def parts_of(fraction: str, digits: int) -> int:
    """Digits behind a decimal point as a whole number of parts, of which one has ``digits``; the rest is cut off."""
    return int(fraction[:digits].ljust(digits, "0") or "0")


def read_zone(text: str) -> tzinfo | None:
    """A time zone: ``UTC``, an offset as ``+01:00``, or a name like ``Europe/Berlin``; None if there is none such."""
    if text.upper() in {"UTC", "Z"}:
        return UTC
    match = _OFFSET.fullmatch(text)
    try:
        if match is None:
            return ZoneInfo(text)
        return timezone(timedelta(hours=int(match[1]), minutes=int(f"{match[1][0]}{match[2]}")))
    except (
        OSError,
        ValueError,
        KeyError,
    ):  # of ZoneInfo: a folder, a path that leads out of it, a name that is unknown
        return None


def in_words(seconds: float) -> str:
    """A time span for people: ``95 s``, ``34 min``, ``5 h``, ``2,155 days``."""
    for unit, unit_seconds, least in (("days", 86_400, 2), ("h", 3_600, 2), ("min", 60, 2)):
        if seconds >= least * unit_seconds:
            return f"{seconds / unit_seconds:,.0f} {unit}"
    return f"{seconds:.0f} s"


_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - always UTC, and without an offset it is written twice as fast
_SECOND = timedelta(seconds=1)
_LAST_HOUR, _LAST_MINUTE = 23, 59
_ISO8601 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]+))?"
    r"(?: ?(?:([Zz])|([-+])([0-9]{2})(?::?([0-9]{2}))?))?"
)
_OFFSET = re.compile(r"([-+][0-9]{2}):?([0-9]{2})")
