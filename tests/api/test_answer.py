"""The form of errors."""

from __future__ import annotations

import pytest

from switchboard.api.answer import TEXT, Answer, error_answer, header_lines, prefers_json
from tests.lab.answers import headers_of


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"", False),
        (b"*/*", False),
        (b"application/json", True),
        (b"Application/JSON; charset=utf-8", True),
        (b"application/problem+json", True),
        (b"application/*", True),
        (b"application/json, text/plain, */*", True),
        (b"application/json;q=0", False),
        (b"application/json;q=0.5, text/plain", False),
        (b"application/json, text/plain;q=0.5", True),
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        (b"application/json;q=high", False),
        (b"application/vnd.apache.arrow.stream", False),
    ],
)
def test_json_is_for_those_who_ask_for_it(accept: bytes, expected: bool) -> None:
    """Only a client that names JSON, and text not more, gets problem+json."""
    assert prefers_json(accept) is expected


def test_an_error_as_text_holds_no_control_characters() -> None:
    """It is one line, and does nothing to a terminal, whoever is quoted in it: a source, a client, another version."""
    answer = error_answer(503, "the last scrape failed: 401 \x1b[31m\r\n\u202e é", b"")
    assert answer.body == r"the last scrape failed: 401 \x1b[31m\r\n\u202e é".encode() + b"\n"


def test_no_cache_keeps_an_error() -> None:
    """Errors are no-store, and no browser guesses their type."""
    headers = headers_of(error_answer(404, "no", b""))
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize("status", [200, 204, 304, 404])
@pytest.mark.parametrize("etag", [None, b'"a1"'])
@pytest.mark.parametrize("gzip", [False, True])
def test_header_lines_stand_in_one_order(status: int, etag: bytes | None, gzip: bool) -> None:
    """Shared lines, own headers, coding, tag, type; what has no body has no type."""
    headers = [(b"link", b"<a>: b"), (b"x", b"")]
    answer = Answer(status, headers, b"0", TEXT, b"vary: Accept\r\n", etag=etag, gzip=gzip)
    expected = [
        b"vary: Accept\r\nlink: <a>: b\r\nx: \r\n",
        b"content-encoding: gzip\r\n" if gzip else b"",
        b"" if etag is None else b'etag: "a1"\r\n',
        b"" if status in {204, 304} else b"content-type: text/plain; charset=utf-8\r\n",
    ]
    assert header_lines(answer) == b"".join(expected)
