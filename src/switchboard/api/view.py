"""What one API process knows: the current snapshots of all sources, and how current each of them is.

A View is immutable. The watcher replaces it as a whole by changing one reference, so a request reads one View from
beginning to end and needs no lock. All moments here are seconds of this process's monotonic clock; the clocks of two
hosts are never compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import quote

from switchboard.api.bodies import BodyTable
from switchboard.codec.block import Snapshot
from switchboard.errors import QueryError
from switchboard.model import Outcome, SourceStatus, State

STORE_SILENCE_SECONDS = 2.0
"""Without a pointer read for this long, answers are stale: the store is polled four times as often."""
FRESH_INTERVALS = 1.5
ATTEMPT_INTERVALS = 2.0
"""An older attempt says that nobody scrapes: attempts end at most 1.8 intervals apart (0.8 is the timeout)."""


def judge(
    now: float,
    *,
    confirmed_at: float,
    expires_at: float,
    answered_at: float,
    interval_seconds: float,
    attempt_failed: bool,
) -> State | None:
    """The state of a snapshot at ``now``; None if it has expired.

    ``confirmed_at`` is when a scrape last confirmed it, ``expires_at`` the end of its TTL, ``answered_at`` the last
    time the store answered a pointer read, all as seen from here. ``attempt_failed``: the last scrape failed, or
    nobody seems to scrape.
    """
    if now >= expires_at:
        return None
    if now - answered_at > STORE_SILENCE_SECONDS:
        return State.STALE
    if now - confirmed_at <= FRESH_INTERVALS * interval_seconds:
        return State.FRESH
    return State.STALE if attempt_failed else State.LATE


class Loaded:
    """A snapshot in memory, with what its headers say: id, newest time of a row, and that time as an HTTP date."""

    __slots__ = ("http_date", "id", "snapshot", "timestamp")

    def __init__(self, snapshot: Snapshot, unix_now: float) -> None:
        seconds, microseconds = divmod(snapshot.manifest.data_max_us, 1_000_000)
        newest = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
        self.snapshot = snapshot
        self.id = quote(snapshot.manifest.snapshot, safe="")
        self.timestamp = newest.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # HTTP forbids a date in the server's future; a switch's clock may run ahead of ours.
        self.http_date = formatdate(min(seconds, int(unix_now)), usegmt=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source. ``loaded`` is None until its first snapshot is here, and again once that has expired."""

    name: str
    loaded: Loaded | None = None
    confirmed_at: float = float("-inf")
    expires_at: float = float("-inf")
    answered_at: float = float("-inf")
    status: SourceStatus | None = None
    status_seen_at: float = float("-inf")
    """When the last attempt was first seen here."""
    trouble: str = ""
    """Why the snapshot that the pointer names is not the one in ``loaded``: a sentence, or empty."""

    @property
    def header_name(self) -> str:
        """The name as a header may carry it."""
        return quote(self.name, safe="")

    @property
    def interval_seconds(self) -> float | None:
        """Time between two scrapes, if anything is known about it."""
        if self.loaded is not None:
            return self.loaded.snapshot.manifest.interval_ms / 1000
        return None if self.status is None else self.status.interval_ms / 1000

    def attempt_failed(self, now: float) -> bool:
        """Whether the last scrape failed, or nobody seems to scrape."""
        status = self.status
        if status is None or status.outcome is Outcome.FAILED:
            return True
        return now - self.status_seen_at > ATTEMPT_INTERVALS * status.interval_ms / 1000

    def state(self, now: float) -> State | None:
        """How current its snapshot is; None if there is none that may be used."""
        if self.loaded is None:
            return None
        return judge(
            now,
            confirmed_at=self.confirmed_at,
            expires_at=self.expires_at,
            answered_at=self.answered_at,
            interval_seconds=self.loaded.snapshot.manifest.interval_ms / 1000,
            attempt_failed=self.attempt_failed(now),
        )


class Live(NamedTuple):
    """A source that can answer now; ``number`` is its place in the configured order."""

    number: int
    source: SourceView
    loaded: Loaded
    state: State


class Standing(NamedTuple):
    """The sources a query may use, those that are fresh first, and those it would need but that cannot answer."""

    live: list[Live]
    missing: list[SourceView]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All sources in configured order, and how the store does."""

    sources: tuple[SourceView, ...] = ()
    store_answered_at: float | None = None
    """When a whole poll of the store last succeeded; None: never."""
    store_trouble: str = ""
    """Why the last poll failed; empty if it did not."""
    stopping: bool = False
    bodies: BodyTable = field(default_factory=BodyTable)
    """Bodies rendered from these snapshots; a new table with every swap."""
    numbers: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", {source.name: at for at, source in enumerate(self.sources)})

    def chosen(self, name: str | None) -> tuple[SourceView, ...]:
        """The sources in configured order, or the one with this name. Raises QueryError 404 for an unknown one."""
        if name is None or not self.sources:
            return self.sources
        if name not in self.numbers:
            raise QueryError(404, "source does not exist")
        return (self.sources[self.numbers[name]],)

    def standing(self, now: float, name: str | None = None) -> Standing:
        """The sources that can answer at ``now``; ``name`` chooses one. Raises QueryError 404 for an unknown one."""
        sources = self.chosen(name)
        live: list[Live] = []
        missing: list[SourceView] = []
        for source in sources:
            state = source.state(now)
            if state is None or source.loaded is None:
                missing.append(source)
            else:
                live.append(Live(self.numbers[source.name], source, source.loaded, state))
        if len(live) > 1:
            live.sort(key=_not_fresh)  # stable: within both groups the configured order stays
        return Standing(live, missing)


def _not_fresh(live: Live) -> bool:
    return live.state is not State.FRESH
