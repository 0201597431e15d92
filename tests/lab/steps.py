"""Lists in steps and pieces so small that a few rows cross all their borders."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest.mock import patch

from switchboard.selection import cost
from switchboard.snapshot import order


@contextlib.contextmanager
def steps_of(rows: int) -> Iterator[None]:
    """Steps of so many rows or names, and pieces of about that many rows."""
    with (
        patch.multiple(cost, STEP_ROWS=rows, STEP_NAMES=rows, PIECE_CELLS=rows * 16),
        patch.object(order, "REPEATED_ROWS", rows),
    ):
        yield


@contextlib.contextmanager
def pages_look_at(rows: int) -> Iterator[None]:
    """The end of a page is looked for among about so many rows; fewer where looking at a row costs more than a cell."""
    with patch.object(cost, "MOST_IDLE_CELLS", rows):
        yield
