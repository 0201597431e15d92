"""Reading answers that were made without a server."""

from __future__ import annotations

from switchboard.api.answer import Answer, header_lines


def headers_of(answer: Answer) -> dict[bytes, bytes]:
    """The headers of an answer by name, without those of the connection."""
    lines = header_lines(answer).split(b"\r\n")
    assert lines.pop() == b""
    pairs = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)
