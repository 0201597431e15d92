"""One source, as an API process knows it: its snapshots, and how current they are.

All moments are seconds of this process's own clock (``boottime``); the clocks of two hosts are never compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import NamedTuple
from urllib.parse import quote

from switchboard.model import FRESH_INTERVALS, Outcome, SourceStatus, State
from switchboard.snapshot.snapshot import Snapshot
from switchboard.view.state import ATTEMPT_INTERVALS, STORE_SILENCE_SECONDS, judge

SERIALS = count(1)
"""Ids that are unique in this process."""
_ROUNDING_SECONDS = 1e-6
"""Margin for rounding, added to each moment of a change: sum and difference of two moments may round differently."""


class Loaded:
    """A snapshot in memory, with the values that every answer repeats.

    ``id`` is the snapshot's id, percent-encoded. ``newest`` is the time of the newest row by RFC 3339.
    ``newest_seconds`` is the same in Unix seconds, but never in our future: HTTP forbids such a date, and a switch's
    clock may run ahead. ``serial`` is unique in this process: caches store it instead of the snapshot, so that they do
    not keep snapshots alive. ``token`` stands for the snapshot in short pins; None: nobody has asked for it yet.
    """

    __slots__ = ("id", "newest", "newest_seconds", "serial", "snapshot", "token")

    def __init__(self, snapshot: Snapshot, unix_now: float) -> None:
        seconds, microseconds = divmod(snapshot.manifest.data_max_us, 1_000_000)
        newest = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
        self.snapshot = snapshot
        self.serial = next(SERIALS)
        self.id = quote(snapshot.manifest.snapshot, safe="")
        self.newest = newest.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.newest_seconds = min(seconds, int(unix_now))
        self.token: bytes | None = None


class Kept(NamedTuple):
    """A snapshot that a newer one has replaced but that still lives, for queries that name it."""

    loaded: Loaded
    confirmed_at: float
    expires_at: float
    data_at: float = float("-inf")
    max_data_age_seconds: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source. ``loaded`` is None until the first snapshot is loaded, and again when a snapshot has expired."""

    name: str
    loaded: Loaded | None = None
    confirmed_at: float = float("-inf")
    expires_at: float = float("-inf")
    data_at: float = float("-inf")
    """When the newest row of the snapshot was made; -inf if the rows have no times."""
    max_data_age_seconds: float = float("inf")
    """Age of the newest row, in seconds, above which the source's data is old; a setting of its ETL."""
    answered_at: float = float("-inf")
    status: SourceStatus | None = None
    status_seen_at: float = float("-inf")
    """When this process first saw the last attempt."""
    trouble: str = ""
    """Why the snapshot that the pointer names is not the one in ``loaded``: a sentence, or empty."""
    pointer_note: str = ""
    """What is odd about the pointer although it can be read: a sentence, or empty."""
    kept: tuple[Kept, ...] = ()
    """Snapshots that were in ``loaded`` before, the newest first."""

    @property
    def quoted_name(self) -> str:
        """The name, percent-encoded: as a header may carry it."""
        return quote(self.name, safe="")

    @property
    def interval_seconds(self) -> float | None:
        """Time between two scrapes; None if it is not known."""
        if self.loaded is not None:
            return self.loaded.snapshot.manifest.interval_ms / 1000
        return None if self.status is None else self.status.interval_ms / 1000

    def attempt_failed(self, now: float) -> bool:
        """Whether the last scrape failed, or nobody seems to scrape."""
        status = self.status
        return status is None or status.outcome is Outcome.FAILED or self.no_recent_attempt(now)

    def no_recent_attempt(self, now: float) -> bool:
        """Whether no new attempt was seen for ATTEMPT_INTERVALS: then nobody seems to scrape."""
        status = self.status
        return status is None or now - self.status_seen_at > ATTEMPT_INTERVALS * status.interval_ms / 1000

    def data_age(self, now: float) -> float | None:
        """Age of the snapshot's newest row, in seconds to the millisecond; None if it is not known."""
        return None if self.data_at == float("-inf") else round(now - self.data_at, 3)

    def data_is_old(self, now: float) -> bool:
        """Whether the source answers, but its newest row is older than ``max_data_age``."""
        return now - self.data_at > self.max_data_age_seconds

    def state(self, now: float) -> State | None:
        """How current the snapshot is; None if there is no live one."""
        if self.loaded is None:
            return None
        return judge(
            now,
            confirmed_at=self.confirmed_at,
            expires_at=self.expires_at,
            answered_at=self.answered_at,
            interval_seconds=self.loaded.snapshot.manifest.interval_ms / 1000,
            attempt_failed=self.attempt_failed(now),
            data_is_old=self.data_is_old(now),
        )

    def steady_until(self, now: float) -> float:
        """The next moment at which the state may change by time alone, without any news of the source."""
        changes = [self.expires_at, self.answered_at + STORE_SILENCE_SECONDS]
        if self.max_data_age_seconds != float("inf"):
            changes.append(self.data_at + self.max_data_age_seconds)
        if self.loaded is not None:
            changes.append(self.confirmed_at + FRESH_INTERVALS * self.loaded.snapshot.manifest.interval_ms / 1000)
        if self.status is not None:
            changes.append(self.status_seen_at + ATTEMPT_INTERVALS * self.status.interval_ms / 1000)
        later = [change + _ROUNDING_SECONDS for change in changes]
        return min((change for change in later if change > now), default=float("inf"))

    def generations(self) -> Iterator[Kept]:
        """The current snapshot and those that it replaced, the newest first."""
        if self.loaded is not None:
            yield Kept(self.loaded, self.confirmed_at, self.expires_at, self.data_at, self.max_data_age_seconds)
        yield from self.kept


class Live(NamedTuple):
    """A source that can answer now. ``place`` counts the sources in configured order, from 0."""

    place: int
    source: SourceView
    loaded: Loaded
    state: State
