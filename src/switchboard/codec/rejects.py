"""Rejected rows and cells of one body: counted all, remembered a few."""

from __future__ import annotations

from collections import Counter

from switchboard.model import Reject

MOST_EXAMPLES = 100
MOST_VALUE_CHARACTERS = 80


class Rejects:
    """``counts`` by reason, and the first MOST_EXAMPLES that were found: of a chunk, its rows before its cells."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: list[Reject] = []

    def add(self, reason: str, line: int, column: str = "", value: str | bytes = "") -> None:
        """Count one rejected row (no column) or cell."""
        self.counts[reason] += 1
        if len(self.examples) < MOST_EXAMPLES:
            text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
            if len(text) > MOST_VALUE_CHARACTERS:
                text = text[: MOST_VALUE_CHARACTERS - 1] + "…"
            self.examples.append(Reject(reason=reason, line=line, column=column, value=text))

    def __str__(self) -> str:
        counts = ", ".join(f"{reason}: {count}" for reason, count in sorted(self.counts.items()))
        if not self.examples:
            return counts or "none"
        first = self.examples[0]
        place = f"line {first.line}" + (f", column {first.column!r}" if first.column else "")
        return f"{counts}; first: {place}: {first.reason} {first.value!r}"
