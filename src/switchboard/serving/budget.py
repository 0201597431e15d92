"""A budget for the bodies that arrive: the most memory that all connections of a server hold for them together."""

from __future__ import annotations

MOST_ARRIVING_BYTES = 64 << 20
"""Most bytes of bodies that have arrived in part. One body is bounded by its endpoint, but connections are many."""


class BodyBudget:
    """Counts the bytes of bodies that have not arrived in full. They are counted when they arrive, not when they are
    announced: a length costs a client nothing.
    """

    __slots__ = ("left",)

    def __init__(self, most_bytes: int = MOST_ARRIVING_BYTES) -> None:
        self.left = most_bytes

    def take(self, size: int) -> bool:
        """Whether there was room for so many bytes more; they are counted then."""
        if size > self.left:
            return False
        self.left -= size
        return True

    def give_back(self, size: int) -> None:
        """So many bytes are complete, or thrown away."""
        self.left += size
