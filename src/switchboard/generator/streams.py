"""Streamed bodies, never whole in memory: made piece by piece in a thread, no faster than the client takes them."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

from switchboard.serving.message import Body

_GZIP = 31  # zlib's window bits for a gzip header and trailer


async def stream(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, each made in a thread while the one before it is sent; the loop is never held up by the making.

    One piece is made ahead, never more: if the caller does not ask for the next one, none is made.
    """
    loop = asyncio.get_running_loop()
    upcoming = loop.run_in_executor(None, next, pieces, None)
    while (piece := await upcoming) is not None:
        upcoming = loop.run_in_executor(None, next, pieces, None)
        yield piece


async def pieces_of(body: Body) -> AsyncIterator[bytes]:
    """Any body as a stream."""
    if isinstance(body, AsyncIterator):
        async for piece in body:
            yield piece
    else:
        for piece in [body] if isinstance(body, bytes) else body:
            yield piece


def compressed(pieces: Iterator[bytes], level: int) -> Iterator[bytes]:
    """The gzip form of the pieces, equal bytes each time."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()
