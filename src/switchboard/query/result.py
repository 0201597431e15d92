"""The result of a query: a value or the pieces of a body, and the snapshots that it was drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from switchboard.outputs.formats import FormatName
from switchboard.view.provenance import Provenance


class Result(msgspec.Struct, kw_only=True, gc=False):
    """What a query that gets data returns; a query that gets none raises QueryError.

    Either ``value`` is set, which can be written as JSON, or ``pieces``: the bytes of a body in ``format``. A piece is
    rendered when it is asked for, because rendering all of them at once would hold the event loop.

    The garbage collector does not look at it (``gc=False``): one is made per request, and nothing that it holds refers
    to it.
    """

    value: Any = None
    pieces: Iterator[bytes] | None = None
    format: FormatName = "json"
    provenance: Provenance | None = None
    """The snapshots that the result was drawn from; None: it was drawn from none."""
    tag: bytes | None = None
    """Name of the snapshots in hexadecimal digits: with the query it names the content, before that is rendered. None:
    the content has an age in it, so no two results are equal."""
    shared: bool = False
    """Whether other clients are likely to ask for the same body."""
    bounded: bool = False
    """Whether the whole body is to be rendered before any of it is sent. For a body whose size is limited anyway:
    then a failure is a 500, and not a body cut short."""
    cells: int = 0
    """About how many cells the body has, 0 for a value. Decides whether the body is kept, and compressed."""
    cursor: str | None = None
    """The value of ``cursor=`` for the next page; None on the last page."""
    following: str = ""
    """URL of the next page, relative to that of this page; empty without ``cursor``."""
