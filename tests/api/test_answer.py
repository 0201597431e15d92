"""The form of errors."""

from __future__ import annotations

import pytest

from switchboard.api.answer import error_answer, prefers_json


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


def test_no_cache_keeps_an_error() -> None:
    """Errors are no-store, and no browser guesses their type."""
    headers = error_answer(404, "no", b"").headers
    assert (b"cache-control", b"no-store") in headers
    assert (b"x-content-type-options", b"nosniff") in headers
