"""Request headers with conditions and preferences: Accept, Accept-Encoding and If-None-Match, in pure functions.

The API and the generator read these headers by the same rules (RFC 9110).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

REMEMBERED = 256
"""Number of header values whose meaning is remembered; a client sends the same ones again and again."""
LONGEST_REMEMBERED = 512
"""Bytes of the longest header value that is remembered."""

MOST_MEMBERS = 100
"""Members of an Accept-like header that are looked at: 16 KiB of them would take 10 ms. Browsers send ten."""
MOST_PARAMETERS = 10
"""Parameters of a member that are looked at."""

_TAGS = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')
"""Entity tags without the W/ of a weak one, which a weak comparison ignores."""


def qualities(header: bytes) -> dict[str, float]:
    """The members of an Accept-like header, in lower case, with the highest quality that the header gives to each.

    Those behind the first ``MOST_MEMBERS`` count as not sent.
    """
    found: dict[str, float] = {}
    for part in header.decode("latin-1").lower().split(",", MOST_MEMBERS)[:MOST_MEMBERS]:
        name, *parameters = (word.strip() for word in part.split(";", MOST_PARAMETERS + 1)[: MOST_PARAMETERS + 1])
        if name:
            found[name] = max(found.get(name, 0.0), _quality(parameters))
    return found


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether an Accept-Encoding header accepts gzip, and prefers the plain body not more (RFC 9110, 12.5.3)."""
    if accept_encoding in {b"", b"identity"}:
        return False
    if len(accept_encoding) > LONGEST_REMEMBERED:
        return _accepts_gzip(accept_encoding)
    return _accepts_gzip_remembered(accept_encoding)


def matches(if_none_match: bytes, etag: bytes) -> bool:
    """Whether If-None-Match names an entity tag: weak comparison, lists and ``*`` (RFC 9110, 13.1.2).

    ``etag`` has its quotes, and no W/.
    """
    if if_none_match == etag or if_none_match.strip() == b"*":
        return True
    return etag in _TAGS.findall(if_none_match)


def gzip_tag(etag: str) -> str:
    """The tag of the compressed form of a content: its bytes differ, and strong tags say so (RFC 9110, 8.8.3)."""
    return f'{etag[:-1]}-gzip"'


def _accepts_gzip(accept_encoding: bytes) -> bool:
    wanted = qualities(accept_encoding)
    gzip = wanted.get("gzip", wanted.get("x-gzip", wanted.get("*", 0.0)))
    return gzip > 0 and gzip >= wanted.get("identity", 0.0)


_accepts_gzip_remembered = lru_cache(REMEMBERED)(_accepts_gzip)


def _quality(parameters: Sequence[str]) -> float:
    """The parameter q, brought into 0 to 1; 1 without one, 0 if it is not a number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
