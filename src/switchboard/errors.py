"""Every error that Switchboard raises on purpose.

    SwitchboardError
    ├── ConfigError            a setting is wrong: we explain it, the user mends it
    ├── PortTaken              an address to listen on is in use
    ├── SourceError            a scrape failed: the source's fault (reason: one word for the metrics)
    │   └── BodyError          ... and it is the body that cannot be used
    │       └── BodyHeld       ... until a second one says the same
    ├── StoreError             Redis did not do what was asked (cause: one word)
    │   ├── StoreUnavailable   it cannot be reached, or did not answer in time
    │   ├── StoreRefused       it answers, and refuses: because of its state or of our rights, whatever the key
    │   ├── KeyUnusable        a key holds another type of value than ours
    │   ├── SnapshotGone       a key of a snapshot is missing or not what its index says
    │   └── FormatTooNew       a newer version of Switchboard has written what is there
    ├── PublishRefused         the pointer stays where it is
    │   ├── LeaseLost          another writer owns the source
    │   └── SnapshotSuperseded the pointer names a newer snapshot already
    └── QueryError             a query that gets no data (kind: why)

Library errors are translated once, where the library is called, and chained with ``from``.
"""

from __future__ import annotations

from enum import Enum


class SwitchboardError(Exception):
    """Base of all errors raised on purpose; its text is meant for people."""


class ConfigError(SwitchboardError):
    """A setting cannot be used; the text names the setting, its value and what would be right."""


class PortTaken(SwitchboardError):
    """An address is in use already; the text names it and the option that changes it."""


class SourceError(SwitchboardError):
    """A scrape failed. ``reason`` is a short word, used as a metric label."""

    def __init__(self, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class BodyError(SourceError):
    """The body of a scrape cannot be used as a whole (empty, truncated, no header, no acceptable row)."""


class BodyHeld(BodyError):
    """The body of a scrape is doubtful: nothing is published until a second body is like it."""


class StoreError(SwitchboardError):
    """Redis did not do what was asked. ``cause`` is a short word: two errors with one cause have one end."""

    usual_cause = "refused"

    def __init__(self, message: str, *, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause or self.usual_cause


class StoreUnavailable(StoreError):
    """Redis cannot be reached or did not answer in time."""

    usual_cause = "unreachable"


class StoreRefused(StoreError):
    """Redis answers, and refuses: it is full, busy, or a replica, or our user lacks a right. No key is at fault."""


class KeyUnusable(StoreError):
    """A key holds another type of value than ours."""

    usual_cause = "key"


class SnapshotGone(StoreError):
    """A snapshot cannot be read whole: a key is missing, or its content is not what the index says."""


class FormatTooNew(StoreError):
    """A pointer has a format that a newer version of Switchboard has introduced."""


class PublishRefused(SwitchboardError):
    """The pointer was not moved, and the previous snapshot stays."""


class LeaseLost(PublishRefused):
    """Another writer holds the lease of this source, or the lease has run out."""


class SnapshotSuperseded(PublishRefused):
    """The pointer already names a newer snapshot."""


class ErrorKind(Enum):
    """Why a query gets no data."""

    MALFORMED = "the query cannot be read, or asks for something impossible"
    NOT_FOUND = "what the query names does not exist"
    GONE = "the snapshot that the query names is no longer kept"
    TOO_LARGE = "the answer would be too large"
    UNAVAILABLE = "no live snapshot can answer"


class QueryError(SwitchboardError):
    """A query that gets no data. ``kind`` tells why; the text is the sentence that the client reads.

    ``retry_after_seconds``: when it is worth asking again, if that is known. ``parameter`` and ``value``: what does not
    exist, if names that are like it are worth looking for.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        retry_after_seconds: int | None = None,
        parameter: str = "",
        value: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after_seconds = retry_after_seconds
        self.parameter = parameter
        self.value = value
