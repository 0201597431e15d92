"""Short pins: the snapshots of many sources in a few bytes each, for headers and cursors that must not grow long.

    bytes 0 to 5    when the newest of the scrapes began, in milliseconds
    bytes 6 to 13   a hash of the long form, ``SOURCE=ID,SOURCE=ID``
    then            of each snapshot, in the same order, four bytes: a hash of its source and id (``token``)

As text, ``~`` and all of it in base64url. Nothing has to be remembered for it: whoever has the snapshots in memory
finds them by their tokens. Two of them may have one token, by chance; the hash of the long form says then that the
wrong one was found, and the client gets an error instead of other data.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from switchboard.errors import ErrorKind, QueryError
from switchboard.view.pins import Pins, UnknownSnapshot, began_ms
from switchboard.view.sources import Kept, Loaded, SourceView

LAG_MS = 5_000
"""A short pin that is this much older than the newest snapshot in memory may still name one that is on its way here."""
_MARK = "~"
_TIME_BYTES, _HASH_BYTES, _TOKEN_BYTES = 6, 8, 4
_HEAD_BYTES = _TIME_BYTES + _HASH_BYTES


def long_form(snapshots: Iterable[tuple[str, Loaded]]) -> str:
    """``SOURCE=ID,SOURCE=ID``, for pairs of a source's quoted name and its snapshot."""
    return ",".join(f"{name}={loaded.id}" for name, loaded in snapshots)


def shortened(snapshots: Sequence[tuple[str, Loaded]]) -> bytes:
    """The short form, for pairs of a source's quoted name and its snapshot."""
    newest = max(began_ms(loaded.id) or 0 for _, loaded in snapshots) % (1 << 8 * _TIME_BYTES)
    tokens = b"".join(token(name, loaded) for name, loaded in snapshots)
    return newest.to_bytes(_TIME_BYTES) + _hash(long_form(snapshots), _HASH_BYTES) + tokens


def as_text(short: bytes) -> str:
    """A short form as a value of ``snapshot=``."""
    return _MARK + urlsafe_b64encode(short).rstrip(b"=").decode()


def read_short(text: str) -> bytes | None:
    """The short form in a value of ``snapshot=``; None if the text is not one. Raises QueryError (MALFORMED)."""
    if not text.startswith(_MARK):
        return None
    try:
        short = urlsafe_b64decode(text[1:] + "=" * (-(len(text) - 1) % 4))
    except (Error, ValueError):
        short = b""
    if as_text(short) != text or len(short) <= _HEAD_BYTES or (len(short) - _HEAD_BYTES) % _TOKEN_BYTES:
        raise QueryError(
            ErrorKind.MALFORMED, "Malformed snapshot parameter: it begins with ~, but is no whole X-Snapshot-Id"
        )
    return short


def resolve(short: bytes, sources: Sequence[SourceView]) -> Pins:
    """The snapshots that a short form names. Raises UnknownSnapshot if one of them is not in memory."""
    known: dict[bytes, list[tuple[str, Kept]]] = {}
    newest = 0
    for source in sources:
        name = source.quoted_name
        for kept in source.generations():
            known.setdefault(token(name, kept.loaded), []).append((name, kept))
            newest = max(newest, began_ms(kept.loaded.id) or 0)
    found: dict[str, Loaded] = {}
    for at in range(_HEAD_BYTES, len(short), _TOKEN_BYTES):
        for name, kept in known.get(short[at : at + _TOKEN_BYTES], ()):
            if name not in found:
                found[name] = kept.loaded
                break
    named = list(found.items())
    if len(named) * _TOKEN_BYTES != len(short) - _HEAD_BYTES or shortened(named) != short:
        began = int.from_bytes(short[:_TIME_BYTES])
        raise UnknownSnapshot(gone=began + LAG_MS <= newest)
    return tuple((name, loaded.id) for name, loaded in named)


def token(name: str, loaded: Loaded) -> bytes:
    """Four bytes for a snapshot of a source; worked out once."""
    if loaded.token is None:
        loaded.token = _hash(f"{name}={loaded.id}", _TOKEN_BYTES)
    return loaded.token


def _hash(text: str, size: int) -> bytes:
    return blake2b(text.encode(), digest_size=size).digest()
