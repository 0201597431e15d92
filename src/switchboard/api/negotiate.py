"""What a client takes: which format it prefers by its Accept header, and whether it takes gzip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from switchboard.errors import SwitchboardError
from switchboard.outputs.formats import FORMATS

_REMEMBERED = 256
_LONGEST_REMEMBERED = 512


class RequestError(SwitchboardError):
    """A request that HTTP refuses, whatever it asks for; ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def negotiate(accept: bytes, offered: Sequence[str]) -> str:
    """The format that an Accept header prefers among those ``offered``, the first of which is the default.

    Raises RequestError 406 if none of them is acceptable (RFC 9110, 12.5.1).
    """
    if not accept or accept == b"*/*":
        return offered[0]
    chosen = (_remembered if len(accept) <= _LONGEST_REMEMBERED else _negotiate)(accept, tuple(offered))
    if chosen is None:
        types = ", ".join(FORMATS[each].media_type for each in offered)
        raise RequestError(406, f"Not acceptable: the Accept header takes none of {types}")
    return chosen


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether an Accept-Encoding header takes gzip, and not less gladly than the plain body (RFC 9110, 12.5.3)."""
    if accept_encoding in {b"", b"identity"}:
        return False
    if len(accept_encoding) > _LONGEST_REMEMBERED:
        return _accepts_gzip(accept_encoding)
    return _accepts_gzip_remembered(accept_encoding)


def qualities(header: bytes) -> dict[str, float]:
    """The members of an Accept-like header, in lower case, with the highest quality that each is given."""
    found: dict[str, float] = {}
    for part in header.decode("latin-1").lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        if name:
            found[name] = max(found.get(name, 0.0), _quality(parameters))
    return found


def _negotiate(accept: bytes, offered: tuple[str, ...]) -> str | None:
    wanted = qualities(accept)
    best: str | None = None
    best_rank = (0.0, 0)
    for each in offered:
        for media_type in FORMATS[each].accepted:
            rank = _rank(media_type, wanted)
            if rank[0] > 0 and rank > best_rank:  # of equals, the one that is offered first
                best, best_rank = each, rank
    return best


def _rank(media_type: str, wanted: dict[str, float]) -> tuple[float, int]:
    """Quality and precision of the most precise range that has this media type."""
    ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    for precision, each in zip((2, 1, 0), ranges, strict=True):
        if each in wanted:
            return wanted[each], precision
    return 0.0, 0


def _accepts_gzip(accept_encoding: bytes) -> bool:
    wanted = qualities(accept_encoding)
    gzip = wanted.get("gzip", wanted.get("x-gzip", wanted.get("*", 0.0)))
    return gzip > 0 and gzip >= wanted.get("identity", 0.0)


_remembered = lru_cache(_REMEMBERED)(_negotiate)
_accepts_gzip_remembered = lru_cache(_REMEMBERED)(_accepts_gzip)


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
