"""What the first bytes of a body are, if they are not text: the sentence that refuses the body names it."""

from __future__ import annotations

FIRST_BYTES = 512
"""So many bytes tell every format of the table."""

_TAR_AT = 257
_NOT_TEXT = (
    (b"\xff\xfe\x00\x00", "text in UTF-32"),
    (b"\x00\x00\xfe\xff", "text in UTF-32"),
    (b"\x1f\x8b", "gzip data inside of gzip data"),
    (b"\x1f\x9d", "a file of compress (.Z)"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x04\x22\x4d\x18", "lz4 data"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls)"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\xff\xff\xff\xff", "an Arrow stream"),
    (b"FEA1", "a Feather file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF-", "a PDF document"),
)
_IN_ZIP = (
    (b"[Content_Types].xml", "an Excel workbook (.xlsx)"),
    (b"xl/", "an Excel workbook (.xlsx)"),
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet (.ods)"),
)


def not_text(first: bytes) -> str:
    """What a body is that begins with these bytes; empty if it may be text."""
    if first.startswith(b"PK\x03\x04"):
        return next((name for part, name in _IN_ZIP if part in first), "a zip archive")
    if first.startswith(b"BZh") and first[4:10] == b"1AY&SY":
        return "bzip2 data"
    if first[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return "a tar archive"
    if first[:4].count(0) == 3 and (first[0] or first[3]):
        return "text in UTF-32"
    return next((name for start, name in _NOT_TEXT if first.startswith(start)), "")
