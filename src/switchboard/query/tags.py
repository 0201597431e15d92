"""Entity tags, which name the content of an answer: equal tags, equal bytes."""

from __future__ import annotations

from binascii import hexlify
from hashlib import blake2b

import msgspec

from switchboard.outputs.json import encode_json
from switchboard.view.view import Standing

_TAG_BYTES = 12


def content_tag(standing: Standing, query: msgspec.Struct) -> bytes:
    """The tag of an answer: a hash, in hexadecimal digits, of everything that its body depends on.

    That is the snapshots in order of precedence, the sources that are missing, and the query.
    """
    kind = type(query).__name__
    prefix = standing.tag_prefixes.get(kind)
    if prefix is None:
        snapshots = [(live.source.name, live.loaded.id) for live in standing.live]
        prefix = kind.encode() + encode_json((snapshots, [source.name for source in standing.missing]))
        standing.tag_prefixes[kind] = prefix
    return hexlify(blake2b(prefix + encode_json(query), digest_size=_TAG_BYTES).digest())
