"""Decompression of gzip bodies: in bounded pieces, and with a check that the end was reached."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from switchboard.errors import BodyError

PIECE_BYTES = 1 << 20
_GZIP = 31  # zlib's window bits for a gzip header and trailer


class Gunzip:
    """Decompresses one gzip body, fed as it comes. Raises BodyError for all that is not exactly one whole gzip file."""

    def __init__(self) -> None:
        self.consumed_bytes = 0
        """Number of compressed bytes from which the pieces so far were made."""
        self._decompressor = zlib.decompressobj(_GZIP)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield ``data`` decompressed, at most PIECE_BYTES at a time: a caller that counts can stop a gzip bomb."""
        while data:
            if self._decompressor.eof:
                raise BodyError("bad_gzip", f"{len(data)} bytes follow the end of the gzip data")
            try:
                piece = self._decompressor.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise BodyError("bad_gzip", f"the body is not valid gzip: {error}") from error
            rest = self._decompressor.unconsumed_tail or self._decompressor.unused_data
            self.consumed_bytes += len(data) - len(rest)
            data = rest
            if piece:
                yield piece

    def finish(self) -> None:
        """Check that the end was reached: zlib says nothing when the last bytes never came."""
        if not self._decompressor.eof:
            raise BodyError("truncated", "the gzip data ends too early")
