"""The format that a client prefers by its Accept header."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from switchboard.errors import SwitchboardError
from switchboard.negotiation import LONGEST_REMEMBERED, REMEMBERED, qualities
from switchboard.outputs.formats import FORMATS


class RequestError(SwitchboardError):
    """A request that is refused by the rules of HTTP, whatever it asks for.

    ``status`` is the HTTP status, ``headers`` are sent with it.
    """

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def negotiate(accept: bytes, offered: Sequence[str]) -> str:
    """The format that an Accept header prefers among those ``offered``, the first of which is the default.

    Raises RequestError 406 if none of them is acceptable (RFC 9110, 12.5.1).
    """
    if not accept or accept == b"*/*":
        return offered[0]
    chosen = (_remembered if len(accept) <= LONGEST_REMEMBERED else _negotiate)(accept, tuple(offered))
    if chosen is None:
        types = ", ".join(FORMATS[each].media_type for each in offered)
        raise RequestError(406, f"Not acceptable: the Accept header takes none of {types}")
    return chosen


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
    """Quality and precision of the most precise range that covers this media type; zeros if none does."""
    ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    for precision, each in zip((2, 1, 0), ranges, strict=True):
        if each in wanted:
            return wanted[each], precision
    return 0.0, 0


_remembered = lru_cache(REMEMBERED)(_negotiate)
