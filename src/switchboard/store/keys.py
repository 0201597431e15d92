"""Every key and channel name that Switchboard uses in Redis.

``{…}`` is a Redis hash tag: the small keys of one source share a slot, so that one Lua script may touch them all. The
blocks of a snapshot have no tag and spread over all slots of a cluster.
"""

from __future__ import annotations

from urllib.parse import quote

SOURCES = "sb:sources"
"""Sorted set of the sources that exist, in configured order."""

MOVED = "sb:moved"
"""Channel that carries the name of a source whose pointer moved: a hint, the pointer itself is the truth."""


def pointer(source: str) -> str:
    """The manifest of the current snapshot; lives for the TTL."""
    return f"sb:{{{_encode(source)}}}:pointer"


def lease(source: str) -> str:
    """``owner:epoch:n`` of the ETL that owns the source; ``n`` counts its renewals."""
    return f"sb:{{{_encode(source)}}}:lease"


def epoch(source: str) -> str:
    """The fencing epoch that was given out last."""
    return f"sb:{{{_encode(source)}}}:epoch"


def status(source: str) -> str:
    """What the ETL last saw of the source."""
    return f"sb:{{{_encode(source)}}}:status"


def index(source: str, snapshot: str) -> str:
    """Which rows of which block belong to which switch."""
    return f"sb:{_encode(source)}:{snapshot}"


def block(source: str, snapshot: str, switch: str, number: int) -> str:
    """One block, named after its first switch; ``number`` is 1, or more where a switch needs several blocks."""
    suffix = f"~{number}" if number > 1 else ""
    return f"sb:{_encode(source)}:{snapshot}/{_encode(switch)}{suffix}"


def _encode(name: str) -> str:
    """Percent-encode an id; also ``~``, which numbers blocks (urllib leaves it alone)."""
    return quote(name, safe="").replace("~", "%7E")
