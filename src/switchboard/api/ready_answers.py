"""Ready answers: the bytes for requests that come again and again.

The key is the whole request, byte for byte; the value is the answer without its status line and date. An answer is
right as long as every source shows the same snapshot in the same state: a change of any of these empties the table, and
the next moment at which time alone may change a state is known beforehand. Answers that contain an age are never kept.
"""

from __future__ import annotations

from typing import NamedTuple

from switchboard.view.view import View

MOST_ANSWERS = 512
MOST_BYTES = 16 << 20
LARGEST_BYTES = 128 << 10
"""A larger answer is not kept: its cost is that of sending it."""


class ReadyAnswer(NamedTuple):
    """An answer without its status line and date, and the path for which it is counted."""

    path: str
    status: int
    rest: bytes


class ReadyAnswers:
    """The table of ready answers of one process."""

    def __init__(self) -> None:
        self._answers: dict[bytes, ReadyAnswer] = {}
        self._bytes = 0
        self._view = 0
        self._until = float("-inf")
        self._shown: object = None

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, request: bytes, view: View, now: float) -> ReadyAnswer | None:
        """The answer to exactly this request, if it was kept and still is the answer."""
        if view.serial != self._view or now >= self._until:
            self._look_at(view, now)
        return self._answers.get(request)

    def keep(self, request: bytes, answer: ReadyAnswer) -> None:
        """Keep an answer. It must come from the view and the moment of the last ``get``."""
        size = len(request) + len(answer.rest)
        if size > LARGEST_BYTES:
            return
        if len(self._answers) >= MOST_ANSWERS or self._bytes + size > MOST_BYTES:
            self.clear()  # answers that are asked for often come back at once
        self._answers[request] = answer
        self._bytes += size

    def clear(self) -> None:
        """Forget all answers."""
        self._answers.clear()
        self._bytes = 0

    def _look_at(self, view: View, now: float) -> None:
        shown = [
            (source.name, None if source.loaded is None else source.loaded.serial, source.state(now))
            for source in view.sources
        ]
        if shown != self._shown:
            self.clear()
            self._shown = shown
        self._view = view.serial  # not the view itself, which would keep its snapshots in memory
        self._until = min((source.steady_until(now) for source in view.sources), default=float("inf"))
