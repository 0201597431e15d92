"""Names in a query: exact names, or patterns in which ``*`` is any text and ``?`` any one character.

There are no other special characters, so names with brackets need no escape.

All names are matched together, one character of the pattern after the other. The time is known beforehand: it grows
with the number of characters of the names times those of the pattern. RE2 was measured and is slower on simple
patterns; `*a????????` costs it a state of its automaton for nearly every character, 40 µs per name.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.snapshot.arrays import Mask

MOST_GLOBS = 16
"""Largest number of patterns in one parameter of a query."""
MOST_GLOB_CHARACTERS = 256
"""Largest number of characters of all patterns in one parameter."""
_BATCH_CHARACTERS = 1 << 17
"""Characters of names that are matched together, padding included: 512 KiB."""


def is_glob(name: str) -> bool:
    """Whether a name in a query has a special character, so that it may be a pattern."""
    return "*" in name or "?" in name


@dataclass(frozen=True, slots=True)
class Names:
    """A set of names: those in ``exact``, and all that match one of ``globs``."""

    exact: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()

    @classmethod
    def of(cls, asked: Iterable[str], known: Container[str] = ()) -> Names | None:
        """The names that a query asks for; None if it asks for none. A name that is ``known`` is not a pattern."""
        names = list(asked)
        globs = tuple(name for name in names if is_glob(name) and name not in known)
        return cls(frozenset(names).difference(globs), globs) if names else None

    def among(self, names: Iterable[str]) -> frozenset[str]:
        """The ``names`` that are in the set."""
        candidates = list(names)
        mask = self.mask(pa.array(candidates, pa.string()))
        return frozenset(name for name, taken in zip(candidates, mask.tolist(), strict=True) if taken)

    def mask(self, names: pa.Array) -> Mask:
        """For each name of a string array, whether it is in the set; a null is not."""
        mask: Mask = pc.is_in(names, pa.array(sorted(self.exact), pa.string())).to_numpy(zero_copy_only=False)
        if not self.globs or names.null_count == len(names):
            return mask
        known = names.dictionary_encode()
        matching = _match(known.dictionary.to_pylist(), self.globs)
        there = known.indices.is_valid().to_numpy(zero_copy_only=False)
        mask = mask.copy()
        mask[there] |= matching[known.indices.drop_null().to_numpy()]
        return mask


def _match(names: Sequence[str], globs: Iterable[str]) -> Mask:
    """For each name, whether it matches any of the patterns."""
    result = np.zeros(len(names), bool)
    for some in _batches(np.asarray([len(name) for name in names], np.int64)):
        texts = [names[index] for index in some.tolist()]
        lengths = np.asarray([len(text) for text in texts])
        width = int(lengths.max(initial=1)) or 1
        characters = np.array(texts, f"U{width}").view(np.uint32).reshape(len(texts), width).T.copy()
        for glob in globs:
            result[some] |= _match_all(characters, lengths, glob)
    return result


def _match_all(characters: npt.NDArray[np.uint32], lengths: npt.NDArray[np.int64], glob: str) -> Mask:
    """For each name, whether it matches one pattern. ``characters`` has a column per name, a line per character.

    After each character of the pattern, ``matched[n]`` says of each name whether its first n characters match so far.
    """
    matched = np.zeros((characters.shape[0] + 1, characters.shape[1]), bool)
    matched[0] = True
    for character in glob:
        if character == "*":
            for before, after in pairwise(matched):  # numpy's accumulate takes ten times as long
                np.logical_or(before, after, out=after)
        else:
            matched[1:] = matched[:-1]
            matched[0] = False
            if character != "?":
                matched[1:] &= characters == ord(character)
    result: Mask = matched[lengths, np.arange(len(lengths))]
    return result


def _batches(lengths: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of names with similar lengths, in batches of little memory even where some names are very long."""
    order = np.argsort(lengths, kind="stable")
    end = len(order)
    while end > 0:
        width = int(lengths[order[end - 1]]) + 1
        start = max(0, end - max(1, _BATCH_CHARACTERS // width))
        yield order[start:end]
        end = start
