"""Decompression of gzip bodies: in bounded pieces, and with a check that the end was reached.

A body is gzip if its Content-Encoding says so, or if it begins like a gzip file: many servers send `export.csv.gz` as
it is.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from switchboard.errors import BodyError

PIECE_BYTES = 1 << 20
GZIP_CODINGS = frozenset({"gzip", "x-gzip"})
"""Content-Encodings that mean gzip (RFC 9110, 8.4.1.3), in lower case."""
GZIP_START = b"\x1f\x8b\x08"
"""First bytes of every gzip file that is in use; no text begins so."""
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


class Unpacker:
    """Takes gzip off a body, if there is any, and passes other bodies on as they are."""

    def __init__(self, coding: str) -> None:
        self._gunzip = Gunzip() if coding in GZIP_CODINGS else None
        self._first: bytes | None = None if self._gunzip else b""
        """The bytes so far, while they do not tell whether they begin a gzip file; None as soon as that is known."""

    @property
    def consumed_bytes(self) -> int | None:
        """Number of compressed bytes from which the pieces so far were made; None if the body is not gzip."""
        return None if self._gunzip is None else self._gunzip.consumed_bytes

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the next bytes of what is in the body. Raises BodyError like Gunzip."""
        if self._first is not None:
            data = self._first + data
            if GZIP_START.startswith(data[: len(GZIP_START)]) and len(data) < len(GZIP_START):
                self._first = data
                return
            self._first = None
            self._gunzip = Gunzip() if data.startswith(GZIP_START) else None
        if self._gunzip is None:
            yield data
        else:
            yield from self._gunzip.feed(data)

    def finish(self) -> Iterator[bytes]:
        """Yield what is left at the end of the body. Raises BodyError like Gunzip."""
        if self._gunzip is not None:
            self._gunzip.finish()
        elif self._first:
            yield self._first
