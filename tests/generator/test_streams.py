from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from switchboard.generator.streams import compressed, pieces_of, stream
from switchboard.serving.message import Body


def counting(made: list[int]) -> Iterator[bytes]:
    for number in range(10):
        made.append(number)
        yield b"piece %d" % number


async def test_pieces_come_in_order_and_whole() -> None:
    """All that the iterator makes arrives, in its order."""
    assert [piece async for piece in stream(counting([]))] == [b"piece %d" % number for number in range(10)]


async def test_nothing_is_made_for_a_client_that_does_not_take_it() -> None:
    """At most one piece is made beyond those that were taken."""
    made: list[int] = []
    pieces = stream(counting(made))
    for taken in range(1, 4):
        await anext(pieces)
        assert len(made) <= taken + 1
    await pieces.aclose()  # type: ignore[attr-defined] # an async generator
    assert len(made) <= 4


@pytest.mark.parametrize("form", ["bytes", "iterator", "stream"])
async def test_any_body_is_a_stream(form: str) -> None:
    """Bytes are one piece; the pieces of an iterator stay as they are."""
    forms: dict[str, Body] = {"bytes": b"ab", "iterator": iter([b"a", b"b"]), "stream": stream(iter([b"a", b"b"]))}
    pieces = [piece async for piece in pieces_of(forms[form])]
    assert pieces == ([b"ab"] if form == "bytes" else [b"a", b"b"])


def test_gzip_form_is_the_same_text() -> None:
    """Unpacked, the compressed pieces are the pieces; packed, they have equal bytes each time."""
    packed = b"".join(compressed(counting([]), 1))
    assert gzip.decompress(packed) == b"".join(counting([]))
    assert packed == b"".join(compressed(counting([]), 1))
