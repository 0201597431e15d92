"""Pieces of a body in, blocks out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.etl.transform import Transform
from switchboard.snapshot.builder import EncodedBlock
from switchboard.snapshot.index import encode_index
from tests.etl.limits import limits
from tests.lab.fuzz import fuzz
from tests.lab.parsing import pieces
from tests.lab.reference import NOW_US

SMALL = b"switch_id,a,b\n" + b"".join(b"sw%d,%d,x\n" % (at % 50, at) for at in range(300))
LARGE = b"switch_id,a,b\n" + b"".join(b"sw%d,%d,x\n" % (at // 100, at) for at in range(3000))


def transformed(body: bytes, cuts: list[int]) -> tuple[Transform, list[EncodedBlock]]:
    transform = Transform(ColumnSettings(), limits(), NOW_US)
    blocks = [block for piece in pieces(body, cuts) for block in transform.feed(piece)]
    return transform, [*blocks, *transform.finish()]


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@fuzz(0.1)
@given(cuts=st.lists(st.integers(0, len(LARGE)), max_size=6))
def test_any_pieces_give_the_same_snapshot(body: bytes, cuts: list[int]) -> None:
    """Blocks, index and hash depend on the bytes alone."""
    whole, blocks = transformed(body, [])
    cut, cut_blocks = transformed(body, cuts)
    assert [(block.switch, block.number, block.payload) for block in cut_blocks] == [
        (block.switch, block.number, block.payload) for block in blocks
    ]
    assert encode_index(cut.builder.index) == encode_index(whole.builder.index)
    assert cut.body_hash == whole.body_hash
    assert cut.decoder.rows == cut.builder.rows == body.count(b"\n") - 1


def test_the_hash_tells_bodies_apart() -> None:
    """One changed byte is another body."""
    assert transformed(SMALL, [])[0].body_hash != transformed(SMALL.replace(b"sw7,7", b"sw7,8"), [])[0].body_hash


def test_a_body_without_rows_gives_no_snapshot() -> None:
    """An unusable body raises BodyError, at the latest at its end; of a header alone the gate decides."""
    for body in (b"", b"<html>", b'switch_id,a\n"sw1'):
        with pytest.raises(BodyError):
            transformed(body, [])


@pytest.mark.parametrize(
    ("header", "switch", "kept"),
    [
        ("switch_id,port", "sw1", "sw1"),
        ("switch_id,port", '"sw1"', "sw1"),
        ("switch_id , port", " sw1 ", "sw1"),
        ("switch_id,port", "Zürich", "Zürich"),
        ("node_guid,port_num", "0x248A070300EF19A0", "0x248a070300ef19a0"),
        ("node_guid,port_num", "248a:0703:00ef:19a0", "0x248a070300ef19a0"),
    ],
)
@pytest.mark.parametrize("bad", ["2,5,6", "2,\x01", ",5"], ids=["columns", "control", "bad_port"])
@pytest.mark.parametrize("alone", [True, False])
def test_rejects_are_of_the_switch_that_is_kept(header: str, switch: str, kept: str, bad: str, *, alone: bool) -> None:
    """However its name is written. A body of which it is the only switch has rows of no others."""
    rows = [f"{switch},1,5", *[f"{switch},{bad}"] * 40] + ([] if alone else ["other,1,5"])
    transform, _ = transformed("\n".join([f"{header},a", *rows]).encode(), [])
    counted = transform.counts(has_source_clock=True)
    assert kept in counted.switches
    assert counted.rejects.only_switch(counted.rejects.counts.keys() - {"no_times"}) == kept
    assert counted.only_switch(counted.rejects.counts.keys() - {"no_times"}) == ("" if alone else kept)
