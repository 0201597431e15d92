"""The limits that are found while a body is parsed, and what is kept of it."""

from __future__ import annotations

import pytest

from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.etl.transform import Transform
from tests.etl.limits import limits
from tests.lab.reference import NOW_US


def refusal(body: bytes, **changed: int) -> str:
    """The reason for which a body is refused, or an empty string."""
    transform = Transform(ColumnSettings(), limits(**changed), NOW_US)
    try:
        transform.feed(body)
        transform.finish()
    except BodyError as error:
        return error.reason
    return ""


THREE = b"switch_id,a,b\nsw1,1,2\nsw2,3,x\nsw3,5\n"


@pytest.mark.parametrize(
    ("body", "changed", "reason"),
    [
        (THREE, {"max_rows": 3}, ""),
        (THREE, {"max_rows": 2}, "too_many_rows"),  # a bad row is a row, a bad cell is none
        (THREE, {"max_switches": 2}, ""),
        (THREE, {"max_switches": 1}, "too_many_switches"),
        (THREE, {"max_columns": 3}, ""),
        (THREE, {"max_columns": 2}, "too_many_columns"),
        (b"switch_id,a\nsw1," + b"1" * 1020 + b"\n", {"max_line_kib": 1}, ""),
        (b"switch_id,a\nsw1," + b"1" * 1021 + b"\n", {"max_line_kib": 1}, "line_too_long"),
        (b'switch_id,a\nsw1,"' + b"1" * 1021 + b'"\n', {"max_line_kib": 1}, "line_too_long"),
        (b"switch_id,a" + b"a" * 1014 + b"\n", {"max_line_kib": 1}, "line_too_long"),
        (b"switch_id,a\nsw1," + b"1" * (100 << 10) + b"\n", {"max_line_kib": 128}, ""),
    ],
)
def test_a_limit_is_what_may_just_be(body: bytes, changed: dict[str, int], reason: str) -> None:
    """A body at its limit is taken, one beyond it is refused with the limit's own reason."""
    assert refusal(body, **changed) == reason


@pytest.mark.parametrize(("body", "reason"), [(b"switch_id,a\n", ""), (b"switch_id,a\nx\n", ""), (b"\n", "empty")])
def test_a_header_without_rows_is_left_to_the_gate(body: bytes, reason: str) -> None:
    """Only a body without a header is refused here."""
    assert refusal(body) == reason


def test_what_was_gathered_goes_with_the_context() -> None:
    """A traceback that holds on to a body's transform does not hold its switches."""
    with Transform(ColumnSettings(), limits(), NOW_US) as transform:
        transform.feed(THREE)
    assert not hasattr(transform, "builder")
    assert not hasattr(transform, "parser")
