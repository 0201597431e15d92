"""Tags: names of what answers are drawn from."""

from __future__ import annotations

from hashlib import blake2b

from switchboard.outputs.json import encode_json
from switchboard.view.view import Standing

_TAG_BYTES = 8


def content_tag(standing: Standing) -> bytes:
    """The name, in hexadecimal digits, of the snapshots in order of precedence and of the sources that are missing.

    Two answers to equal queries are equal bytes if their tags are. The name is a hash that is made once per standing,
    the same in all processes; the query is not part of it: whoever keeps answers by their tag keeps the query with it.
    """
    if standing.tag is None:
        snapshots = [(live.source.name, live.loaded.id) for live in standing.live]
        named = encode_json((snapshots, [source.name for source in standing.missing]))
        standing.tag = blake2b(named, digest_size=_TAG_BYTES).hexdigest().encode()
    return standing.tag
