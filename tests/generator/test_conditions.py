from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.generator.conditions import is_not_modified, wants_gzip
from switchboard.serving.message import Headers, Request


def request(**headers: str) -> Request:
    """A GET with these headers; ``if_none_match`` stands for ``if-none-match``."""
    lines = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request("GET", "/counters", b"", Headers(lines))


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("*", True),
        ("br;q=1.0, gzip;q=0.001", True),
        ("gzip ; q=1.000", True),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("*;q=0.1, identity;q=0", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("gzip;q=high", False),
    ],
)
def test_gzip_is_chosen_by_weight(accepted: str, expected: bool) -> None:
    """Gzip needs a weight above 0 that is not below that of the plain body; a malformed item counts for nothing."""
    assert wants_gzip(request(accept_encoding=accepted)) is expected


@given(st.text(st.characters(max_codepoint=255)), st.sampled_from(["if_none_match", "if_modified_since"]))
def test_no_header_breaks_an_answer(text: str, condition: str) -> None:
    """Whatever a client writes into these headers is read or ignored, and never an error."""
    assert wants_gzip(request(accept_encoding=text)) in {True, False}
    assert is_not_modified(request(**{condition: text}), '"tag"', 0) in {True, False}


def test_nothing_is_known_without_a_condition() -> None:
    """A request without conditional headers, or without Accept-Encoding, gets the plain body."""
    assert not is_not_modified(request(), '"tag"', 0)
    assert not wants_gzip(request())
