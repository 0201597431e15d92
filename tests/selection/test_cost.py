"""Pieces of an answer, joined up to a budget."""

from __future__ import annotations

from collections.abc import Iterator

from switchboard.selection.cost import Piece, join_pieces


def test_pieces_are_joined_up_to_a_budget() -> None:
    """A joined piece ends with the part that reaches the budget; the last one has what is left, maybe nothing."""
    parts = [Piece(b"a", 3), Piece(b"b", 3), Piece(b"c", 9), Piece(b"", 4), Piece(b"d", 0)]
    assert list(join_pieces(parts, 5)) == [b"ab", b"c", b"d"]
    assert list(join_pieces(parts[:3], 5)) == [b"ab", b"c", b""]
    assert list(join_pieces([], 5)) == [b""]


def test_work_that_found_nothing_ends_a_piece_too() -> None:
    """Others have their turn during a long search; and no part is asked for before its turn."""
    asked: list[int] = []

    def search() -> Iterator[Piece]:
        for step in range(3):
            asked.append(step)
            yield Piece(b"", 5)

    joined = join_pieces(search(), 5)
    assert (next(joined), asked) == (b"", [0])
    assert (next(joined), asked) == (b"", [0, 1])
