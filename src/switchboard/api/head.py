"""The head of a simple request, read without a general HTTP parser.

Almost every request for a metric is one line and a few plain headers, complete in one packet. These are read here, by
rules that are stricter than those of HTTP: a head that does not fit is not an error, but left to the server's parser.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from switchboard.api.answer import request_fields
from switchboard.serving.refusals import MOST_TARGET_BYTES

LONGEST_HEAD_BYTES = 8 << 10
MOST_HEADERS = 64
MOST_REMEMBERED = 256
_LONGEST_REMEMBERED_BYTES = 1 << 10


class Head(NamedTuple):
    """The head of a request that has no body and keeps the connection. ``fields``: the other fields of a Request."""

    method: str
    path: bytes
    query: bytes
    fields: dict[str, bytes]


class HeadReader:
    """Reads heads; remembers the headers of the last clients, because a client sends the same ones each time."""

    def __init__(self) -> None:
        self._remembered: dict[bytes, dict[str, bytes]] = {}

    def read(self, head: bytes) -> Head | None:
        """Read a head that ends with its empty line; None if it is not simple."""
        match = _REQUEST_LINE.match(head)
        if match is None or match.end() > MOST_TARGET_BYTES:
            return None
        block = head[match.end() :]
        fields = self._remembered.get(block)
        if fields is None:
            fields = read_headers(block)
            if fields is None:
                return None
            if len(block) <= _LONGEST_REMEMBERED_BYTES:
                if len(self._remembered) >= MOST_REMEMBERED:
                    self._remembered.clear()
                self._remembered[block] = fields
        method, path, query = match.groups()
        return Head(_METHODS[method], path, query or b"", fields)


def read_headers(block: bytes) -> dict[str, bytes] | None:
    """The fields that answers depend on, from header lines and the empty line after them; None if not simple."""
    if len(block) > LONGEST_HEAD_BYTES or _HEADERS.fullmatch(block) is None:
        return None
    lines = block.split(b"\r\n")[:-2]
    if len(lines) > MOST_HEADERS:
        return None
    headers = []
    hosts = 0
    for line in lines:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" ")
        if name in _NOT_SIMPLE or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        hosts += name == b"host"
        headers.append((name, value))
    if hosts != 1:
        return None
    return request_fields(headers)


_METHODS = {b"GET": "GET", b"HEAD": "HEAD"}
_REQUEST_LINE = re.compile(rb"(GET|HEAD) (/[0-9A-Za-z/_-]*)(?:\?([!-\x22\x24-~]*))? HTTP/1\.1\r\n")
"""A query may have any visible ASCII except #, which would end it."""
_HEADERS = re.compile(rb"(?:[0-9A-Za-z!#$%&'*+.^_`|~-]+:[ -~]*\r\n)*\r\n")
_NOT_SIMPLE = frozenset(
    {b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"te", b"trailer", b"http2-settings",
     b"keep-alive", b"proxy-connection"}
)  # fmt: skip
"""Headers that say something about the connection or a body."""
