"""Bodies that are bad gzip."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

from switchboard.generator.streams import compressed, stream

_GZIP = 31  # zlib's window bits for a gzip header and trailer
_LEVEL = 6
_MIB = 1 << 20


async def truncated_gzip(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """All of the body, but the gzip data has no end: the checksum and the length are missing."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    async for piece in body:
        yield await asyncio.to_thread(compressor.compress, piece)
    yield compressor.flush(zlib.Z_SYNC_FLUSH)


async def gzip_bomb(body: AsyncIterator[bytes], mebibytes: float) -> AsyncIterator[bytes]:
    """The header of the body, then its first row again and again, ``mebibytes`` MiB of it; as gzip."""
    begin = b""
    async for piece in body:
        begin += piece
        if begin.count(b"\n") >= 2:
            break
    header, row, *_ = [*begin.split(b"\n"), b""]
    async for piece in stream(compressed(_same_row(header + b"\n", row + b"\n", mebibytes), _LEVEL)):
        yield piece


def _same_row(header: bytes, row: bytes, mebibytes: float) -> Iterator[bytes]:
    yield header
    mebibyte = row * (_MIB // len(row) + 1)
    for _ in range(round(mebibytes)):
        yield mebibyte
