"""Checks of the settings that say how a source writes its CSV."""

from __future__ import annotations

from switchboard.config.charsets import codec_of
from switchboard.config.sources import ColumnSettings
from switchboard.errors import ConfigError
from switchboard.moments import read_zone

_MOST_COMMENT = 8


def check_columns(source: str, columns: ColumnSettings) -> None:
    """Raise ConfigError, naming source, key and value, for a setting that cannot be used."""
    if columns.timestamp_zone and read_zone(columns.timestamp_zone) is None:
        raise ConfigError(
            f"source {source!r}, key `columns.timestamp_zone`: {columns.timestamp_zone!r} is neither UTC nor an offset "
            "like +01:00 nor a time zone that this machine knows, like Europe/Berlin"
        )
    comment = columns.comment
    if comment and not (len(comment) <= _MOST_COMMENT and comment.isascii() and comment.isprintable()):
        raise ConfigError(
            f"source {source!r}, key `columns.comment`: {comment!r} is not printable ASCII of at most {_MOST_COMMENT} "
            "characters"
        )
    if comment.startswith((columns.delimiter, '"', " ")):
        raise ConfigError(
            f"source {source!r}, key `columns.comment`: {comment!r} begins like a row, with a blank, a quote or the "
            "delimiter"
        )
    if columns.charset and codec_of(columns.charset) is None:
        raise ConfigError(
            f"source {source!r}, key `columns.charset`: {columns.charset!r} is not a text encoding that can be read, "
            "as utf-8, utf-16, windows-1252 or shift_jis"
        )
