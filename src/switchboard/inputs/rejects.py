"""The rejected rows and cells of one body: all are counted, and some are kept as examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from switchboard.model import Reject
from switchboard.reasons import REASONS

MOST_EXAMPLES = 100
MOST_EXAMPLES_OF_REASON = 30
"""Most examples of one reason, so that a frequent reason does not hide the others."""
MOST_VALUE_CHARACTERS = 80
CUT = "…"
"""Stands at the end of a value that was longer."""


def cut(text: str) -> str:
    """The value of a reject as it is kept."""
    return text if len(text) <= MOST_VALUE_CHARACTERS else text[: MOST_VALUE_CHARACTERS - 1] + CUT


class Rejects:
    """``counts`` by reason, and ``examples``: the first that were found; in a chunk, rows come before cells.

    At most MOST_EXAMPLES are kept, and of one reason at most MOST_EXAMPLES_OF_REASON.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: list[Reject] = []
        self._only_switch: dict[str, str] = {}
        """By reason, the only switch with rejects so far; empty if there are several, or if one is not known."""
        self.notes: list[Reject] = []
        """What is to be said of columns (`reasons.NOTES`), once per column and reason; known at the end."""

    def add(self, reason: str, line: int, column: str = "", value: str | bytes = "", switch: str = "") -> None:
        """Count one rejected row (no column) or cell. ``switch``: that of a row, as far as it is known."""
        self.counts[reason] += 1
        self._of_one_switch(reason, switch)
        if self.counts[reason] <= MOST_EXAMPLES_OF_REASON and len(self.examples) < MOST_EXAMPLES:
            text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
            self.examples.append(Reject(reason=reason, line=line, column=column, value=cut(text)))

    def room(self, reason: str) -> int:
        """How many more rejects of a reason may become examples: for the rest, ``count`` is enough."""
        return max(0, MOST_EXAMPLES_OF_REASON - self.counts[reason])

    def count(self, reason: str, more: int, switches: Iterable[str] = ("",)) -> None:
        """Count ``more`` rejects of which none becomes an example. Of ``switches`` no more are taken than needed."""
        if more:
            self.counts[reason] += more
            all(self._of_one_switch(reason, switch) for switch in switches)

    @property
    def rows(self) -> int:
        """How many rows were dropped: all rejects whose reason is not known to drop only a cell."""
        cells = sum(count for reason, count in self.counts.items() if reason in REASONS and REASONS[reason].cell)
        return self.counts.total() - cells

    def only_switch(self, reasons: Iterable[str]) -> str:
        """The one switch to which all rejects of these reasons belong; empty if there are several, or none is known."""
        switches = {self._only_switch[reason] for reason in reasons if reason in self._only_switch}
        return switches.pop() if len(switches) == 1 else ""

    def _of_one_switch(self, reason: str, switch: str) -> bool:
        """Note the switch of a reject; return whether all rejects of this reason so far belong to one known switch."""
        if self._only_switch.setdefault(reason, switch) != switch:
            self._only_switch[reason] = ""
        return self._only_switch[reason] != ""

    def some(self, most: int) -> list[Reject]:
        """At most ``most`` of the examples, in their order; they are taken from each reason in turn."""
        turns: Counter[str] = Counter()
        ranked = []
        for place, example in enumerate(self.examples):
            ranked.append((turns[example.reason], place))
            turns[example.reason] += 1
        return [self.examples[place] for place in sorted(place for _, place in sorted(ranked)[:most])]

    def __str__(self) -> str:
        counts = ", ".join(f"{reason}: {count}" for reason, count in sorted(self.counts.items()))
        if not self.examples:
            return counts or "none"
        first = self.examples[0]
        place = f"line {first.line}" + (f", column {first.column!r}" if first.column else "")
        return f"{counts}; first: {place}: {first.reason} {first.value!r}"
