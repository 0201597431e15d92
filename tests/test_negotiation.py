"""Headers with conditions and preferences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.negotiation import LONGEST_REMEMBERED, MOST_MEMBERS, MOST_PARAMETERS, accepts_gzip, matches, qualities


@pytest.mark.parametrize(
    ("if_none_match", "expected"),
    [
        (b'"abc"', True),
        (b'W/"abc"', True),
        (b'"x", W/"abc"', True),
        (b'"x","abc","y"', True),
        (b" * ", True),
        (b'"abcd"', False),
        (b"abc", False),
        (b'"ab c"', False),
        (b"", False),
    ],
)
def test_tags_are_compared_weakly(if_none_match: bytes, expected: bool) -> None:
    """A list, a weak tag and ``*`` match as RFC 9110 has it."""
    assert matches(if_none_match, b'"abc"') is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", {}),
        (b"text/csv", {"text/csv": 1.0}),
        (b"Text/CSV;Q=0.5 , */*; q=0.1", {"text/csv": 0.5, "*/*": 0.1}),
        (b"a;q=0.2,a;q=0.7", {"a": 0.7}),
        (b"a;q=7,b;q=-1,c;q=high,d;level=9", {"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0}),
        (b", ,;q=1", {}),
    ],
)
def test_qualities_are_read(header: bytes, expected: dict[str, float]) -> None:
    """Names are in lower case; of several qualities the highest counts, and each is within 0 and 1."""
    assert qualities(header) == expected


@given(st.binary(max_size=2 * LONGEST_REMEMBERED))
def test_any_bytes_are_a_header(header: bytes) -> None:
    """Whatever a client sends is read or ignored, and never an error."""
    assert accepts_gzip(header) in {True, False}
    assert matches(header, b'"tag"') in {True, False}
    assert all(0 <= quality <= 1 for quality in qualities(header).values())


@pytest.mark.parametrize("member", ["a{}/b", "a{};q=0.5", "", " ", "a"])
def test_a_header_of_many_members_is_read_to_a_bound(member: str) -> None:
    """No more words are looked at than a client needs, however long the header: what stands first counts."""
    members = ["text/csv;q=0.3", *(member.format(number) for number in range(3000)), "application/json"]
    found = qualities(",".join(members).encode())
    assert found["text/csv"] == 0.3
    assert "application/json" not in found
    assert len(found) <= MOST_MEMBERS
    assert qualities(",".join(members[: MOST_MEMBERS - 1] + members[-1:]).encode())["application/json"] == 1


def test_a_member_of_many_parameters_is_read_to_a_bound() -> None:
    """A quality among the first counts, and one that stands behind hundreds does not."""
    assert qualities(b"text/csv" + b";a=b" * (MOST_PARAMETERS - 1) + b";q=0.3") == {"text/csv": 0.3}
    assert qualities(b"text/csv" + b";a=b" * 4000 + b";q=0.3") == {"text/csv": 1}
