"""Cursors, the values of ``cursor=``: they say where a list goes on, and are opaque to clients.

A cursor holds the snapshots in their order of precedence, the place in the list and a checksum of the query that it
belongs to; ``limit`` may change from page to page. It is neither secret nor signed: a client that makes one up with a
right checksum gets a part of a list that everybody may ask for.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from urllib.parse import quote, urlencode

import msgspec

from switchboard.outputs.formats import DEFAULT_FORMAT
from switchboard.outputs.json import encode_json
from switchboard.query.requests import ListMetrics
from switchboard.query.values import malformed
from switchboard.selection.pages import Position
from switchboard.view.pins import parse_pins
from switchboard.view.view import Standing

_CHECKSUM_BYTES = 8
_UNESCAPED = "/:*?@!$()"
"""Characters that stay unescaped in the link to the next page, which must not be too long to be followed."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The content of a cursor. ``snapshots`` is a value of ``snapshot=``, in order of precedence."""

    snapshots: str
    position: Position


def encode_cursor(standing: Standing, query: ListMetrics, position: Position) -> str:
    """The cursor of the page that begins at ``position``."""
    snapshots = ",".join(f"{live.source.quoted_name}={live.loaded.id}" for live in standing.live)
    content = _encoder.encode(Cursor(snapshots, position))
    return _text(_checksum(content, query) + content)


def decode_cursor(query: ListMetrics) -> Cursor | None:
    """The content of a query's cursor; None if it has none. Raises QueryError (MALFORMED)."""
    text = query.cursor
    if text is None:
        return None
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        checksum, content = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        cursor = _decoder.decode(content)
    except (ValueError, msgspec.MsgspecError):
        raise malformed("cursor", text, "is no X-Next-Cursor of an earlier page") from None
    if checksum != _checksum(content, query) or text != _text(data):
        raise malformed("cursor", text, "goes on with another query, or is damaged")
    if any(source is None for source, _ in parse_pins(cursor.snapshots)):
        raise malformed("cursor", text, "names a snapshot without its source")
    if query.snapshot is not None:
        asked = {snapshot for _, snapshot in parse_pins(query.snapshot)}
        if asked != {snapshot for _, snapshot in parse_pins(cursor.snapshots)}:
            raise malformed("cursor", text, "belongs to other snapshots than those that snapshot= names")
    return cursor


def next_query(query: ListMetrics, cursor: str) -> str:
    """The URL of the next page relative to that of this page, so that it is right behind any proxy."""
    pairs: list[tuple[str, str]] = []
    for name in query.__struct_fields__:
        value = getattr(query, name)
        if name in {"snapshot", "cursor"} or value is None:
            continue
        if name == "since":
            value = _since(value)
        pairs += [(name, str(each)) for each in (value if isinstance(value, tuple) else (value,))]
    return f"?{urlencode([*pairs, ('cursor', cursor)], safe=_UNESCAPED, quote_via=quote)}"


def _since(microseconds: int) -> str:
    if microseconds >= 0:
        return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"
    return (_EPOCH + timedelta(microseconds=max(microseconds, _FIRST))).isoformat().replace("+00:00", "Z")


def _checksum(content: bytes, query: ListMetrics) -> bytes:
    same = msgspec.structs.replace(query, limit=None, cursor=None, snapshot=None, format=query.format or DEFAULT_FORMAT)
    return blake2b(content + encode_json(same), digest_size=_CHECKSUM_BYTES).digest()


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Cursor)
