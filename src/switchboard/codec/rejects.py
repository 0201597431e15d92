"""Rejected rows and cells of one body: counted all, remembered a few, and each explained to who has to mend it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from switchboard.model import Reject

MOST_EXAMPLES = 100
MOST_EXAMPLES_OF_REASON = 30
"""So that a reason of which there are many does not hide the others."""
MOST_VALUE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Reason:
    """What a reason means. ``cell``: only the cell is missing, the row stays."""

    meaning: str
    """What is wrong with the value, as in «"x" …»."""
    advice: str
    """What a person may do about it."""
    cell: bool = False


REASONS = {
    "bad_number": Reason("is not a decimal number", "if the column is text, name it in columns.labels", cell=True),
    "not_finite": Reason("is not a finite number", "the source should leave the cell empty", cell=True),
    "out_of_range": Reason("does not fit into 64 bits", "if the column is an id, name it in columns.labels", cell=True),
    "no_switch": Reason("names no switch", "the source should name one, or columns.switch another column"),
    "long_switch": Reason("is a switch id of more than 128 bytes", "check that columns.switch is the right column"),
    "bad_port": Reason("is no port: empty, or of more than 128 bytes", 'columns.port = "-" if rows are whole switches'),
    "control": Reason("has a control character in it", "look at the line with `cat -v`"),
    "bad_timestamp": Reason(
        "is no time between the year 2000 and now + 10 minutes", "check columns.timestamp and columns.timestamp_unit"
    ),
    "future": Reason("is a time more than 10 minutes ahead of ours", "check the clocks of the source and of this host"),
    "bad_utf8": Reason("is not UTF-8", "the source should write UTF-8"),
    "bad_quote": Reason("has a quote where none may be", "a cell with a quote in it is quoted, and the quote doubled"),
    "columns": Reason("has another number of cells than the header", "cells with a comma in them have to be quoted"),
    "duplicate": Reason("is a second row of one switch and port; the first counts", "ask why the source repeats rows"),
}
"""Every reason for which the parser drops a row or a cell."""

_UNKNOWN = Reason("cannot be used", "the log of the ETL at debug level shows more")


def explain(reject: Reject) -> str:
    """A reject as a sentence: where, what, what became of it, what to do."""
    reason = REASONS.get(reject.reason, _UNKNOWN)
    place = f"Line {reject.line}" + (f", column {reject.column}" if reject.column else "")
    fate = "the cell is missing, the row is kept" if reason.cell else "the row is left out"
    return f"{place}: {reject.value!r} {reason.meaning}; {fate}. What may help: {reason.advice}."


class Rejects:
    """``counts`` by reason, and the first that were found: of a chunk, its rows before its cells.

    At most MOST_EXAMPLES are kept, and of one reason at most MOST_EXAMPLES_OF_REASON.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: list[Reject] = []

    def add(self, reason: str, line: int, column: str = "", value: str | bytes = "") -> None:
        """Count one rejected row (no column) or cell."""
        self.counts[reason] += 1
        if self.counts[reason] <= MOST_EXAMPLES_OF_REASON and len(self.examples) < MOST_EXAMPLES:
            text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
            if len(text) > MOST_VALUE_CHARACTERS:
                text = text[: MOST_VALUE_CHARACTERS - 1] + "…"
            self.examples.append(Reject(reason=reason, line=line, column=column, value=text))

    def room(self, reason: str) -> int:
        """How many more of a reason may become examples: after those, ``count`` is enough."""
        return max(0, MOST_EXAMPLES_OF_REASON - self.counts[reason])

    def count(self, reason: str, more: int) -> None:
        """Count so many more, of which none becomes an example."""
        if more:
            self.counts[reason] += more

    @property
    def rows(self) -> int:
        """How many rows were dropped: all that is not known to be a matter of one cell."""
        cells = sum(count for reason, count in self.counts.items() if reason in REASONS and REASONS[reason].cell)
        return self.counts.total() - cells

    def some(self, most: int) -> list[Reject]:
        """``most`` of the examples at the most, in their order, of every reason in turn."""
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
