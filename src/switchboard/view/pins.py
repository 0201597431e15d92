"""Which snapshots a query insists on: ``snapshot=ID``, or ``snapshot=SOURCE=ID,SOURCE=ID`` where there are several.

That is what ``X-Snapshot-Id`` of an answer says, so several calls can be made consistent with each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from switchboard.errors import ErrorKind, QueryError

Pins = tuple[tuple[str | None, str], ...]
"""Source (None: whichever has it) and snapshot, both percent-encoded as headers have them."""
RETRY_SECONDS = 1
"""A snapshot that another process shows already is here by then."""


class UnknownSnapshot(QueryError):
    """A snapshot that cannot be answered from: 410 if it is older than one that is known, else 404."""

    def __init__(self, snapshot: str, known: Iterable[str]) -> None:
        began = _began_ms(snapshot)
        if began is not None and any(began <= (_began_ms(each) or -1) for each in known):
            super().__init__(ErrorKind.GONE, "snapshot is gone: ask without snapshot= for the current one")
        else:
            super().__init__(ErrorKind.NOT_FOUND, "snapshot does not exist", retry_after_seconds=RETRY_SECONDS)


def parse_pins(text: str) -> Pins:
    """Read the value of ``snapshot=``. Raises QueryError (MALFORMED) where a source is, or may be, named twice."""
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
    """When its scrape began: an id begins with that, in milliseconds."""
    digits = snapshot.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None


_MOST_DIGITS = 18
