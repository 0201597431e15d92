"""Names that are asked for: as they are, or as patterns in which ``*`` is any text and ``?`` any one character.

There are no other special characters, so that names with brackets need no escape.

All names are matched at once, one character of the pattern after the other: what that takes is known beforehand, and
grows with the number of characters of both. RE2 was measured and is slower on simple patterns; `*a????????` costs it a
state of its automaton for nearly every character, 40 µs a name.
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
"""Patterns in one query and parameter."""
MOST_GLOB_CHARACTERS = 256
"""Their characters altogether."""
_BATCH_CHARACTERS = 1 << 17


def is_glob(name: str) -> bool:
    """Whether a name that is asked for may be a pattern."""
    return "*" in name or "?" in name


@dataclass(frozen=True, slots=True)
class Names:
    """A set of names: those in ``exact``, and all that match one of ``globs``."""

    exact: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()

    @classmethod
    def of(cls, asked: Iterable[str], known: Container[str] = ()) -> Names | None:
        """What a query asks for; None: for nothing in particular. A name that is ``known`` is no pattern."""
        names = list(asked)
        globs = tuple(name for name in names if is_glob(name) and name not in known)
        return cls(frozenset(names).difference(globs), globs) if names else None

    def among(self, names: Iterable[str]) -> frozenset[str]:
        """Those of ``names`` that are in the set."""
        candidates = list(names)
        mask = self.mask(pa.array(candidates, pa.string()))
        return frozenset(name for name, taken in zip(candidates, mask.tolist(), strict=True) if taken)

    def mask(self, names: pa.Array) -> Mask:
        """For each name of a string array whether it is in the set; a null is not."""
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
    """For each name whether it matches any of the patterns."""
    result = np.zeros(len(names), bool)
    for some in _batches(np.asarray([len(name) for name in names], np.int64)):
        texts = [names[place] for place in some.tolist()]
        lengths = np.asarray([len(text) for text in texts])
        width = int(lengths.max(initial=1)) or 1
        characters = np.array(texts, f"U{width}").view(np.uint32).reshape(len(texts), width).T.copy()
        for glob in globs:
            result[some] |= _match_all(characters, lengths, glob)
    return result


def _match_all(characters: npt.NDArray[np.uint32], lengths: npt.NDArray[np.int64], glob: str) -> Mask:
    """``characters`` has a column a name. After each character of the pattern a cell says: that far it matches."""
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
    """Names by length, in batches that need little memory even where some are very long."""
    order = np.argsort(lengths, kind="stable")
    at = len(order)
    while at > 0:
        width = int(lengths[order[at - 1]]) + 1
        start = max(0, at - max(1, _BATCH_CHARACTERS // width))
        yield order[start:at]
        at = start
