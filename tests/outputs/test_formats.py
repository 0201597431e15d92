"""The table of formats."""

from __future__ import annotations

from collections import Counter

from switchboard.outputs.formats import FORMATS


def test_a_media_type_asks_for_one_format() -> None:
    """Of two rows that accept one media type, the second could never be chosen by it; all are in lower case."""
    accepted = [media_type for each in FORMATS.values() for media_type in each.accepted]
    assert [media_type for media_type, count in Counter(accepted).items() if count > 1] == []
    assert accepted == [media_type.lower() for media_type in accepted]


def test_a_format_is_asked_for_by_its_own_media_type() -> None:
    """Whoever sends the content type of an answer as Accept gets that format again."""
    assert [name for name, each in FORMATS.items() if each.media_type not in each.accepted] == []
