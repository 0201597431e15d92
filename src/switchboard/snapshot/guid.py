"""GUIDs: the names of InfiniBand devices, in one spelling.

A GUID is written `0xb83fd20300a1b2c4` in UFM's CSV, `2c90300f172a0` (no prefix, leading zeros dropped) in UFM's
Prometheus output, in capitals by some tools, and `b83f:d203:00a1:b2c4` by `ibstat` and `ibv_devinfo`.
"""

from __future__ import annotations

import re
from collections.abc import Container

import pyarrow as pa
import pyarrow.compute as pc

_DIGITS = 16
_CANONICAL = "^0x[0-9a-f]{16}$"
# Without 0x, ten digits may as well be the name of a switch. So at least twelve are needed: what is left of a GUID if
# its vendor prefix begins with two zero bytes.
_SPELLING = re.compile(r"0[xX]([0-9A-Fa-f]{1,16})|([0-9A-Fa-f]{12,16})|([0-9A-Fa-f]{4}(?::[0-9A-Fa-f]{4}){3})")


def canonical_guid(text: str) -> str | None:
    """The GUID as ``0x`` and 16 lower-case hexadecimal digits; None if the text is not a GUID in any spelling."""
    spelling = _SPELLING.fullmatch(text)
    if spelling is None:
        return None
    digits = spelling[spelling.lastindex or 0].replace(":", "")
    return f"0x{digits.lower().zfill(_DIGITS)}"


def known_spelling(switch: str, *known: Container[str]) -> str:
    """The name of a switch that a query means: ``switch`` itself if any of ``known`` has it, else its canonical GUID.

    A name that is not a GUID stays as it is.
    """
    if any(switch in names for names in known):
        return switch
    return canonical_guid(switch) or switch


def fold_guids(texts: pa.Array) -> pa.Array:
    """The strings with every GUID in its canonical spelling; the others unchanged."""
    if pc.all(pc.match_substring_regex(texts, _CANONICAL), min_count=0).as_py():
        return texts
    encoded = texts.dictionary_encode()
    folded = [canonical_guid(text) or text for text in encoded.dictionary.to_pylist()]
    return pa.array(folded, pa.string()).take(encoded.indices)
