"""What one API process knows: the current snapshots of all sources, and how current each of them is.

A View is immutable. The watcher replaces it as a whole by changing one reference, so a request reads one View from
beginning to end and needs no lock. All moments here are seconds of this process's own clock (``boottime``); the clocks
of two hosts are never compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import formatdate
from itertools import count
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from switchboard.api.bodies import BodyTable
from switchboard.errors import QueryError
from switchboard.model import Outcome, SourceStatus, State
from switchboard.snapshot.snapshot import Snapshot
from switchboard.view.pins import Pins, UnknownSnapshot, parse_pins
from switchboard.view.state import ATTEMPT_INTERVALS, FRESH_INTERVALS, STORE_SILENCE_SECONDS, judge

_ROUNDING_SECONDS = 1e-6
"""A sum and a difference of two moments may round differently; by this much a change may be seen late."""

_NUMBERS = count(1)


class Loaded:
    """A snapshot in memory, with what its headers say: id, newest time of a row, and that time as an HTTP date.

    ``number`` tells it from every other one of this process.
    """

    __slots__ = ("http_date", "id", "number", "snapshot", "timestamp")

    def __init__(self, snapshot: Snapshot, unix_now: float) -> None:
        seconds, microseconds = divmod(snapshot.manifest.data_max_us, 1_000_000)
        newest = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
        self.snapshot = snapshot
        self.number = next(_NUMBERS)
        self.id = quote(snapshot.manifest.snapshot, safe="")
        self.timestamp = newest.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # HTTP forbids a date in the server's future; a switch's clock may run ahead of ours.
        self.http_date = formatdate(min(seconds, int(unix_now)), usegmt=True)


class Kept(NamedTuple):
    """A snapshot that a newer one has replaced, but that still lives: for queries that ask for exactly this one."""

    loaded: Loaded
    confirmed_at: float
    expires_at: float
    data_at: float = float("-inf")
    most_data_age: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source. ``loaded`` is None until its first snapshot is here, and again once that has expired."""

    name: str
    loaded: Loaded | None = None
    confirmed_at: float = float("-inf")
    expires_at: float = float("-inf")
    data_at: float = float("-inf")
    """When the newest row of its snapshot was made; -inf if its rows have no times."""
    most_data_age: float = float("inf")
    """Seconds beyond which the source's data is old, as its ETL has it."""
    answered_at: float = float("-inf")
    status: SourceStatus | None = None
    status_seen_at: float = float("-inf")
    """When the last attempt was first seen here."""
    trouble: str = ""
    """Why the snapshot that the pointer names is not the one in ``loaded``: a sentence, or empty."""
    kept: tuple[Kept, ...] = ()
    """Snapshots that were in ``loaded`` before, the newest first."""

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
        return status is None or status.outcome is Outcome.FAILED or self.attempt_is_silent(now)

    def attempt_is_silent(self, now: float) -> bool:
        """Whether no new attempt was seen for so long that nobody seems to scrape."""
        status = self.status
        return status is None or now - self.status_seen_at > ATTEMPT_INTERVALS * status.interval_ms / 1000

    def data_age(self, now: float) -> float | None:
        """Age of the newest row of its snapshot, in seconds to the millisecond; None if it is not known."""
        return None if self.data_at == float("-inf") else round(now - self.data_at, 3)

    def data_is_old(self, now: float) -> bool:
        """Whether the source answers, but its newest row is older than ``max_data_age``."""
        return now - self.data_at > self.most_data_age

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
            data_is_old=self.data_is_old(now),
        )

    def steady_until(self, now: float) -> float:
        """The next moment at which its state may change although nothing new is heard of it."""
        changes = [self.expires_at, self.answered_at + STORE_SILENCE_SECONDS]
        if self.most_data_age != float("inf"):
            changes.append(self.data_at + self.most_data_age)
        if self.loaded is not None:
            changes.append(self.confirmed_at + FRESH_INTERVALS * self.loaded.snapshot.manifest.interval_ms / 1000)
        if self.status is not None:
            changes.append(self.status_seen_at + ATTEMPT_INTERVALS * self.status.interval_ms / 1000)
        later = [change + _ROUNDING_SECONDS for change in changes]
        return min((change for change in later if change > now), default=float("inf"))

    def generations(self) -> Iterator[Kept]:
        """Its snapshot and those that it replaced, the newest first."""
        if self.loaded is not None:
            yield Kept(self.loaded, self.confirmed_at, self.expires_at, self.data_at, self.most_data_age)
        yield from self.kept


