"""Bodies that many clients ask for: rendered once per snapshot, a piece at a time, and kept within bounds."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from switchboard.query.result import Result
from switchboard.view.view import View

if TYPE_CHECKING:
    from switchboard.api.answer import Answer

MOST_BODIES = 64
MOST_BYTES = 64 << 20
MOST_WARMED = 4
"""Bodies that are rendered from a new snapshot before anybody asks."""
MOST_CELLS = 500_000
"""Most cells of a shared list; a longer one is rendered anew for each client, and streamed."""
SHORT_CELLS = 5_000
"""Most cells of a body that is made in the callback that brings its request, which holds the event loop for 0.5 ms."""
CELL_BYTES = 32
"""Approximate size of a cell as text, with its name."""
GZIP_LEVEL = 4
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_GZIP_SLICE_BYTES = 32 << 10


class SharedBody:
    """A body that is rendered for the first client that asks, and is there for all that ask later."""

    __slots__ = ("_expected_bytes", "_lock", "_pieces", "_rendered", "content", "failed")

    def __init__(self, pieces: Iterator[bytes], expected_bytes: int) -> None:
        self.content: bytes | None = None
        """The whole body, once it is rendered."""
        self.failed = False
        self._expected_bytes = expected_bytes
        self._pieces = pieces
        self._rendered: list[bytes] = []
        self._lock = asyncio.Lock()

    @property
    def size_bytes(self) -> int:
        """Size of the body; until it is rendered, the size that it is expected to have."""
        return self._expected_bytes if self.content is None else len(self.content)

    def advance(self) -> bool:
        """Render one more piece; return whether the body is whole. Raises the error of rendering, then RuntimeError."""
        if self.failed:
            raise RuntimeError("this body could not be rendered")
        if self.content is None:
            try:
                piece = next(self._pieces, None)
            except Exception:
                self.failed = True  # a generator that has raised looks like one that has come to its end
                raise
            if piece is not None:
                self._rendered.append(piece)
                return False
            self.content = b"".join(self._rendered)
            self._rendered.clear()
            self._pieces = iter(())  # lets go of the snapshot
        return True

    async def complete(self, turns: asyncio.Lock) -> bytes:
        """The whole body. One caller renders while the others wait; it takes ``turns`` for each piece."""
        async with self._lock:
            whole = False
            while not whole:
                async with turns:
                    whole = self.advance()
                    await asyncio.sleep(0)  # the turn of the event loop ends here
        assert self.content is not None
        return self.content


def gzip_pieces(body: SharedBody) -> Iterator[bytes]:
    """The gzip form of a body, in pieces; renders the body itself first, if that has not been done."""
    while not body.advance():
        yield b""
    assert body.content is not None
    plain = memoryview(body.content)
    gzip = zlib.compressobj(GZIP_LEVEL, wbits=_GZIP_FORMAT)
    for start in range(0, len(plain), _GZIP_SLICE_BYTES):
        yield gzip.compress(plain[start : start + _GZIP_SLICE_BYTES])
    yield gzip.flush()


class Recipe(NamedTuple):
    """How to make a body again from another view: the endpoint's function, its query, and whether it is compressed."""

    answer: Callable[[View, float, Any], Result | Answer]
    query: Any
    gzip: bool = False


@dataclass(slots=True)
class _Entry:
    body: SharedBody
    asked: bool
    """Whether a client asked for it; else it was rendered in advance, or to be compressed."""


class BodyTable:
    """Shared bodies by entity tag and recipe.

    The tag names the snapshots, so an entry is never wrong, only useless one day. It does not name the query for
    certain (``query/tags.py``): the recipe does.
    """

    def __init__(self, *, most_bodies: int = MOST_BODIES, most_bytes: int = MOST_BYTES) -> None:
        self.turns = asyncio.Lock()
        """Held while a piece of a long body is made, so that one is made per turn of the event loop: otherwise four
        hundred clients would have four hundred pieces made between two answers to others."""
        self._entries: dict[tuple[bytes, Recipe], _Entry] = {}
        self._most_bodies = most_bodies
        self._most_bytes = most_bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, etag: bytes, recipe: Recipe, *, asked: bool = True) -> SharedBody | None:
        """The body that a recipe made under this tag, if it is kept. ``asked``: whether a client asks for it."""
        key = etag, recipe
        entry = self._entries.pop(key, None)
        if entry is None or entry.body.failed:
            return None
        self._entries[key] = entry  # the last is the one used last
        entry.asked |= asked
        return entry.body

    def add(self, etag: bytes, recipe: Recipe, body: SharedBody, *, asked: bool) -> None:
        """Keep a body. While the table is beyond its bounds, the body that was not used for longest is dropped.

        ``asked``: whether a client asked for it; else it is rendered in advance, or to be compressed.
        """
        self._entries[etag, recipe] = _Entry(body, asked)
        held = sum(entry.body.size_bytes for entry in self._entries.values())
        while len(self._entries) > self._most_bodies or (held > self._most_bytes and len(self._entries) > 1):
            held -= self._entries.pop(next(iter(self._entries))).body.size_bytes

    def replace(self, other: BodyTable) -> None:
        """Keep the bodies of another table in place of these."""
        self._entries = other._entries

    def last_asked(self, count: int) -> list[Recipe]:
        """Recipes of the ``count`` bodies that clients asked for last."""
        return [recipe for (_, recipe), entry in self._entries.items() if entry.asked][-count:]
