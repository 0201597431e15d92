"""Turns the Result of a query into an Answer: status, headers and body."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache

from switchboard.api.answer import NO_CACHE, NO_STORE, VARY, Answer, Headers
from switchboard.api.bodies import CELL_BYTES, MOST_CELLS, SharedBody
from switchboard.outputs.formats import FORMATS
from switchboard.outputs.json import encode_json
from switchboard.query.result import Result
from switchboard.view.provenance import Provenance

_REMEMBERED = 256


def answer_of(result: Result | Answer, *, bare: bool = False) -> Answer:
    """The answer that says a result; an Answer is returned as it is.

    ``bare``: JSON has no line end.
    """
    if isinstance(result, Answer):
        return result
    cache = NO_STORE if result.tag is None else NO_CACHE
    if result.provenance is None:
        headers: Headers = [cache, VARY]
    else:
        headers = [cache, VARY, *_snapshot_headers(result.provenance)]
    if result.pieces is None:
        body = encode_json(result.value)
        etag = None if result.tag is None else b'"%s"' % result.tag
        return Answer(200, headers, body if bare else body + b"\n", etag=etag)
    if result.cursor is not None:
        headers.append((b"link", f'<{result.following}>; rel="next"'.encode()))
        headers.append((b"x-next-cursor", result.cursor.encode()))
    # A bounded body is not shared with other clients: SharedBody only renders it in pieces until it is whole.
    bounded = SharedBody(result.pieces, result.cells * CELL_BYTES) if result.bounded else None
    return Answer(
        200,
        headers,
        bounded or result.pieces,
        FORMATS[result.format].content_type.encode(),
        etag=None if result.tag is None else b'"%s"' % result.tag,
        shared=result.shared and result.cells <= MOST_CELLS,
        cells=result.cells,
    )


@lru_cache(_REMEMBERED)
def _snapshot_headers(provenance: Provenance) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that say which snapshots an answer was drawn from, and how current they are."""
    headers = [
        (b"last-modified", formatdate(provenance.newest_seconds, usegmt=True).encode()),
        (b"x-snapshot-id", provenance.snapshots.encode()),
        (b"x-snapshot-timestamp", provenance.newest.encode()),
        (b"x-snapshot-state", provenance.state.encode()),
    ]
    if provenance.missing:
        headers.append((b"x-snapshot-missing", ",".join(provenance.missing).encode()))
    return tuple(headers)
