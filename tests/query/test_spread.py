"""Names in braces."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from switchboard.errors import QueryError
from switchboard.query.spread import MOST_NAMES, spread


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("{a,b}", ("a", "b")),
        ("rack{1,2}-sw{1,2}", ("rack1-sw1", "rack1-sw2", "rack2-sw1", "rack2-sw2")),
        ("{a,,b}", ("a", "", "b")),
        ("{a}", ("{a}",)),
        ("{{a,b}}", ("{a}", "{b}")),
        ("{a,b", ("{a,b",)),
        ("{known,name}", ("{known,name}",)),
    ],
)
def test_braces_with_a_comma_stand_for_each_name(asked: str, names: tuple[str, ...]) -> None:
    """Others are part of the name, and so is what exists as it is written."""
    assert spread("switch_id", (asked,), {"{known,name}"}) == names


def test_all_values_of_a_parameter_together_stand_for_a_bounded_number_of_names() -> None:
    """A request of 8 KiB could name 100,000 otherwise, and all are looked up on the event loop."""
    ten = "{0,1,2,3,4,5,6,7,8,9}"
    assert len(spread("switch_id", (ten * 3,), ())) == MOST_NAMES
    with pytest.raises(QueryError, match="may stand for 1000 names at most"):
        spread("switch_id", (f"a{ten * 3}", f"b{ten}"), ())


@pytest.mark.parametrize("text", ["{" + "," * 8_000, "{,}" * 2_700, "{," * 4_000, "{" * 8_000])
def test_a_long_name_costs_little(text: str) -> None:
    """Braces are looked for on the event loop, where all wait."""
    began = time.process_time()
    with suppress(QueryError):
        spread("port", (text,))
    assert time.process_time() - began < 0.1
