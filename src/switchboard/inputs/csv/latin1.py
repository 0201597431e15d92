"""Text that should be UTF-8 and sometimes is ISO-8859-1: node descriptions of UFM, typed in by people.

ISO-8859-1 is read as windows-1252, as browsers do: it has dashes and quotes where the other has control characters.
"""

from __future__ import annotations

import codecs

from switchboard.inputs.text import charmap

_WINDOWS_1252 = charmap("cp1252")


def decode_cell(cell: bytes) -> str:
    """A cell as UTF-8 if it is valid, else as windows-1252 (which every byte is)."""
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return codecs.charmap_decode(cell, "strict", _WINDOWS_1252)[0]


def is_utf8(cell: bytes) -> bool:
    """Whether a cell is valid UTF-8."""
    try:
        cell.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
