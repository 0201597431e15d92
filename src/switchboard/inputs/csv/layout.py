"""How the bytes of a body are divided into rows and cells."""

from __future__ import annotations

import re
from dataclasses import dataclass

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may stand between two cells, and what people call it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The separators of a body, as the settings and the header tell them."""

    delimiter: str = ","
    comment: str = ""
    """Lines that begin with this are left out; empty: there are no such lines."""
    padded: bool = False
    """Whether blanks at the ends of a cell are left out, because the names in the header have some."""

    @property
    def separator(self) -> bytes:
        """The delimiter as a byte."""
        return self.delimiter.encode()

    @property
    def control(self) -> re.Pattern[bytes]:
        """Bytes that no row may have."""
        return _CONTROL_BUT_TAB if self.delimiter == "\t" else _CONTROL

    def has_comment(self, chunk: bytes) -> bool:
        """Whether a line of a chunk of whole lines is a comment."""
        comment = self.comment.encode()
        return bool(comment) and (chunk.startswith(comment) or b"\n" + comment in chunk)

    def is_comment(self, line: bytes) -> bool:
        """Whether a line is a comment."""
        return bool(self.comment) and line.startswith(self.comment.encode())

    def unpadded(self, chunk: bytes) -> bytes:
        """A chunk of lines without quotes and carriage returns, with the blanks at the ends of its cells left out."""
        separator = self.separator
        padding = (separator + b" ", b" " + separator, b"\n ", b" \n")
        for padded in padding:  # almost always one blank, and this is much faster than the expression
            chunk = chunk.replace(padded, padded.strip(b" "))
        if any(padded in chunk for padded in padding) or chunk.startswith(b" "):
            end = b"[%b\n]" % re.escape(separator)
            # Possessive, and from the first blank on only: else a line of blanks is looked at once for each of them.
            chunk = re.sub(rb"(?:(?<=%b)|\A) ++|(?<! ) ++(?=%b)" % (end, end), b"", chunk)
        return chunk


COMMAS = Layout()
_CONTROL = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")  # a line end may be part of a quoted cell
_CONTROL_BUT_TAB = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
