"""Text that should be UTF-8 and sometimes is ISO-8859-1: node descriptions of UFM, typed in by people."""

from __future__ import annotations


def decode_cell(cell: bytes) -> str:
    """A cell as UTF-8 if it is valid, else as ISO-8859-1 (which every byte is)."""
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return cell.decode("latin-1")


def is_utf8(cell: bytes) -> bool:
    """Whether a cell is valid UTF-8."""
    try:
        cell.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
