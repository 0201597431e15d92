"""Which replaced snapshots are still kept, for queries that insist on one: those that live, within bounds."""

from __future__ import annotations

from collections.abc import Iterable

from switchboard.view.sources import Loaded, SourceView

MOST_KEPT = 8
"""Snapshots kept of one source; three are alive at a time where the TTL is three intervals."""


def outlived(sources: Iterable[SourceView], now: float, most_bytes: int) -> dict[str, list[Loaded]]:
    """By source, the kept snapshots that have to go: expired, too many, or the oldest of too many bytes."""
    gone: dict[str, list[Loaded]] = {}
    staying: list[tuple[float, str, Loaded]] = []
    for source in sources:
        for place, kept in enumerate(source.kept):
            if now >= kept.expires_at or place >= MOST_KEPT:
                gone.setdefault(source.name, []).append(kept.loaded)
            else:
                staying.append((kept.expires_at, source.name, kept.loaded))
    held = 0
    for _, name, loaded in sorted(staying, key=lambda each: -each[0]):
        held += loaded.snapshot.manifest.size_bytes
        if held > most_bytes:
            gone.setdefault(name, []).append(loaded)
    return gone
