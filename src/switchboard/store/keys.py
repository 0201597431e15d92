"""Keys: the name of every key and channel that Switchboard uses in Redis.

``{…}`` is a Redis hash tag: the small keys of one source share a slot, because one Lua script touches several of them.
The blocks of a snapshot have no tag and spread over all slots of a cluster.
"""

from __future__ import annotations

from urllib.parse import quote

SOURCES = "sb:sources"
"""Sorted set of the sources that exist, in configured order."""

MOVED = "sb:moved"
"""Channel of hints: a message is the name of a source whose pointer moved. The pointer itself is the truth."""


def pointer(source: str) -> str:
    """Key of the manifest of the current snapshot; lives for the TTL."""
    return f"sb:{{{_encode(source)}}}:pointer"


def lease(source: str) -> str:
    """Key of the lease: ``owner:epoch:n``, where ``n`` is the number of renewals."""
    return f"sb:{{{_encode(source)}}}:lease"


def epoch(source: str) -> str:
    """Key of the last fencing epoch that was given out."""
    return f"sb:{{{_encode(source)}}}:epoch"


def status(source: str) -> str:
    """Key of the status: how the last scrape of the source went."""
    return f"sb:{{{_encode(source)}}}:status"


def index(source: str, snapshot: str) -> str:
    """Key of the index of a snapshot: which rows of which block belong to which switch."""
    return f"sb:{_encode(source)}:{snapshot}"


def block(source: str, snapshot: str, switch: str, number: int) -> str:
    """Key of a block, named after its first switch; ``number`` is above 1 where one switch needs several blocks."""
    suffix = f"~{number}" if number > 1 else ""
    return f"sb:{_encode(source)}:{snapshot}/{_encode(switch)}{suffix}"


def _encode(name: str) -> str:
    """Percent-encode an id, including ``~``, which separates the number of a block (urllib does not encode it)."""
    return quote(name, safe="").replace("~", "%7E")
