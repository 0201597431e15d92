"""Pins: the snapshots that a query names, ``snapshot=ID``, or ``snapshot=SOURCE=ID,SOURCE=ID`` for several sources.

``X-Snapshot-Id`` of an answer has the same form, so a client can make several calls consistent with each other. For
many sources that would be long: ``short_pins.py`` has another form.
"""

from __future__ import annotations

from collections.abc import Iterable

from switchboard.errors import ErrorKind, QueryError

Pins = tuple[tuple[str | None, str], ...]
"""Pairs of source and snapshot id, percent-encoded as in headers; source None: whichever source has the snapshot."""
RETRY_SECONDS = 1
"""For a snapshot that is not known here: if another process shows it already, it is loaded here by then."""


class UnknownSnapshot(QueryError):
    """A query names a snapshot that is not in memory: GONE, or NOT_FOUND if it may still come."""

    def __init__(self, *, gone: bool) -> None:
        if gone:
            super().__init__(ErrorKind.GONE, "snapshot is gone: ask without snapshot= for the current one")
        else:
            super().__init__(ErrorKind.NOT_FOUND, "snapshot does not exist", retry_after_seconds=RETRY_SECONDS)

    def of_cursor(self) -> QueryError:
        """The same, for a client that named the snapshot by ``cursor=``."""
        if self.kind is ErrorKind.GONE:
            return QueryError(self.kind, "the snapshot of this cursor is gone: start again without cursor=")
        return QueryError(
            self.kind,
            "the snapshot of this cursor is not known here yet: ask again",
            retry_after_seconds=self.retry_after_seconds,
        )


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


def is_older(snapshot: str, known: Iterable[str]) -> bool:
    """Whether a known snapshot is as new as this one, or newer."""
    began = began_ms(snapshot)
    return began is not None and any(began <= (began_ms(each) or -1) for each in known)


def began_ms(snapshot: str) -> int | None:
    """When the scrape of a snapshot began, in milliseconds: its id begins with it. None: there is no such number."""
    digits = snapshot.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None


_MOST_DIGITS = 18
