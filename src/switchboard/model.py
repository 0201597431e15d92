"""The values that travel between the stages, and nothing that acts.

Times are integers with their unit in the name, counted from the Unix epoch in UTC. The data's own times are kept in
microseconds (NVIDIA's UFM writes them so), our own in milliseconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

Whole = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A number read from the store: whole, exact in Lua and JavaScript too, and small enough for a float."""


FRESH_INTERVALS = 1.5
"""A snapshot is fresh until this many intervals after the scrape that last confirmed it."""


class State(StrEnum):
    """How current an answer is, counted from the last scrape that confirmed its snapshot."""

    FRESH = "fresh"  # confirmed no longer than FRESH_INTERVALS ago
    LATE = "late"  # longer ago, and nothing is known to be broken
    STALE = "stale"  # the store or the source cannot be reached; still within the TTL
    PARTIAL = "partial"  # a list, while some source has no live snapshot


class Outcome(StrEnum):
    """What became of an attempt."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"  # a 304, or a 200 with the body we have
    HELD = "held"  # a doubtful body, not published until a second one is like it
    FAILED = "failed"


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A row or cell that could not be used. Data, not an exception."""

    reason: str
    """One word for the metrics, for example ``bad_number``."""
    line: int
    """Line of the body, counted from 1 (the header)."""
    column: str = ""
    """Name of the column, or empty if the whole row was dropped."""
    value: str = ""
    """The offending text, shortened."""


FORMAT = 2
"""Format of the manifests that this version writes, and the newest that it reads. Format 1 has no ``seq``."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What a pointer says about the snapshot it names. Stored as JSON, so that ``redis-cli GET`` is readable."""

    format: Whole = 1
    source: str
    snapshot: str
    """Id: milliseconds at which the scrape started, a dash, a random part."""
    epoch: Whole
    """Fencing epoch of the ETL that published or confirmed the snapshot last."""
    seq: Whole = 0
    """Number of that publication or confirmation within the epoch, from 1; 0 in format 1, which does not count them."""
    scraped_ms: Whole
    published_ms: Whole
    last_time_updated: Whole
    """Newest time among the rows, in seconds; the name is the original system's."""
    data_min_us: Whole
    data_max_us: Whole
    interval_ms: Whole
    ttl_ms: Whole
    rows: Whole
    switches: Whole
    values: Whole
    """Cells of metric columns that held a number."""
    blocks: Whole
    size_bytes: Whole
    """Size of all blocks as stored."""
    rejects: dict[str, Whole]
    """Rejected rows and cells by reason."""
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str = ""
    data_age_ms: Whole | None = None
    """Age of the newest row when a scrape last confirmed the snapshot, on the source's own clock; null if its rows have
    no times."""
    max_data_age_ms: Whole = 0
    """A greater age of the newest row makes the snapshot stale; 0: no limit."""
    longest_period_ms: Whole = 0
    """Longest time seen between two changes of the source's data."""

    @property
    def order(self) -> tuple[int, int]:
        """The *number*, which grows with every publication and confirmation.

        It is the epoch, then ``seq``; format 1 has the time of the scrape in place of ``seq``.
        """
        return self.epoch, self.seq or self.scraped_ms


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the ETL last saw of a source; the API reads it. Stored as JSON."""

    source: str
    url: str
    """The URL of the source, with secrets masked."""
    interval_ms: Whole
    epoch: Whole = 0
    """Fencing epoch of the ETL; 0 from a version that does not count its attempts."""
    attempt: Whole = 0
    """Number of the last attempt within the epoch, from 1."""
    attempted_ms: Whole
    """When the last attempt began."""
    outcome: Outcome
    duration_ms: float
    confirmed_ms: Whole | None = None
    """When a scrape last confirmed a snapshot (200 or 304)."""
    reason: str = ""
    """Why the scrape failed, or its body is held: one word, as in the metrics. After a success: what is wrong with the
    current snapshot although it was published; empty if nothing is."""
    error: str = ""
    """The reason as a sentence."""
    snapshot: str | None = None
    rows: Whole = 0
    rejects: dict[str, Whole] = {}
    """Rejects by reason, of the last scrape that brought a body, whatever became of the body."""
    rejects_ms: Whole | None = None
    """When that scrape began; None if no scrape has brought a body."""
    examples: list[Reject] = []
    """The first of those rejects, some of every reason."""
    labels: dict[str, str] = {}
    """Labels that the configuration gives the source."""
