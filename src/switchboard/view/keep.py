"""Which replaced snapshots stay in memory for queries that name one (``snapshot=``): live ones, within bounds."""

from __future__ import annotations

from collections.abc import Iterable

from switchboard.view.sources import Loaded, SourceView

MOST_KEPT = 8
"""Most replaced snapshots kept per source. The default TTL of three intervals keeps three alive at a time; 8 are enough
for a TTL of 8 intervals, and a longer one cannot fill the memory with more."""


def outlived(sources: Iterable[SourceView], now: float, most_bytes: int) -> dict[str, list[Loaded]]:
    """The kept snapshots to drop, by source: expired ones, those beyond MOST_KEPT, the oldest beyond ``most_bytes``."""
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
