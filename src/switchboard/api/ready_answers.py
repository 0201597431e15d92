"""Ready answers: the bytes for requests that come again and again.

The key is the whole request, byte for byte; the value is the answer without its status line and date. An answer is
right as long as every source shows the same snapshot in the same state: a change of any of these empties the table, and
the next moment at which time alone may change a state is known beforehand. Answers that contain an age are never kept.
"""

from __future__ import annotations

from switchboard.api.metrics import TALLY
from switchboard.serving.message import ReadyReply
from switchboard.view.view import View, ViewHolder

MOST_ANSWERS = 512
MOST_BYTES = 16 << 20
LARGEST_BYTES = 128 << 10
"""A larger answer is not kept: its cost is that of sending it."""


class ReadyAnswers:
    """The table of ready answers of one process."""

    def __init__(self) -> None:
        self._answers: dict[bytes, ReadyReply] = {}
        self._bytes = 0
        self._view = 0
        self._until = float("-inf")
        self._shown: object = None

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, request: bytes, holder: ViewHolder) -> ReadyReply | None:
        """The answer to exactly this request, if it was kept and still is the answer."""
        answer = self._answers.get(request)
        if answer is None:
            return None
        view, now = holder.view, holder.clock()
        if view.serial != self._view or now >= self._until:
            self._look_at(view, now)
            if request not in self._answers:
                return None
        TALLY.ready += 1
        return answer

    def keep(self, request: bytes, answer: ReadyReply, view: View, now: float) -> None:
        """Keep an answer that was made from a view at ``now``."""
        if view.serial != self._view or now >= self._until:
            self._look_at(view, now)
        size = len(request) + len(answer.rest)
        if size > LARGEST_BYTES or request in self._answers:
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
        # While the service stops, every answer ends its connection: none is ready.
        shown = (
            view.stopping,
            [
                (source.name, None if source.loaded is None else source.loaded.serial, source.state(now))
                for source in view.sources
            ],
        )
        if shown != self._shown:
            self.clear()
            self._shown = shown
        self._view = view.serial  # not the view itself, which would keep its snapshots in memory
        self._until = min((source.steady_until(now) for source in view.sources), default=float("inf"))
