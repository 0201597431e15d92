"""GUIDs of InfiniBand nodes and ports: several spellings in the field, one here.

UFM writes ``0x0002c90300f172a0`` in CSV and ``2c90300f172a0`` in Prometheus text for the same node.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_SPELLING = re.compile(r"(?:0[xX])?([0-9a-fA-F]{8,16})|0[xX]([0-9a-fA-F]{1,16})")
_CANONICAL = "^0x[0-9a-f]{16}$"


def canonical_guid(text: str) -> str | None:
    """The GUID in lower case with 0x and 16 digits; None if the text is no GUID."""
    match = _SPELLING.fullmatch(text)
    return None if match is None else f"0x{(match[1] or match[2]).lower():0>16}"


def fold_guids(texts: pa.Array) -> pa.Array:
    """Strings with every GUID among them in its canonical spelling; the rest as it is."""
    if pc.all(pc.match_substring_regex(texts, _CANONICAL), min_count=0).as_py():
        return texts
    encoded = texts.dictionary_encode()
    folded = [canonical_guid(text) or text for text in encoded.dictionary.to_pylist()]
    return pa.array(folded, pa.string()).take(encoded.indices)
