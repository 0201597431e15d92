"""Names that exist and are like one that does not: what a sentence with "did you mean" may name.

The cost is bounded, because errors are asked for in numbers, too. Few names (columns, sources, parameters, paths) have
an index that is made once. Of the many switches, only some spellings of the wrong name are looked up: another case,
other separators, other zeros, a character too many, two characters swapped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from switchboard.errors import ErrorKind, QueryError
from switchboard.snapshot.snapshot import Snapshot
from switchboard.view.view import View

MOST_NAMED = 3
"""Most names in a sentence. A spelling that more names are like says nothing."""
_MOST_CHARACTERS = 64
"""A longer name is like no other."""
_LEAST_CHARACTERS = 4
"""Letters and digits of the shortest name in which one may be wrong."""
_MOST_MENDED = 40
"""Characters of the longest name of a switch of which other spellings than those in another case are looked up."""
_MOST_INDEXED = 1_024
_MOST_SOURCES = 8
_MOST_SCHEMAS = 4
_SAME = "="
_NOT_WORD = re.compile(r"[\W_]+")
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_NUMBER = re.compile(r"[0-9]+")
_DIGIT = re.compile(r"[0-9]")


def near(view: View, error: QueryError) -> tuple[str, ...]:
    """Names for the value of a parameter that does not exist; none if the error is about something else."""
    if error.kind is not ErrorKind.NOT_FOUND or not error.parameter or len(error.value) > _MOST_CHARACTERS:
        return ()
    wrong = error.value
    if error.parameter == "source":
        return like(wrong, tuple(source.name for source in view.sources))
    snapshots = [source.loaded.snapshot for source in view.sources[:_MOST_SOURCES] if source.loaded is not None]
    found: dict[str, None] = {}
    for snapshot in snapshots:
        if error.parameter == "switch_id":
            switches = snapshot.switches
            found.update(dict.fromkeys([each for each in _spellings(wrong) if each in switches]))
        elif error.parameter == "metric":
            found.update(dict.fromkeys(like(wrong, _columns(snapshot))))
    found.pop(wrong, None)
    return tuple(found)[:MOST_NAMED]


def like(wrong: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that are like the wrong one in their letters and digits, but for one of them or a word at an end."""
    return () if len(wrong) > _MOST_CHARACTERS else _like(wrong, names)


@lru_cache(256)  # who asks for a wrong name asks for it again and again
def _like(wrong: str, names: tuple[str, ...]) -> tuple[str, ...]:
    index = _index(names[:_MOST_INDEXED])
    folded = _folded(wrong)
    if wrong in index.get(_SAME + folded, ()):
        return ()  # it exists, and what is missing is a cell
    for keys in ((_SAME + folded,), (folded, *_shorter(folded))):
        found = {name: None for key in keys for name in index.get(key, ())}
        if 0 < len(found) <= MOST_NAMED:
            return tuple(found)
    return ()


def did_you_mean(names: Iterable[str]) -> str:
    """The question that names them, which a sentence may end with; empty without names."""
    *more, last = [*names] or [""]
    return f"did you mean {', '.join(more)}{' or ' if more else ''}{last}?" if last else ""


@lru_cache(64)
def _index(names: tuple[str, ...]) -> dict[str, list[str]]:
    """Names by their letters and digits, by these without one of them, and by these without a word at an end.

    The key that names with the same letters and digits share begins with _SAME.
    """
    index: dict[str, list[str]] = {}
    for name in names:
        if len(name) > _MOST_CHARACTERS:
            continue
        folded, words = _folded(name), [word for word in _NOT_WORD.split(name) if word]
        keys = {_SAME + folded, folded, *_shorter(folded)}
        if len(words) > 1:
            keys |= {_folded("".join(words[1:])), _folded("".join(words[:-1]))}
        for key in keys:
            index.setdefault(key, []).append(name)
    return index


def _folded(name: str) -> str:
    return _NOT_WORD.sub("", name).casefold()


def _shorter(folded: str) -> list[str]:
    """A name without one of its characters: two names that differ in one character share one of these, or are one."""
    if len(folded) < _LEAST_CHARACTERS:
        return []
    return [folded[:at] + folded[at + 1 :] for at in range(len(folded))]


@lru_cache(256)
def _spellings(wrong: str) -> list[str]:
    """What a wrong name of a switch may be meant for: some two for each of its characters."""
    name = wrong.strip()
    lower = name.lower()
    found = [name, lower, name.upper(), name.capitalize()]
    for text in (name,) if name == lower else (name, lower):
        if len(text) > _MOST_MENDED:
            continue
        if "_" in text or "-" in text:
            found += (text.replace("_", "-"), text.replace("-", "_"))
        if _DIGIT.search(text):
            bare = _ZEROS.sub("", text)
            found += (bare, _padded(bare, 2), _padded(bare, 3))
        # sw12 is not a wrong sw1, nor sw21: a digit is neither left out nor swapped with another.
        found += [text[:at] + text[at + 1 :] for at, character in enumerate(text) if not "0" <= character <= "9"]
        found += [
            text[:at] + text[at + 1] + text[at] + text[at + 2 :]
            for at in range(len(text) - 1)
            if not (text[at] <= "9" and text[at + 1] <= "9")
        ]
    return found


def _padded(text: str, width: int) -> str:
    """The text with zeros before its numbers."""
    return _NUMBER.sub(lambda number: number[0].zfill(width), text)


def _columns(snapshot: Snapshot) -> tuple[str, ...]:
    schemas = snapshot.schemas[:_MOST_SCHEMAS]
    return tuple(dict.fromkeys(name for block in schemas for name in (*block.metrics, *block.labels)))
