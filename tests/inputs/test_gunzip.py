"""Decompression: exactly one whole gzip file, in bounded pieces."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.errors import BodyError
from switchboard.inputs.gunzip import PIECE_BYTES, Gunzip, Unpacker
from tests.lab.fuzz import fuzz
from tests.lab.parsing import pieces

TEXT = b"timestamp,switch_id,a\n" + b"1795460000,sw1,5\n" * 1000


def gunzip(data: bytes, *cuts: int) -> bytes:
    decompressor = Gunzip()
    decompressed = b"".join(piece for part in pieces(data, cuts) for piece in decompressor.feed(part))
    decompressor.finish()
    return decompressed


@fuzz(0.4)
@given(st.binary(max_size=300), st.integers(1, 20_000), st.lists(st.integers(0, 3000), max_size=6))
def test_gives_back_what_was_compressed(seed: bytes, times: int, cuts: list[int]) -> None:
    """However the compressed bytes arrive."""
    assert gunzip(gzip.compress(seed * times, 1), *cuts) == seed * times


@pytest.mark.parametrize("size", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_pieces_are_bounded(size: int) -> None:
    """No piece is larger than PIECE_BYTES, and the last one comes too, whatever is left in the decompressor."""
    decompressor = Gunzip()
    compressed = gzip.compress(bytes(size))
    sizes = [len(piece) for part in (compressed[:-9], compressed[-9:]) for piece in decompressor.feed(part)]
    decompressor.finish()
    assert sum(sizes) == size
    assert max(sizes) <= PIECE_BYTES


def test_a_bomb_can_be_stopped_early() -> None:
    """A caller that counts the pieces may stop after any of them: the rest is not decompressed."""
    bomb = gzip.compress(bytes(100 * PIECE_BYTES))
    assert len(next(Gunzip().feed(bomb))) == PIECE_BYTES


@pytest.mark.parametrize("cut", [0, 1, 10, 100, -9, -8, -1])
def test_a_truncated_file_is_an_error(cut: int) -> None:
    """Zlib says nothing when the end is missing; we do, even if only the checksum is."""
    with pytest.raises(BodyError) as raised:
        gunzip(gzip.compress(TEXT)[:cut] if cut else b"")
    assert raised.value.reason == "truncated"


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(TEXT) + b"\n",
        gzip.compress(TEXT) + gzip.compress(TEXT),
        TEXT,
        zlib.compress(TEXT),
        gzip.compress(TEXT)[:10] + b"\xff" * 100,
        gzip.compress(TEXT)[:-8] + bytes(8),
    ],
    ids=["trailing bytes", "two members", "not compressed", "zlib", "damaged", "checksum"],
)
@pytest.mark.parametrize("cuts", [[], range(200)], ids=["whole", "byte by byte"])
def test_anything_but_one_whole_file_is_an_error(data: bytes, cuts: list[int]) -> None:
    """Bytes after the end, a second member, and bytes that are no gzip at all."""
    with pytest.raises(BodyError) as raised:
        gunzip(data, *cuts)
    assert raised.value.reason == "bad_gzip"


@fuzz()
@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda rest: gzip.compress(TEXT)[:40] + rest)))
def test_any_bytes_give_bytes_or_our_error(data: bytes) -> None:
    """Whatever comes, nothing but BodyError is raised."""
    reason = ""
    try:
        gunzip(data)
    except BodyError as error:
        reason = error.reason
    assert reason in {"", "truncated", "bad_gzip"}


def unpacked(data: bytes, cuts: list[int], coding: str = "") -> bytes:
    unpacker = Unpacker(coding)
    found = [piece for part in pieces(data, cuts) for piece in unpacker.feed(part)]
    return b"".join([*found, *unpacker.finish()])


@fuzz(0.4)
@given(st.one_of(st.binary(max_size=9), st.just(TEXT)), st.lists(st.integers(0, 200), max_size=6))
def test_a_gzip_file_is_known_by_its_first_bytes(content: bytes, cuts: list[int]) -> None:
    """It is unpacked though no header says that it is one; anything else stays as it is. Cut anywhere."""
    assert unpacked(gzip.compress(content), cuts) == content
    assert unpacked(b"x" + content, cuts) == b"x" + content
    for short in (b"", b"\x1f", b"\x1f\x8b", b"\x1f\x8b\x00"):
        assert unpacked(short, cuts) == short


@pytest.mark.parametrize("coding", ["", "gzip", "x-gzip"])
def test_a_gzip_file_is_one_whole_file(coding: str) -> None:
    """The rules are the same whether the header or the first bytes tell."""
    packed = gzip.compress(TEXT)
    for data, reason in ((packed[:-9], "truncated"), (packed + packed, "bad_gzip"), (packed + b"x", "bad_gzip")):
        with pytest.raises(BodyError) as raised:
            unpacked(data, [], coding)
        assert raised.value.reason == reason


def test_what_is_said_to_be_gzip_has_to_be() -> None:
    """A header that says gzip is believed."""
    with pytest.raises(BodyError) as raised:
        unpacked(TEXT, [], "x-gzip")
    assert raised.value.reason == "bad_gzip"
