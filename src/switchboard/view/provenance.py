"""Where an answer comes from: the snapshots that it was drawn from, and how current they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from switchboard.model import State
from switchboard.view.short_pins import as_text, long_form, shortened
from switchboard.view.sources import Live, Loaded, SourceView

MOST_LONG_CHARACTERS = 1_024
"""Longest ``SOURCE=ID,SOURCE=ID``; snapshots that would take more have their short form."""

_BEST_FIRST = (State.FRESH, State.LATE, State.STALE)


@dataclass(frozen=True, slots=True, eq=False)
class Provenance:
    """What a client is told about the snapshots behind an answer. Holds texts only, and so keeps no snapshot alive."""

    snapshots: str
    """Ids of the snapshots, as a value of ``snapshot=``: one id, SOURCE=ID,SOURCE=ID in configured order, or short."""
    newest_seconds: int
    """Time of the newest row in the snapshots, in Unix seconds, but at most the time at which it was loaded."""
    newest: str
    """Time of the newest row by RFC 3339, to the millisecond and without that bound."""
    state: State
    """The worst state of the snapshots; PARTIAL if a source that was asked has no live snapshot."""
    missing: tuple[str, ...] = ()
    """The sources that were asked and have no live snapshot, percent-encoded."""


def provenance(lives: Sequence[Live], missing: Sequence[SourceView] = ()) -> Provenance:
    """The provenance of an answer from the sources ``lives``, at least one, while ``missing`` ones cannot answer."""
    newest = lives[0].loaded
    ids, state = newest.id, lives[0].state
    if len(lives) > 1:
        newest = max((live.loaded for live in lives), key=lambda loaded: loaded.snapshot.manifest.data_max_us)
        in_order = sorted(lives, key=lambda live: live.place)
        ids = spell([(live.source.quoted_name, live.loaded) for live in in_order])
        state = max((live.state for live in lives), key=_BEST_FIRST.index)
    return Provenance(
        snapshots=ids,
        newest_seconds=newest.newest_seconds,
        newest=newest.newest,
        state=State.PARTIAL if missing else state,
        missing=tuple(source.quoted_name for source in missing),
    )


def spell(snapshots: Sequence[tuple[str, Loaded]]) -> str:
    """Snapshots of several sources as a value of ``snapshot=``; pairs of quoted name and snapshot."""
    ids = long_form(snapshots)
    return ids if len(ids) <= MOST_LONG_CHARACTERS else as_text(shortened(snapshots))
