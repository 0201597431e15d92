"""Charsets: the names of text encodings, as HTTP headers and settings have them, and which of them can be read."""

from __future__ import annotations

import codecs
import re

UTF_16 = frozenset({"utf-16", "utf-16-le", "utf-16-be"})
MULTIBYTE = frozenset({"cp932", "euc_jp", "cp949", "gb18030", "big5hkscs"})
SINGLE_BYTE = frozenset(
    [
        *(f"cp{number}" for number in (437, 850, 852, 855, 858, 866, 874, *range(1250, 1259))),
        *(f"iso8859-{part}" for part in (*range(2, 9), 10, *range(13, 17))),
        *("koi8-r", "koi8-u", "mac-roman"),
    ]
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}")
_OTHER_NAMES = {"x-sjis": "cp932", "windows-31j": "cp932", "x-cp1252": "cp1252", "x-gbk": "gb18030"}
"""Names that browsers know and Python does not."""
_AS_BROWSERS = {
    "utf-8-sig": "utf-8",
    "ascii": "utf-8",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
}
"""Encodings that are read as a larger one, because what is called by their name usually is in that."""
_READABLE = UTF_16 | MULTIBYTE | SINGLE_BYTE | {"utf-8"}


def codec_of(charset: str) -> str | None:
    """Python's codec for a charset; None if it is unknown, or not an encoding that a body may have."""
    name = _OTHER_NAMES.get(charset.lower())
    if name is None and _NAME.fullmatch(charset):
        try:
            name = codecs.lookup(charset).name
        except LookupError:
            return None
    name = _AS_BROWSERS.get(name or "", name)
    return name if name in _READABLE else None
