"""Turns the Result of a query into an Answer: status, headers and body."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache, partial

from switchboard.api.answer import NO_CACHE, NO_STORE, VARY, Answer, Headers
from switchboard.api.bodies import CELL_BYTES, MOST_CELLS, SharedBody
from switchboard.outputs.formats import FORMATS
from switchboard.outputs.json import encode_json
from switchboard.query.result import Result
from switchboard.serving.message import lines_of
from switchboard.view.provenance import Provenance

MOST_NAME_BYTES = 2_048
"""Most bytes of X-Snapshot-Id and X-Snapshot-Missing together: proxies refuse an answer with 4 KiB of headers."""
MOST_CURSOR_CHARACTERS = 640
"""Beside a longer cursor, which stands in two headers, a long X-Snapshot-Id has no room."""
_TOO_LONG = f"more than {MOST_NAME_BYTES} bytes"
_REMEMBERED = 256


def answer_of(result: Result | Answer, *, bare: bool = False) -> Answer:
    """The answer that says a result; an Answer is returned as it is.

    ``bare``: JSON has no line end.
    """
    if isinstance(result, Answer):
        return result
    tag = result.tag
    crowded = result.cursor is not None and len(result.cursor) > MOST_CURSOR_CHARACTERS
    lines = _NEVER_STORED if tag is None else _ASKED_AGAIN
    shared_lines = lines(result.provenance, crowded=True) if crowded else lines(result.provenance)
    if result.pieces is None:
        body = encode_json(result.value)
        return Answer(200, [], body if bare else body + b"\n", shared_lines=shared_lines, tag=tag)
    headers: Headers = []
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
        shared_lines,
        tag,
        shared=result.shared and result.cells <= MOST_CELLS,
        cells=result.cells,
    )


def _header_lines(cache: tuple[bytes, bytes], provenance: Provenance | None, *, crowded: bool = False) -> bytes:
    """The header lines of an answer that say how it may be stored, which snapshots it was drawn from, and their state.

    Most answers of a snapshot have the same ones, so they are made once. ``crowded``: a long cursor stands beside them.
    """
    headers = [cache, VARY]
    if provenance is not None:
        named, more = _names(provenance, crowded=crowded)
        headers += [
            (b"last-modified", formatdate(provenance.newest_seconds, usegmt=True).encode()),
            *named,
            (b"x-snapshot-timestamp", provenance.newest.encode()),
            (b"x-snapshot-state", provenance.state.encode()),
            *more,
        ]
    return lines_of(headers)


def _names(provenance: Provenance, *, crowded: bool) -> tuple[Headers, Headers]:
    """The headers that grow with the number of sources, as far as they fit: X-Snapshot-Id, and the others.

    X-Snapshot-Omitted says why one of them is left out.
    """
    snapshots, missing = provenance.snapshots.encode(), ",".join(provenance.missing).encode()
    named: Headers = []
    more: Headers = []
    left_out: list[str] = []
    if crowded and len(snapshots) > MOST_CURSOR_CHARACTERS:
        left_out.append("X-Snapshot-Id (the cursor has the same snapshots)")
    elif len(snapshots) > MOST_NAME_BYTES:
        left_out.append(f"X-Snapshot-Id ({_TOO_LONG}; ListSources has the snapshot of each source)")
    else:
        named.append((b"x-snapshot-id", snapshots))
    if len(missing) > MOST_NAME_BYTES - sum(len(value) for _, value in named):
        left_out.append(f"X-Snapshot-Missing ({_TOO_LONG}; ListSources has the state of each source)")
    elif missing:
        more.append((b"x-snapshot-missing", missing))
    if left_out:
        more.append((b"x-snapshot-omitted", ", ".join(left_out).encode()))
    return named, more


_ASKED_AGAIN = lru_cache(_REMEMBERED)(partial(_header_lines, NO_CACHE))
_NEVER_STORED = lru_cache(_REMEMBERED)(partial(_header_lines, NO_STORE))
