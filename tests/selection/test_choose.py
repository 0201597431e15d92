"""Selectors: what they remember, and for how long."""

from __future__ import annotations

import gc
import weakref

from switchboard.outputs.formats import FORMATS
from switchboard.selection.choose import Choice, Listed, Selector
from switchboard.selection.conditions import parse_condition
from switchboard.selection.globs import Names
from switchboard.selection.masks import PerBlock
from switchboard.selection.pages import WHOLE
from switchboard.snapshot.block import Block
from tests.lab.fabric import row, snapshot

BODY = [row("sw1", "1", rx=1), row("sw2", "1", rx=None), row("sw3", "2", rx=3)]
EVERYTHING = Choice(
    switches=Names(globs=("sw*",)),
    metrics=Names(frozenset({"rx"})),
    ports=Names(globs=("?",)),
    since_us=snapshot(BODY).manifest.data_min_us - 1,
    where=(parse_condition("rx>0"),),
)


def test_a_value_per_block_is_made_once() -> None:
    """The memo asks for a value when it is needed, and never again; equal blocks are different ones."""
    blocks = snapshot(BODY).blocks
    made: list[Block] = []

    def count(block: Block) -> int:
        made.append(block)
        return len(made)

    memo = PerBlock(count)
    assert [memo[blocks[0]], memo[blocks[1]], memo[blocks[0]]] == [1, 2, 1]
    assert made == blocks[:2]


def test_a_list_does_not_keep_its_snapshots() -> None:
    """A snapshot that was replaced is freed with the last list of it, and does not wait for a garbage collection."""
    held = [snapshot(BODY), snapshot(BODY)]
    gone = [weakref.ref(each) for each in held]
    listed = [Listed("source", Selector(each, EVERYTHING)) for each in held]
    gc.collect()
    gc.disable()
    try:
        for format in FORMATS.values():
            assert b"sw1" in b"".join(format.write(listed, WHOLE))
        held.clear()
        listed.clear()
        assert [each() for each in gone] == [None, None]
    finally:
        gc.enable()
