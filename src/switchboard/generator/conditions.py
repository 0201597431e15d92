"""What the headers of a request ask for, a conditional answer or a compressed one, and those that let a client ask."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate

from starlette.datastructures import Headers

# What may stand between the quotes of an entity tag; a weak one has W/ in front, which a weak comparison ignores.
_ENTITY_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
_HTTP_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")
_QUALITY = re.compile(r"\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*")


def validators(etag: str, modified_seconds: int | None) -> dict[str, str]:
    """Headers of a 200 or 304 by which a client can ask again.

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
        text = ",".join(tags)
        return text.strip() == "*" or etag in _ENTITY_TAG.findall(text)
    dates = headers.getlist("if-modified-since")
    if modified_seconds is None or len(dates) != 1:
        return False
    since = _parse_http_date(dates[0])
    return since is not None and modified_seconds <= since


def wants_gzip(headers: Headers) -> bool:
    """Whether gzip is acceptable, and at least as welcome as the plain body (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for item in ",".join(headers.getlist("accept-encoding")).lower().split(","):
        coding, _, parameter = item.partition(";")
        quality = _QUALITY.fullmatch(parameter)
        if not parameter or quality:
            weights[coding.strip()] = float(quality[1]) if quality else 1.0
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _parse_http_date(text: str) -> float | None:
    """The Unix time of one of the three forms of an HTTP date; None for anything else."""
    for form in _HTTP_DATES:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None
