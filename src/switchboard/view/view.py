"""What one API process knows: the current snapshots of all sources, and whether the store answers.

A View is immutable. The watcher replaces it as a whole by changing one reference, so a request reads one View from
beginning to end and needs no lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from switchboard.errors import ErrorKind, QueryError
from switchboard.model import State
from switchboard.view.pins import Pins, UnknownSnapshot, is_older, parse_pins
from switchboard.view.provenance import Provenance, provenance
from switchboard.view.short_pins import read_short, resolve
from switchboard.view.sources import SERIALS, Live, SourceView


@dataclass(slots=True)
class Standing:
    """The sources that can answer a query, fresh ones first, and those that it asks for but that cannot answer."""

    live: list[Live]
    missing: list[SourceView]
    until: float
    """Valid until this moment while the view stays the same. Until then no state changes by itself."""
    tag: bytes | None = field(default=None, repr=False, compare=False)
    """The tag of answers from these sources (``query/tags.py``); None: nobody has asked for it."""
    _provenances: dict[int | tuple[int, ...], Provenance] = field(default_factory=dict, repr=False, compare=False)

    def provenance(self, used: Sequence[Live] | None = None) -> Provenance:
        """The provenance of an answer that was drawn from ``used``, some of the live sources; None: all of them."""
        if used is None:
            key: int | tuple[int, ...] = _ALL
        else:
            key = used[0].place if len(used) == 1 else tuple(live.place for live in used)
        known = self._provenances.get(key)
        if known is None:
            known = provenance(self.live, self.missing) if used is None else provenance(used)
            self._provenances[key] = known
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All sources in configured order, and whether the store answers."""

    sources: tuple[SourceView, ...] = ()
    store_answered_at: float | None = None
    """When a whole poll of the store last succeeded; None: never."""
    store_trouble: str = ""
    """Why the last poll failed; empty if it succeeded."""
    store_warning: str = ""
    """What is wrong with the store although it answers: a sentence, or empty."""
    stopping: bool = False
    serial: int = field(init=False, compare=False, default_factory=lambda: next(SERIALS))
    """A unique id of this view. Caches store the id, not the view, so they do not keep snapshots alive."""
    _standings: dict[tuple[str | None, str | None], Standing] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def chosen(self, name: str | None) -> tuple[SourceView, ...]:
        """The sources in configured order, or the one with this name. Raises QueryError (NOT_FOUND)."""
        if name is None or not self.sources:
            return self.sources
        named = tuple(source for source in self.sources if source.name == name)
        if not named:
            raise QueryError(ErrorKind.NOT_FOUND, "source does not exist", parameter="source", value=name)
        return named

    def pins(self, text: str) -> Pins:
        """The snapshots that a value of ``snapshot=`` names. Raises QueryError (MALFORMED, and GONE or NOT_FOUND)."""
        short = read_short(text)
        return parse_pins(text) if short is None else resolve(short, self.sources)

    def standing(self, now: float, name: str | None = None, pin: str | None = None) -> Standing:
        """The sources that can answer at ``now``.

        ``name`` chooses one source. ``pin``, the ``X-Snapshot-Id`` of an earlier answer, chooses exactly its snapshots.
        Raises QueryError: NOT_FOUND for an unknown source or a snapshot that is not seen yet, GONE, MALFORMED (pin).
        """
        known = self._standings.get((name, pin))
        if known is not None and now < known.until:
            return known
        sources = self.chosen(name)
        places = {source.name: place for place, source in enumerate(self.sources)}
        standing = _stand(now, sources if pin is None else _pinned(now, sources, self.pins(pin)), places)
        if len(self._standings) < _MOST_STANDINGS:
            self._standings[name, pin] = standing
        return standing


class ViewHolder(Protocol):
    """An object that holds the current view, such as the watcher."""

    @property
    def view(self) -> View:
        """The current view; it is replaced as a whole when anything changes."""

    def clock(self) -> float:
        """The monotonic clock that the view's moments belong to."""


_MOST_STANDINGS = 256
_ALL = -1


def _stand(now: float, sources: Iterable[SourceView], places: dict[str, int]) -> Standing:
    live: list[Live] = []
    missing: list[SourceView] = []
    until = float("inf")
    for source in sources:
        state = source.state(now)
        if state is None or source.loaded is None:
            missing.append(source)
        else:
            live.append(Live(places[source.name], source, source.loaded, state))
            until = min(until, source.steady_until(now))
    if len(live) > 1:
        live.sort(key=_not_fresh)  # stable: within both groups the configured order stays
    return Standing(live, missing, until)


def _pinned(now: float, sources: tuple[SourceView, ...], pins: Pins) -> list[SourceView]:
    """The sources with the pinned snapshots as their current ones. Raises QueryError (NOT_FOUND, GONE)."""
    found: list[SourceView] = []
    for name, snapshot in pins:
        at_hand = (
            replace(source, **kept._asdict())
            for source in sources
            if name is None or source.quoted_name == name
            for kept in source.generations()
            if kept.loaded.id == snapshot and now < kept.expires_at
        )
        one = next(at_hand, None)
        if one is None:
            own = _ids(source for source in sources if source.quoted_name == name)
            raise UnknownSnapshot(gone=is_older(snapshot, own or _ids(sources)))
        found.append(one)
    return found


def _ids(sources: Iterable[SourceView]) -> list[str]:
    return [kept.loaded.id for source in sources for kept in source.generations()]


def _not_fresh(live: Live) -> bool:
    return live.state is not State.FRESH
