"""Conditional and compressed answers: which of them a request asks for, and the headers for the next request."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate

from switchboard.negotiation import accepts_gzip, matches
from switchboard.serving.message import Header, Request

_HTTP_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")


def validators(etag: str, modified_seconds: int | None) -> list[Header]:
    """Headers of a 200 or 304 with which a client can make its next request conditional.

    ``etag`` has its quotes. ``modified_seconds`` is the Unix time of the last change; None if no date can tell it.
    """
    headers = [(b"cache-control", b"no-cache"), (b"vary", b"Accept-Encoding"), (b"etag", etag.encode())]
    if modified_seconds is not None:
        headers.append((b"last-modified", formatdate(modified_seconds, usegmt=True).encode()))
    return headers


def is_not_modified(request: Request, etag: str, modified_seconds: int | None) -> bool:
    """Evaluate the conditions of a GET or HEAD (RFC 9110, 13.2.2): If-None-Match wins over If-Modified-Since.

    ``modified_seconds`` is the Unix time of the last change; None if no date can answer.
    """
    if any(name == b"if-none-match" for name, _ in request.headers):
        return matches(request.header(b"if-none-match"), etag.encode())
    if modified_seconds is None:
        return False
    since = _parse_http_date(request.header(b"if-modified-since").decode("latin-1"))
    return since is not None and modified_seconds <= since


def wants_gzip(request: Request) -> bool:
    """Whether gzip is acceptable, and at least as welcome as the plain body (RFC 9110, 12.5.3)."""
    return accepts_gzip(request.header(b"accept-encoding"))


def _parse_http_date(text: str) -> float | None:
    """The Unix time of one of the three forms of an HTTP date; None for anything else."""
    for form in _HTTP_DATES:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None
