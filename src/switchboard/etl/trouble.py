"""Trouble with the store, told once: however many sources meet it, and however often.

Trouble of the server (it cannot be reached, is full, refuses) is one subject of the ChangeLog, and each source's lease
keeper and attempts are parties to it. Trouble of keys is a subject for each source.
"""

from __future__ import annotations

from switchboard.errors import StoreError, StoreRefused, StoreUnavailable
from switchboard.log import ChangeLog

SERVER = "store"
"""The subject of trouble that is the server's."""


def store_failed(changes: ChangeLog, source: str, part: str, error: StoreError) -> None:
    """Note that ``part`` of the work on a source failed at the store."""
    if is_of_server(error):
        changes.failed("store failed", SERVER, error.cause, party=_party(source, part), error=str(error))
    else:
        changes.failed("source not written", _keys(source, part), error.cause, source=source, error=str(error))


def store_answered(changes: ChangeLog, source: str, part: str) -> None:
    """Note that the store did what ``part`` of the work on a source asked for."""
    changes.recovered("source written again", _keys(source, part), source=source)
    changes.recovered("store reached", SERVER, party=_party(source, part))


def is_of_server(error: StoreError | None) -> bool:
    """Whether the server refuses or does not answer, whatever the source."""
    return isinstance(error, StoreRefused | StoreUnavailable)


def _keys(source: str, part: str) -> str:
    return f"keys {part} {source}"


def _party(source: str, part: str) -> str:
    return f"{part} {source}"
