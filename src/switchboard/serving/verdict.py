"""Verdicts: from an exception of the parser to the refusal that its client gets."""

from __future__ import annotations

import re

import httptools
import structlog

from switchboard.serving import refusals
from switchboard.serving.refusals import Refusal, Refused

log = structlog.get_logger()


def verdict_on(error: BaseException | None, data: bytes) -> Refusal:
    """The refusal for a client whose ``data`` has led to an exception."""
    if isinstance(error, httptools.HttpParserCallbackError):
        error = error.__context__
    if isinstance(error, Refused):
        return error.refusal
    if isinstance(error, httptools.HttpParserInvalidMethodError) or "Invalid method" in str(error):
        return refusals.METHOD if _METHOD.search(data) else refusals.MALFORMED
    if isinstance(error, httptools.HttpParserError):
        return refusals.MALFORMED
    log.error("request failed before the app", exc_info=error)
    return refusals.FAILURE


_METHOD = re.compile(
    rb"(?:^|\n)(?!(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) )"
    rb"[0-9A-Za-z!#$%&'*+.^_`|~-]{1,64}(?:$|[ ][!-\xff]+(?:$| HTTP/))"
)
"""A line that begins a request with another method; any such line counts: the parser does not tell where it stopped."""
