"""The text of a body: whatever encoding it is in, the decoders get UTF-8.

The encoding is told by a byte order mark, else by the setting, else by what the source declares; UTF-16 without any of
these by the NULs between its characters. Other bytes are passed on as they are, at no cost: they should be UTF-8, and
`csv/latin1.py` reads the labels that are not.

Bytes that are not text in the encoding become bytes that are not UTF-8. So a key with such bytes is rejected, as two
such keys could otherwise become one.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from functools import cache

from switchboard.config.charsets import SINGLE_BYTE, UTF_16, codec_of
from switchboard.errors import BodyError
from switchboard.inputs.signatures import FIRST_BYTES, not_text

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_FIRST_C1, _LAST_C1 = 0x80, 0x9F
_ESCAPE = 0xDC00

Decode = Callable[[bytes, bool], str]
"""Decodes the next bytes of a body; the flag says that they are the last."""


class Text:
    """Makes UTF-8 of one body. Feed bytes as they come, then ``finish``. Raises BodyError where it is not text.

    ``declared``: the charset that the source declares; ``configured``: the one of the settings, which goes before it.
    """

    def __init__(self, declared: str = "", configured: str = "") -> None:
        self._declared = declared
        self._configured = configured
        self._first: bytes | None = b""
        """The bytes so far, until there are enough of them to tell what they are; then None."""
        self._decode: Decode | None = None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return the text that is ready."""
        if self._first is not None:
            data = self._first + data
            if len(data) < FIRST_BYTES:
                self._first = data
                return b""
            self._begin(data)
        return data if self._decode is None else self._decoded(data, last=False)

    def finish(self) -> bytes:
        """Take the end of the body; return the text that is left."""
        data = self._first or b""
        if data:
            self._begin(data)
        return data if self._decode is None else self._decoded(data, last=True)

    def _begin(self, first: bytes) -> None:
        self._first = None
        found = not_text(first)
        if found:
            raise BodyError("format", f"the body is {found}, not CSV")
        codec = self._codec(first)
        if codec in SINGLE_BYTE:
            table = charmap(codec)
            self._decode = lambda data, last: codecs.charmap_decode(data, "strict", table)[0]
        elif codec != "utf-8":
            errors = "surrogatepass" if codec in UTF_16 else "surrogateescape"
            self._decode = codecs.getincrementaldecoder(codec)(errors).decode

    def _codec(self, first: bytes) -> str:
        """The codec of a body that begins with these bytes."""
        for mark, codec in _BOMS:
            if first.startswith(mark):
                return codec
        charset = self._configured or self._declared
        named = codec_of(charset) if charset else ""
        if named is None:
            raise BodyError(
                "charset", f"the body is declared as {charset[:40]!r}, which is not a known charset (columns.charset)"
            )
        if not named or named in UTF_16 or named == "utf-8":
            nuls = [byte == 0 for byte in first[:4]]
            if nuls == [False, True, False, True]:
                return "utf-16-le"
            if nuls == [True, False, True, False]:
                return "utf-16-be"
        return "utf-16-le" if named == "utf-16" else named or "utf-8"

    def _decoded(self, data: bytes, *, last: bool) -> bytes:
        assert self._decode is not None
        try:
            return self._decode(data, last).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise BodyError("truncated", "the body ends in the middle of a character") from error


@cache
def charmap(codec: str) -> str:
    """The characters of the 256 bytes in an encoding of single bytes.

    A byte that has none is, as in browsers, the control character of its number up to 0x9F, else a lone surrogate.
    """
    characters = []
    for byte in range(256):
        try:
            characters.append(bytes([byte]).decode(codec))
        except UnicodeDecodeError:
            characters.append(chr(byte if _FIRST_C1 <= byte <= _LAST_C1 else _ESCAPE + byte))
    return "".join(characters)
