"""Limits that are declared twice: in general, and of one source."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from switchboard.config import limits
from switchboard.config.declare import setting


class _General(msgspec.Struct):
    plain: Annotated[int, setting("most rows", ge=1)] = 1
    cut_at_the_end: Annotated[int, setting("longest time, not the age; 0: 2 intervals, and no less than 20 s", "s")] = 0
    cut_within: Annotated[int, setting("longest time; 0: no limit; a second look accepts more", "s", le=9)] = 0


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("plain", "most rows; 0: as in general"),
        ("cut_at_the_end", "longest time, not the age; 0: as in general"),
        ("cut_within", "longest time; a second look accepts more; 0: as in general"),
    ],
)
def test_a_limit_of_a_source_keeps_its_meaning(monkeypatch: pytest.MonkeyPatch, name: str, meaning: str) -> None:
    """Only what 0 means is another thing for one source, wherever that stands."""
    monkeypatch.setattr(limits, "GeneralLimits", _General)
    assert limits.for_source(name).description == meaning
