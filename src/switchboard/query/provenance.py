"""What an answer was drawn from: the snapshots, how current they are, and the tag that names its content."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec

from switchboard.api.answer import NO_CACHE, VARY, Headers
from switchboard.model import State
from switchboard.outputs.json import encode_json
from switchboard.view.outage import no_live_snapshot
from switchboard.view.view import Live, Standing, View

_BEST_FIRST = (State.FRESH, State.LATE, State.STALE)
_TAG_BYTES = 12


class SnapshotQuery(Protocol):
    """A query of data: which source, which snapshots."""

    @property
    def source(self) -> str | None:
        """Ask this source only."""

    @property
    def snapshot(self) -> str | None:
        """Answer from exactly these snapshots."""


def standing_for(view: View, now: float, query: SnapshotQuery) -> Standing:
    """The sources that can answer a query, at least one. Raises QueryError 404, 410 or 503."""
    standing = view.standing(now, query.source, query.snapshot)
    if not standing.live:
        raise no_live_snapshot(view, now, standing.missing)
    return standing


def snapshot_headers(lives: Sequence[Live], missing: Sequence[str] = ()) -> Headers:
    """What tells a client which snapshots an answer was drawn from, and how current they are."""
    newest = lives[0].loaded
    ids, state = newest.id, lives[0].state
    if len(lives) > 1:
        newest = max((live.loaded for live in lives), key=lambda loaded: loaded.snapshot.manifest.data_max_us)
        in_order = sorted(lives, key=lambda live: live.number)
        ids = ",".join(f"{live.source.header_name}={live.loaded.id}" for live in in_order)
        state = max((live.state for live in lives), key=_BEST_FIRST.index)
    headers = [
        (b"last-modified", newest.http_date.encode()),
        (b"x-snapshot-id", ids.encode()),
        (b"x-snapshot-timestamp", newest.timestamp.encode()),
        (b"x-snapshot-state", State.PARTIAL.encode() if missing else state.encode()),
    ]
    if missing:
        headers.append((b"x-snapshot-missing", ",".join(missing).encode()))
    return headers


def data_headers(standing: Standing, used: Sequence[Live] | None = None) -> Headers:
    """All headers of an answer that may be cached until the next snapshot; ``used`` None: it is drawn from all."""
    lives = standing.live if used is None else used
    if used is None:
        key = "all"
    else:
        key = str(used[0].number) if len(used) == 1 else ",".join(str(live.number) for live in used)
    headers: Headers | None = standing.memo.get(key)
    if headers is None:
        missing = [source.header_name for source in standing.missing] if used is None else []
        headers = [NO_CACHE, VARY, *snapshot_headers(lives, missing)]
        standing.memo[key] = headers
    return headers.copy()


def entity_tag(standing: Standing, query: msgspec.Struct) -> bytes:
    """A strong tag of all that a body depends on: the snapshots in order of precedence, what is missing, the query."""
    kind = type(query).__name__
    drawn: bytes | None = standing.memo.get(kind)
    if drawn is None:
        snapshots = [(live.source.name, live.loaded.id) for live in standing.live]
        drawn = kind.encode() + encode_json((snapshots, [source.name for source in standing.missing]))
        standing.memo[kind] = drawn
    return b'"%s"' % hexlify(blake2b(drawn + encode_json(query), digest_size=_TAG_BYTES).digest())
