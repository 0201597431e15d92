"""Names and patterns, against the standard library's ``fnmatchcase``."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.selection.globs import MOST_GLOB_CHARACTERS, Names
from tests.lab.fuzz import fuzz

TEXTS = st.text("ab*?[]()|.\\^$\n é0", max_size=8)


def matches(name: str, glob: str) -> bool:
    return fnmatchcase(name, glob.replace("[", "[[]"))


@given(st.lists(TEXTS, max_size=6), st.lists(TEXTS, min_size=1, max_size=3), st.frozensets(TEXTS, max_size=2))
@fuzz()
def test_patterns_match_what_fnmatchcase_matches(names: list[str], globs: list[str], exact: frozenset[str]) -> None:
    """``*`` and ``?`` are the only special characters; line ends and letters beyond ASCII are like all others."""
    wanted = Names(exact, tuple(globs))
    expected = [name in exact or any(matches(name, glob) for glob in globs) for name in names]
    assert wanted.mask(pa.array(names, pa.string())).tolist() == expected
    assert wanted.among(names) == {name for name, taken in zip(names, expected, strict=True) if taken}


@given(st.lists(TEXTS, max_size=4), st.frozensets(TEXTS, max_size=3))
@fuzz(0.5)
def test_a_name_that_exists_is_no_pattern(asked: list[str], known: frozenset[str]) -> None:
    """Only names with ``*`` or ``?`` that do not exist as they are written are patterns."""
    names = Names.of(asked, known)
    if names is None:
        assert not asked
        return
    assert names.exact | set(names.globs) == set(asked)
    assert all(("*" in glob or "?" in glob) and glob not in known for glob in names.globs)
    assert all(name in known or not ("*" in name or "?" in name) for name in names.exact)


def test_a_null_is_in_no_set() -> None:
    """Rows without a port match no pattern."""
    assert Names(frozenset({""}), ("*",)).mask(pa.array([None, ""], pa.string())).tolist() == [False, True]
    assert Names(globs=("*",)).mask(pa.nulls(2, pa.string())).tolist() == [False, False]


@pytest.mark.parametrize("glob", ["*a", "*?", "a**", "*a????????"])
def test_the_worst_patterns_are_matched_too(glob: str) -> None:
    """What sends a search by trial back and back again is done with in as many steps as any other pattern."""
    pattern = (glob * MOST_GLOB_CHARACTERS)[: MOST_GLOB_CHARACTERS - 1] + "c"
    names = ["a" * 250 + end for end in ("b", "c")] * 1000
    expected = [False, all(each in "a*?" for each in pattern[:-1])] * 1000
    assert Names(globs=(pattern,)).mask(pa.array(names, pa.string())).tolist() == expected


def test_one_very_long_name_costs_the_others_nothing() -> None:
    """Names are matched beside others of about their length: a matrix as wide as the longest would take 4 GB here."""
    names = [f"sw{number}" for number in range(10_000)] + ["x" * 100_000 + "y"]
    assert Names(globs=("*y", "sw999?")).among(names) == {*names[9990:]}
