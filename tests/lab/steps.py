"""Lists in steps and pieces so small that a few rows cross all their borders."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from switchboard.outputs import json as render
from switchboard.outputs import tables
from switchboard.selection import choose, merge, pages
from switchboard.snapshot import order

NAMES = {
    "STEP_ROWS": (order, choose),
    "_NAMES_A_STEP": (choose,),
    "PIECE_WORK": (render, tables),
}


@contextlib.contextmanager
def steps_of(rows: int) -> Iterator[None]:
    """Steps of so many rows or names, and pieces of about that many."""
    known = {(module, name): getattr(module, name) for name, modules in NAMES.items() for module in modules}
    for module, name in known:
        setattr(module, name, rows * 16 if name == "PIECE_WORK" else rows)
    try:
        yield
    finally:
        for (module, name), value in known.items():
            setattr(module, name, value)


@contextlib.contextmanager
def pages_look_at(rows: int) -> Iterator[None]:
    """The end of a page is looked for among about so many rows, fewer where a row costs more than a cell."""
    known = pages.MOST_IDLE_WORK
    for module in (pages, merge):
        setattr(module, "MOST_IDLE_WORK", rows)  # noqa: B010 - merge has it from pages
    try:
        yield
    finally:
        for module in (pages, merge):
            setattr(module, "MOST_IDLE_WORK", known)  # noqa: B010
