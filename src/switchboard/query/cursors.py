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

from switchboard.errors import ErrorKind, QueryError
from switchboard.outputs.formats import DEFAULT_FORMAT
from switchboard.outputs.json import encode_json
from switchboard.query.requests import ListMetrics
from switchboard.query.values import Since, malformed
from switchboard.selection.pages import Position
from switchboard.view.pins import parse_pins
from switchboard.view.short_pins import as_text, long_form, shortened
from switchboard.view.view import Standing

_CHECKSUM_BYTES = 8
_MOST_LONG_CHARACTERS = 512
"""Longest ``SOURCE=ID,SOURCE=ID`` in a cursor, which an answer has twice; a longer one is shortened."""
_MOST_CHARACTERS = 6_000
"""Longest cursor: some 1,100 sources. It has to fit into the target of a request."""
_UNESCAPED = "/:*?@!$()"
"""Characters that stay unescaped in the link to the next page, which must not be too long to be followed."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The content of a cursor: the snapshots of the list, in order of precedence, and a place in it."""

    snapshots: str
    """As ``SOURCE=ID,SOURCE=ID``; empty if there are too many of them."""
    position: Position
    short: bytes = b""
    """In their short form, if there are too many."""

    @property
    def pin(self) -> str:
        """The snapshots as a value of ``snapshot=``."""
        return as_text(self.short) if self.short else self.snapshots


def encode_cursor(standing: Standing, query: ListMetrics, position: Position) -> str:
    """The cursor of the page that begins at ``position``. Raises QueryError (MALFORMED) if it would be too long."""
    named = [(live.source.quoted_name, live.loaded) for live in standing.live]
    long = long_form(named)
    fits = len(long) <= _MOST_LONG_CHARACTERS
    content = _encoder.encode(Cursor(long, position) if fits else Cursor("", position, shortened(named)))
    cursor = _text(_checksum(content, query) + content)
    if len(cursor) > _MOST_CHARACTERS:
        raise QueryError(
            ErrorKind.MALFORMED,
            f"Pages of {len(named)} sources together are not possible: X-Next-Cursor would be longer than "
            f"{_MOST_CHARACTERS} characters. Ask for the pages of one source with source=, or without limit=",
        )
    return cursor


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
    if not cursor.short and any(source is None for source, _ in parse_pins(cursor.snapshots)):
        raise malformed("cursor", text, "names a snapshot without its source")
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


def _since(canonical: str) -> str:
    since = Since.read(canonical)
    if since.at_us is None:
        return f"{canonical}ms"
    microseconds = since.at_us
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
