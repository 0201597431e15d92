"""Checks of the settings that say how a source writes its CSV."""

from __future__ import annotations

from switchboard.config.sources import ColumnSettings
from switchboard.errors import ConfigError
from switchboard.moments import read_zone


def check_columns(source: str, columns: ColumnSettings) -> None:
    """Raise ConfigError, naming source, key and value, for a setting that cannot be used."""
    if columns.timestamp_zone and read_zone(columns.timestamp_zone) is None:
        raise ConfigError(
            f"source {source!r}, key `columns.timestamp_zone`: {columns.timestamp_zone!r} is neither UTC nor an offset "
            "like +01:00 nor a time zone that this machine knows, like Europe/Berlin"
        )
