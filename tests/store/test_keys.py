"""Names of keys: nothing that is in an id may choose a slot, or make one key out of two."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from switchboard.store import keys
from tests.lab.fuzz import fuzz

NAMES = st.one_of(
    st.sampled_from(["sw1", "sw1~2", "a/b", "a%2Fb", "{x}", "*", "a b", "é", "pointer", "sources", "~", "%7E2"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10),
)


def test_keys_are_those_of_the_design() -> None:
    """The layout that people see with redis-cli."""
    assert keys.pointer("lab") == "sb:{lab}:pointer"
    assert keys.lease("lab") == "sb:{lab}:lease"
    assert keys.epoch("lab") == "sb:{lab}:epoch"
    assert keys.status("lab") == "sb:{lab}:status"
    assert keys.index("lab", "1795460003500-0123abcd") == "sb:lab:1795460003500-0123abcd"
    assert keys.block("lab", "1795460003500-0123abcd", "sw1", 1) == "sb:lab:1795460003500-0123abcd/sw1"
    assert keys.block("lab", "1795460003500-0123abcd", "sw1", 3) == "sb:lab:1795460003500-0123abcd/sw1~3"


def test_ids_are_percent_encoded() -> None:
    """Whatever stands in the name of a switch, its key is one word of plain ASCII."""
    assert keys.block("lab", "1-a", "a/b %2F~2 {x}*é", 1) == "sb:lab:1-a/a%2Fb%20%252F%7E2%20%7Bx%7D%2A%C3%A9"


@fuzz()
@given(st.lists(st.tuples(NAMES, NAMES, st.integers(1, 3)), unique=True, min_size=2, max_size=8))
def test_no_two_blocks_share_a_key(blocks: list[tuple[str, str, int]]) -> None:
    """Different source, switch or number: different key, and none is the key of an index or of a small value."""
    names = [keys.block(source, "1-a", switch, number) for source, switch, number in blocks]
    others = {
        name
        for source, *_ in blocks
        for name in (keys.index(source, "1-a"), keys.pointer(source), keys.lease(source), keys.SOURCES, keys.MOVED)
    }
    assert len(set(names)) == len(names)
    assert others.isdisjoint(names)


@fuzz()
@given(NAMES, NAMES)
def test_only_the_small_keys_have_a_hash_tag(source: str, switch: str) -> None:
    """Pointer, lease, epoch and status of a source share a slot; blocks spread over all."""
    tags = {
        re.findall(r"\{(.*?)\}", name)[0]
        for name in (keys.pointer(source), keys.lease(source), keys.epoch(source), keys.status(source))
    }
    assert len(tags) == 1
    assert "{" not in keys.block(source, "1-a", switch, 2) + keys.index(source, "1-a")
