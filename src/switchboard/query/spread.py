"""Names as they are asked for: what braces mean, and how many patterns there may be.

``{sw1,sw2}``, as Grafana writes a variable with several values, means each of them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from itertools import product

from switchboard.errors import ErrorKind, QueryError
from switchboard.selection.globs import MOST_GLOB_CHARACTERS, MOST_GLOBS, is_glob

MOST_NAMES = 1_000
"""Most names that the braces in all values of a parameter may stand for."""
# Only the first comma is looked for: with two parts that may hold one, many commas would be tried in all ways.
_BRACES = re.compile(r"\{([^{},]*,[^{}]*)\}")


def spread(parameter: str, asked: Iterable[str], *known: Container[str]) -> tuple[str, ...]:
    """The names that a parameter asks for, each by itself. Raises QueryError (MALFORMED) if they are too many.

    ``rack{1,2}-sw{1,2}`` stands for four names. A name that is in one of ``known`` as it is written is that name; where
    none is given, it is meant both as it is written and spread.
    """
    names: dict[str, None] = {}
    spelled = 0
    for text in asked:
        if "{" not in text or any(text in each for each in known):
            names[text] = None
            continue
        pieces = _BRACES.split(text)  # text and content of braces by turns
        choices = [piece.split(",") if place % 2 else [piece] for place, piece in enumerate(pieces)]
        count = 1
        for choice in choices:
            count *= len(choice)
        spelled += count
        if spelled > MOST_NAMES:
            raise QueryError(
                ErrorKind.MALFORMED,
                f"Too many names in the {parameter} parameter: {{a,b}} may stand for {MOST_NAMES} names at most",
            )
        if not known:
            names[text] = None
        names.update(dict.fromkeys("".join(parts) for parts in product(*choices)))
    return tuple(names)


def check_globs(parameter: str, names: Iterable[str]) -> None:
    """Raise QueryError (MALFORMED) for more or longer patterns than are matched on the event loop."""
    globs = [name for name in names if is_glob(name)]
    if len(globs) > MOST_GLOBS or sum(map(len, globs)) > MOST_GLOB_CHARACTERS:
        limits = f"at most {MOST_GLOBS} with * or ? are taken, of {MOST_GLOB_CHARACTERS} characters altogether"
        raise QueryError(ErrorKind.MALFORMED, f"Too many patterns in the {parameter} parameter: {limits}")
