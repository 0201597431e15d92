"""Names that are like one that does not exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.errors import ErrorKind, QueryError
from switchboard.query.near import did_you_mean, like, near
from tests.lab.fabric import Row, source, view
from tests.lab.fuzz import fuzz

METRICS = ("bandwidth_mbps", "latency_ms", "packet_errors", "rx_bytes", "tx_bytes")


def missing(parameter: str, value: str) -> QueryError:
    return QueryError(ErrorKind.NOT_FOUND, "", parameter=parameter, value=value)


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ("Bandwidth Mbps", ("bandwidth_mbps",)),
        ("bandwith_mbps", ("bandwidth_mbps",)),
        ("bandwidthh_mbps", ("bandwidth_mbps",)),
        ("bandwidht_mbps", ("bandwidth_mbps",)),
        ("bytes", ("rx_bytes", "tx_bytes")),
        ("zx_bytes", ("rx_bytes", "tx_bytes")),
        ("rx_bytes", ()),
        ("nothing", ()),
        ("", ()),
        ("___", ()),
        ("x" * 10_000, ()),
    ],
)
def test_columns_are_found_by_what_they_are_like(wrong: str, names: tuple[str, ...]) -> None:
    """Other cases and separators, one wrong letter, or a word that is missing; nothing that is only somewhat alike."""
    assert like(wrong, METRICS) == names


def test_a_name_that_many_are_like_says_nothing() -> None:
    """Not a list of hundreds of ports in a sentence."""
    assert like("port00_errors", tuple(f"port{at:02}_errors" for at in range(1, 50))) == ()


@given(st.text(max_size=80), st.lists(st.text(max_size=80), max_size=20))
@fuzz()
def test_any_text_is_like_few_names_or_none(wrong: str, names: list[str]) -> None:
    """At most three names, all of which exist, and never the name itself."""
    found = like(wrong, tuple(names))
    assert len(found) <= 3
    assert set(found) <= set(names) - {wrong}


@pytest.mark.parametrize("switches", [10, 20_000])
def test_switches_are_looked_up_and_not_searched(switches: int) -> None:
    """The number of lookups depends on the wrong name alone: so much as that a list of all of them never is made."""
    rows = [Row(f"rack-{at // 50}-sw{at % 50}", {"errors": at}) for at in range(switches)]
    held = source("fabric", rows)
    assert held.loaded is not None

    class Counted(dict[str, int]):
        looked = 0

        def __contains__(self, name: object) -> bool:
            Counted.looked += 1
            return super().__contains__(name)

        def __iter__(self) -> None:  # type: ignore[override]
            raise AssertionError("all switches are looked at")

    held.loaded.snapshot._numbers = Counted(held.loaded.snapshot._numbers)
    seen = view(held)
    assert near(seen, missing("switch_id", "RACK_0_SW07")) == ()
    assert near(seen, missing("switch_id", "RACK-0-SW7")) == ("rack-0-sw7",)
    assert near(seen, missing("switch_id", "rack_0_sw7")) == ("rack-0-sw7",)
    assert near(seen, missing("switch_id", "x" * 64)) == ()
    assert Counted.looked < 2_000
    assert near(seen, missing("switch_id", "x" * 1_000)) == ()


def test_the_question_names_them() -> None:
    """As in a sentence."""
    assert [did_you_mean(names) for names in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == [
        "",
        "did you mean a?",
        "did you mean a or b?",
        "did you mean a, b or c?",
    ]
