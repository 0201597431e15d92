"""Where an answer comes from: the snapshots that it was drawn from, and how current they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from switchboard.model import State
from switchboard.view.sources import Live, SourceView

_BEST_FIRST = (State.FRESH, State.LATE, State.STALE)


@dataclass(frozen=True, slots=True, eq=False)
class Provenance:
    """What a client is told about the snapshots behind an answer. Holds texts only, and so keeps no snapshot alive."""

    snapshots: str
    """Their ids, as a value of ``snapshot=``: one id, or SOURCE=ID,SOURCE=ID in configured order."""
    newest_seconds: int
    """Newest time of a row among them, in Unix seconds, but never later than the clock when it was loaded."""
    newest: str
    """The same time, to the millisecond and unchanged, by RFC 3339."""
    state: State
    """The worst of their states; PARTIAL if a source that was asked has no live snapshot."""
    missing: tuple[str, ...] = ()
    """Those sources, percent-encoded."""


def provenance(lives: Sequence[Live], missing: Sequence[SourceView] = ()) -> Provenance:
    """What is to be said about these live sources, at least one, and about those that are missing."""
    newest = lives[0].loaded
    ids, state = newest.id, lives[0].state
    if len(lives) > 1:
        newest = max((live.loaded for live in lives), key=lambda loaded: loaded.snapshot.manifest.data_max_us)
        in_order = sorted(lives, key=lambda live: live.place)
        ids = ",".join(f"{live.source.quoted_name}={live.loaded.id}" for live in in_order)
        state = max((live.state for live in lives), key=_BEST_FIRST.index)
    return Provenance(
        snapshots=ids,
        newest_seconds=newest.newest_seconds,
        newest=newest.newest,
        state=State.PARTIAL if missing else state,
        missing=tuple(source.quoted_name for source in missing),
    )
