"""Names that are asked for: as they are, or as patterns in which ``*`` is any text and ``?`` any one character.

There are no other special characters, so that names with brackets need no escape. Patterns are matched by RE2, in time
that grows with the text alone; the number and the length of patterns have limits.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MOST_GLOBS = 32
"""Patterns in one query and parameter."""
LONGEST_GLOB = 256

Mask = npt.NDArray[np.bool_]


def is_glob(name: str) -> bool:
    """Whether a name that is asked for may be a pattern."""
    return "*" in name or "?" in name


@dataclass(frozen=True, slots=True)
class Names:
    """A set of names: those in ``exact``, and all that match one of ``globs``."""

    exact: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()
    _pattern: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", "|".join(_regex(glob) for glob in self.globs))

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
        taken = pc.is_in(names, pa.array(sorted(self.exact), pa.string()))
        if self.globs:
            taken = pc.or_(taken, pc.match_substring_regex(names, self._pattern))
        mask: Mask = taken.fill_null(False).to_numpy(zero_copy_only=False)
        return mask


def _regex(glob: str) -> str:
    # `**` is `*`: one repetition after another would only cost RE2 states.
    parts = re.split(r"(\*+|\?)", glob)
    return r"\A(?s:" + "".join(_SPECIAL.get(part[:1], "") or re.escape(part) for part in parts) + r")\z"


_SPECIAL = {"*": ".*", "?": "."}
