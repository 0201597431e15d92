"""Pins: the snapshots that a query names, ``snapshot=ID``, or ``snapshot=SOURCE=ID,SOURCE=ID`` for several sources.

``X-Snapshot-Id`` of an answer has the same form, so a client can make several calls consistent with each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from switchboard.errors import ErrorKind, QueryError

Pins = tuple[tuple[str | None, str], ...]
"""Pairs of source and snapshot id, percent-encoded as in headers; source None: whichever source has the snapshot."""
RETRY_SECONDS = 1
"""For a snapshot that is not known here: if another process shows it already, it is loaded here by then."""


class UnknownSnapshot(QueryError):
    """A query names a snapshot that is not in memory: GONE if a known one is as new or newer, else NOT_FOUND."""

    def __init__(self, snapshot: str, known: Iterable[str]) -> None:
        began = _began_ms(snapshot)
        if began is not None and any(began <= (_began_ms(each) or -1) for each in known):
            super().__init__(ErrorKind.GONE, "snapshot is gone: ask without snapshot= for the current one")
        else:
            super().__init__(ErrorKind.NOT_FOUND, "snapshot does not exist", retry_after_seconds=RETRY_SECONDS)


def parse_pins(text: str) -> Pins:
    """Read the value of ``snapshot=``. Raises QueryError (MALFORMED) if a source is, or may be, named twice."""
    pins = []
    for part in text.split(","):
        source, named, snapshot = part.rpartition("=")
        pins.append((source if named else None, snapshot))
    sources = {source for source, _ in pins}
    if len(sources) < len(pins) or (None in sources and len(pins) > 1):
        raise QueryError(
            ErrorKind.MALFORMED, "Malformed snapshot parameter: write ID, or SOURCE=ID,SOURCE=ID with each source once"
        )
    return tuple(pins)


def _began_ms(snapshot: str) -> int | None:
    """When the scrape of a snapshot began, in milliseconds: its id begins with it. None: there is no such number."""
    digits = snapshot.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None


_MOST_DIGITS = 18
