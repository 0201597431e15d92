"""Times and time spans as text."""

from __future__ import annotations

from datetime import datetime, timedelta


def rfc3339(time_us: int) -> str:
    """A time in microseconds since the epoch as text, in UTC: ``2026-11-24T06:00:00.000000Z``."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def in_words(seconds: float) -> str:
    """A time span for people: ``95 s``, ``34 min``, ``5 h``, ``2,155 days``."""
    for unit, unit_seconds, least in (("days", 86_400, 2), ("h", 3_600, 2), ("min", 60, 2)):
        if seconds >= least * unit_seconds:
            return f"{seconds / unit_seconds:,.0f} {unit}"
    return f"{seconds:.0f} s"


_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - always UTC, and without an offset it is written twice as fast
