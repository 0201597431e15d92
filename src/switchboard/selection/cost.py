"""Cooperative scheduling: what the work on a list costs, and how much of it is done before others have their turn.

Lists and rankings are made in the event loop. So they are generators that stop after a bounded amount of work; the
caller hands the bytes on and lets other requests run before it asks for more. Work is reckoned from the query and the
snapshot, never measured with a clock, so that the same query always has the same pieces and the same pages.

The unit is a *cell*: writing one cell as JSON text, 0.1 µs on an idle machine. A constant that ends in ``_CELLS``
counts these. A constant in another unit names that unit (``STEP_ROWS``), and its docstring says what the unit costs.

    step      rows that are looked at together, to find those that are taken
    piece     bytes of an answer; others have their turn after each
    budget    work of a piece: it ends as soon as its work has reached the budget. The rows or the step that reach it
              are finished first, so it may cost more

The weights were measured. They need not be exact, only near enough that no piece holds the event loop for long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Budgets.

PIECE_CELLS = 3_500
"""Budget of a piece: 0.35 ms on an idle machine, several times that on a busy one; about 80 kB of text."""
MOST_IDLE_CELLS = 100_000
"""Work on rows not taken, after which the search for the end of a page stops (10 ms); the page is then short."""

# Steps: what is looked at in one go.

STEP_ROWS = 2_048
"""Rows of a list: about 0.2 ms, or some milliseconds where each row is a run of its own (``snapshot/order.py``)."""
STEP_NAMES = 2_048
"""Names of switches that are matched with patterns together."""
STEP_RUNS = 128
"""Runs of rows whose values are collected for a ranking: well below 1 ms."""
STEP_BLOCKS = 64
"""Blocks of which the lowest and the highest integer of a column is looked for."""

# Finding rows: what a step and each of its rows costs, whether the row is taken or not.

STEP_CELLS = 1_000
"""Fixed cost of a step. It includes LOOK_CELLS for each of its rows."""
LOOK_CELLS = 1
"""A row that is looked at, whatever the query asks of it."""
CONDITION_CELLS = 2
"""A row, for each condition."""
PATTERN_CELLS = 8
"""A row whose name, or whose port, is matched with patterns: for each of the two, however short the patterns are."""
CHARACTERS_PER_CELL = 10
"""So many characters of the patterns cost each row one cell more."""
RUN_CELLS = 20
"""A row whose neighbours in the list stand elsewhere in the body."""
MERGE_CELLS = 30
"""A row that is put together with those of other snapshots."""

# Reading rows that were found.

ROW_CELLS = 10
"""A row, beside its cells."""
COLUMN_CELLS = 1
"""A column of a block, if the rows that a window takes from the block are neighbours."""
GATHER_CELLS = 15
"""A column of a block, if the rows that a window takes from the block are not neighbours."""
MOST_WINDOW_CELLS = 4_000
"""A window takes no further block once its column work has reached this."""

# Writing them.

CSV_FACTOR = 2
"""CSV counts twice as much as JSON. Floats alone take three times as long, other cells less."""
COPIES_PER_CELL = 32
"""Copying 32 Arrow cells costs as much as writing one cell as text."""
BATCH_COPIES = 1 << 17
"""Cells copied into one Arrow batch: 1 MiB, which takes 0.4 ms."""
ARROW_PIECE_COPIES = BATCH_COPIES // 10
"""Budget of a piece of Arrow. Smaller batches are put together; larger ones are a piece each, not copied again."""
FIRST_BATCHES = 16
"""The first batches have BATCH_COPIES together: a client that takes nothing holds about one of them in memory. Batches
that small throughout would make Arrow three times as slow."""

# Queries that look cells up one by one.

LOOKUP_CELLS = 40
"""One cell of a batch, looked up by switch, port and name, and its entry in the answer: 4 to 8 µs."""
VALUES_PER_LOOKUP = 32
"""Further values of one cell, by port: they are read together, and so many of them cost as much as one lookup."""
PIECE_RANKED_ROWS = 64
"""Rows of a ranking after which a piece ends. Each is looked up in all sources, which takes some 5 µs."""
PIECE_SWITCHES = 1_000
"""Switches in a piece of the list of switches."""


class Piece(NamedTuple):
    """Some bytes of an answer, maybe none, and the work that was done for them, in the unit of the budget."""

    data: bytes
    work: int


def join_pieces(pieces: Iterable[Piece], budget: int) -> Iterator[bytes]:
    """Join pieces until their work reaches ``budget``. The result may be empty: the work found nothing."""
    joined: list[bytes] = []
    done = 0
    for piece in pieces:
        joined.append(piece.data)
        done += piece.work
        del piece  # while a client takes what is joined, nothing else holds it
        if done >= budget:
            yield _taken(joined)
            done = 0
    yield _taken(joined)


def _taken(joined: list[bytes]) -> bytes:
    data = b"".join(joined)
    joined.clear()
    return data