class Live(NamedTuple):
    """A source that can answer now; ``number`` is its place in the configured order."""

    number: int
    source: SourceView
    loaded: Loaded
    state: State


@dataclass(slots=True)
class Standing:
    """The sources a query may use, those that are fresh first, and those it would need but that cannot answer."""

    live: list[Live]
    missing: list[SourceView]
    until: float
    """It is like this until then, as long as the view is the same: no state changes by time alone before."""
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What answers have in common that are drawn from it; see ``provenance``."""


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
    number: int = field(init=False, compare=False, default_factory=lambda: next(_NUMBERS))
    """Tells it from every other view of this process: who remembers the number holds no snapshot in memory."""
    numbers: dict[str, int] = field(init=False)
    _standings: dict[tuple[str | None, str | None], Standing] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", {source.name: at for at, source in enumerate(self.sources)})
        object.__setattr__(self, "_standings", {})

    def chosen(self, name: str | None) -> tuple[SourceView, ...]:
        """The sources in configured order, or the one with this name. Raises QueryError 404 for an unknown one."""
        if name is None or not self.sources:
            return self.sources
        if name not in self.numbers:
            raise QueryError(404, "source does not exist")
        return (self.sources[self.numbers[name]],)

    def standing(self, now: float, name: str | None = None, pin: str | None = None) -> Standing:
        """The sources that can answer at ``now``.

        ``name`` chooses one, ``pin`` chooses snapshots (``X-Snapshot-Id`` of an earlier answer): then exactly these are
        in it. Raises QueryError 404 for an unknown source, 410 for a snapshot that is gone, 404 for one not seen yet.
        """
        known = self._standings.get((name, pin))
        if known is not None and now < known.until:
            return known
        sources = self.chosen(name)
        standing = _stand(now, sources if pin is None else _pinned(now, sources, parse_pins(pin)), self.numbers)
        if len(self._standings) < _MOST_STANDINGS:
            self._standings[name, pin] = standing
        return standing


class ViewHolder(Protocol):
    """Who has the current view."""

    @property
    def view(self) -> View:
        """The view, replaced as a whole when anything changes."""

    def clock(self) -> float:
        """The monotonic clock that the view's moments belong to."""


_MOST_STANDINGS = 256


def _stand(now: float, sources: Iterable[SourceView], numbers: dict[str, int]) -> Standing:
    live: list[Live] = []
    missing: list[SourceView] = []
    until = float("inf")
    for source in sources:
        state = source.state(now)
        if state is None or source.loaded is None:
            missing.append(source)
        else:
            live.append(Live(numbers[source.name], source, source.loaded, state))
            until = min(until, source.steady_until(now))
    if len(live) > 1:
        live.sort(key=_not_fresh)  # stable: within both groups the configured order stays
    return Standing(live, missing, until)


def _pinned(now: float, sources: tuple[SourceView, ...], pins: Pins) -> list[SourceView]:
    """These sources as they were when they had the snapshots that are asked for. Raises QueryError 404 and 410."""
    found: list[SourceView] = []
    for name, snapshot in pins:
        at_hand = (
            replace(source, **kept._asdict())
            for source in sources
            if name is None or source.header_name == name
            for kept in source.generations()
            if kept.loaded.id == snapshot and now < kept.expires_at
        )
        one = next(at_hand, None)
        if one is None:
            raise UnknownSnapshot(snapshot, [kept.loaded.id for source in sources for kept in source.generations()])
        found.append(one)
    return found


def _not_fresh(live: Live) -> bool:
    return live.state is not State.FRESH
