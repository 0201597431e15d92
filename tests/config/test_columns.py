"""Settings of columns that cannot be used are refused at the start, with a sentence that names them."""

from __future__ import annotations

from typing import Any

import pytest

from switchboard.config.columns import check_columns
from switchboard.config.sources import ColumnSettings
from switchboard.errors import ConfigError


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"timestamp_zone": "UTC"},
        {"timestamp_zone": "+01:00"},
        {"timestamp_zone": "Europe/Berlin"},
        {"charset": "Windows-1252"},
        {"charset": "utf-16"},
    ],
)
def test_what_can_be_used_is_taken(settings: dict[str, Any]) -> None:
    """Each setting may have any value that its documentation names."""
    check_columns("lab", ColumnSettings(**settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"timestamp_zone": "Europe/Atlantis"}, ["`columns.timestamp_zone`", "'Europe/Atlantis'"]),
        ({"timestamp_zone": "../../etc/passwd"}, ["`columns.timestamp_zone`"]),
        ({"charset": "klingon"}, ["`columns.charset`", "'klingon'"]),
        ({"charset": "idna"}, ["`columns.charset`", "'idna'"]),
        ({"timestamp_zone": "+25:00"}, ["`columns.timestamp_zone`", "'+25:00'"]),
    ],
)
def test_what_cannot_be_used_is_explained(settings: dict[str, Any], words: list[str]) -> None:
    """The sentence has the source, the key and the value."""
    with pytest.raises(ConfigError) as raised:
        check_columns("lab", ColumnSettings(**settings))
    assert all(word in str(raised.value) for word in ["'lab'", *words])
