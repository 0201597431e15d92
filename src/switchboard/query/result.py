"""What a query brings: a value, or the pieces of a body, and where it was drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from switchboard.outputs.formats import FormatName
from switchboard.view.provenance import Provenance


@dataclass(slots=True, kw_only=True)
class Result:
    """The outcome of a query that gets data. One that gets none raises QueryError.

    Either ``value`` counts, which JSON can write, or ``pieces``: the bytes of a body in ``format``, made as they are
    asked for, because to make them all at once would hold the event loop.
    """

    value: Any = None
    pieces: Iterator[bytes] | None = None
    format: FormatName = "json"
    provenance: Provenance | None = None
    """The snapshots it was drawn from; None: it was drawn from none."""
    tag: bytes | None = None
    """Names the content, in hexadecimal digits, before it is made. None: the content has an age in it, so that no two
    are equal."""
    shared: bool = False
    """Whether others are likely to ask for the same body, and it is small enough to be kept."""
    bounded: bool = False
    """Whether the pieces are to be put together before the first of them is sent. At most ``cells`` are in them."""
    cells: int = 0
    """Most cells of the body, as far as they are known: 0 for a value."""
    cursor: str | None = None
    """Where the list goes on, as a value of ``cursor=``; None if it is at its end."""
    following: str = ""
    """The query of the next page as a reference that is relative to this one's URL; with ``cursor`` only."""
