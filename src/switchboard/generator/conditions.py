"""Conditional and compressed answers: which of them a request asks for, and the headers for the next request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import formatdate

from starlette.datastructures import Headers

from switchboard.negotiation import accepts_gzip, matches

_HTTP_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")


def validators(etag: str, modified_seconds: int | None) -> dict[str, str]:
    """Headers of a 200 or 304 with which a client can make its next request conditional.

    ``etag`` has its quotes. ``modified_seconds`` is the Unix time of the last change; None if no date can tell it.
    """
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding", "ETag": etag}
    if modified_seconds is not None:
        headers["Last-Modified"] = formatdate(modified_seconds, usegmt=True)
    return headers


def is_not_modified(headers: Headers, etag: str, modified_seconds: int | None) -> bool:
    """Evaluate the conditions of a GET or HEAD (RFC 9110, 13.2.2): If-None-Match wins over If-Modified-Since.

    ``modified_seconds`` is the Unix time of the last change; None if no date can answer.
    """
    tags = headers.getlist("if-none-match")
    if tags:
        return matches(_joined(tags), etag.encode("latin-1"))
    dates = headers.getlist("if-modified-since")
    if modified_seconds is None or len(dates) != 1:
        return False
    since = _parse_http_date(dates[0])
    return since is not None and modified_seconds <= since


def wants_gzip(headers: Headers) -> bool:
    """Whether gzip is acceptable, and at least as welcome as the plain body (RFC 9110, 12.5.3)."""
    return accepts_gzip(_joined(headers.getlist("accept-encoding")))


def _joined(values: Sequence[str]) -> bytes:
    """The values of a repeated header as one, in the bytes in which they came."""
    return ",".join(values).encode("latin-1")


def _parse_http_date(text: str) -> float | None:
    """The Unix time of one of the three forms of an HTTP date; None for anything else."""
    for form in _HTTP_DATES:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None
