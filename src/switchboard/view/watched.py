"""One source as the watcher knows it: what the view shows of it, and what its pointer and its status say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import structlog

from switchboard.model import FRESH_INTERVALS, Manifest, SourceStatus, State
from switchboard.view.confirmations import Confirmation, Heard, Reading
from switchboard.view.hooks import Hooks
from switchboard.view.sources import Loaded, SourceView
from switchboard.view.state import STORE_SILENCE_SECONDS

NOT_LOGGED = "unsaid"
"""Stands in place of a state until the first log line about a source."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer as it was last read: its manifest, and when the snapshot was confirmed on our clock."""

    manifest: Manifest
    confirmation: Confirmation


@dataclass(slots=True)
class Watched:
    """What the watcher remembers of one source from poll to poll. Moments are on the watcher's clock."""

    view: SourceView
    hooks: Hooks
    logged_state: State | str | None = NOT_LOGGED
    """The state in the last log line about the source; None after its snapshot expired."""
    pointer: Pointer | None = None
    """The last usable pointer. Its snapshot may be shown already. None: there is none."""
    heard: Heard = field(default_factory=Heard)
    status_order: tuple[int, int] = (0, 0)
    """Epoch and number of the latest attempt that a status reported."""
    asking: asyncio.Task[None] | None = None
    """The task that asks the store about the source; it may have ended."""
    unanswered: Exception | None = None
    """Why the store did not answer the last time; None if it did."""
    unlisted_at: float | None = None
    """Since when the list of sources lacks it; None while it is listed."""
    warned_of_format: bool = False
    refused_snapshot: str = ""
    failed_snapshot: str = ""
    failures: int = 0
    retry_at: float = 0.0

    def unreadable(self, error: Exception) -> None:
        """Note that the store has answered, but with something that cannot be used."""
        self.unanswered = None
        self._without_pointer(error_text(error))

    def answered(self, asked_at: float) -> None:
        """Note that the store has answered a question that was sent at ``asked_at``."""
        trouble = "" if self.unanswered is not None else self.view.trouble
        self.unanswered = None
        self.view = replace(self.view, answered_at=asked_at, trouble=trouble)

    def note_status(self, status: SourceStatus | None, now: float) -> None:
        """Take note of a status. Its age counts from the first sight of its attempt; an earlier attempt is ignored."""
        order = (0, 0) if status is None else (status.epoch, status.attempt)
        if order == (0, 0):  # no status, or an older ETL that does not number its attempts
            is_new = status != self.view.status
        elif order < self.status_order and not self.view.no_recent_attempt(now):
            return
        else:
            is_new = order > self.status_order
            self.status_order = order
        seen_at = now if is_new else self.view.status_seen_at
        self.view = replace(self.view, status=status, status_seen_at=seen_at)

    def note_pointer(self, manifest: Manifest | None, ttl_ms: int, asked_at: float) -> None:
        """Take note of a pointer: it may confirm the snapshot we have, name a newer one, or have gone back."""
        if manifest is None:
            self.heard = self.heard.after_nothing(asked_at)
            self.view = replace(self.view, pointer_note="")
            self._without_pointer("")
            return
        self._warn_of_format(manifest)
        self._note_ttl(manifest, ttl_ms)
        reading, self.heard = self.heard.after_pointer(manifest, ttl_ms, asked_at)
        confirmation, is_shown = self.heard.confirmation, self.shows(manifest.snapshot)
        if reading is Reading.OLDER:
            # If it is shown, a fail-over has lost the last confirmation; the next one repairs that.
            if not is_shown:
                self._refuse(manifest)
        elif confirmation is None:
            self._without_pointer(
                f"the age of snapshot {manifest.snapshot} is not known yet: the next confirmation by the ETL tells it"
            )
        else:
            self.pointer = Pointer(manifest, confirmation)
            if is_shown:
                self.view = replace(self.view, trouble="", **confirmation._asdict())

    def shows(self, snapshot: str) -> bool:
        """Whether this snapshot is the one that is shown."""
        return self.view.loaded is not None and self.view.loaded.snapshot.manifest.snapshot == snapshot

    def wants_load(self, now: float) -> bool:
        """Whether the pointer names a live snapshot that is not shown, and an attempt to load it is due."""
        if self.pointer is None or now >= self.pointer.confirmation.expires_at:
            return False
        snapshot = self.pointer.manifest.snapshot
        return not self.shows(snapshot) and (snapshot != self.failed_snapshot or now >= self.retry_at)

    def with_loaded(self, pointer: Pointer, loaded: Loaded) -> SourceView:
        """The source with ``loaded`` in place of the previous snapshot, and with the latest confirmation read."""
        if self.pointer is not None and self.pointer.manifest.snapshot == pointer.manifest.snapshot:
            pointer = self.pointer
        kept = tuple(self.view.generations())
        return replace(self.view, kept=kept, loaded=loaded, trouble="", **pointer.confirmation._asdict())

    def is_silent(self, now: float) -> bool:
        """Whether the store answers, but has shown neither a confirmation nor an attempt for too long."""
        interval, confirmation = self.view.interval_seconds, self.heard.confirmation
        if confirmation is None or interval is None or now - self.view.answered_at > STORE_SILENCE_SECONDS:
            return False
        return now - confirmation.confirmed_at > FRESH_INTERVALS * interval and self.view.no_recent_attempt(now)

    def _without_pointer(self, trouble: str) -> None:
        self.pointer = None
        self.view = replace(self.view, trouble=trouble)

    def _refuse(self, manifest: Manifest) -> None:
        """Do not follow a pointer to an older snapshot while ours lives: no client gets older data after newer."""
        self._without_pointer(f"the store names an older snapshot, {manifest.snapshot}")
        if self.refused_snapshot != manifest.snapshot:
            self.refused_snapshot = manifest.snapshot
            self.hooks.pointer_refused(manifest.source)
            kept = None if self.view.loaded is None else self.view.loaded.id
            log.warning("pointer refused", source=manifest.source, snapshot=manifest.snapshot, kept=kept)

    def _note_ttl(self, manifest: Manifest, ttl_ms: int) -> None:
        """Note a TTL that no ETL has given to the pointer, and log it once. It is not believed."""
        given = f"the {manifest.ttl_ms / 1000:g} s that it was given"
        note = ""
        if ttl_ms < 0:
            note = f"its pointer in Redis has no TTL in place of {given}: somebody has made it persistent"
        elif ttl_ms > manifest.ttl_ms:
            note = f"its pointer in Redis has a TTL of {ttl_ms / 1000:.0f} s in place of {given}: by hand, or the clock"
            note += " of Redis was set back"
        if note and not self.view.pointer_note:
            log.warning("pointer with an odd ttl", source=manifest.source, why=note)
        if note != self.view.pointer_note:
            self.view = replace(self.view, pointer_note=note)

    def _warn_of_format(self, manifest: Manifest) -> None:
        """Log once that the ETL of a source does not number its confirmations."""
        if manifest.seq == 0 and not self.warned_of_format:
            log.warning(
                "the ETL is of an older version and does not number its confirmations, so the ages of its snapshots "
                "depend on the clock of Redis: upgrade it",
                source=manifest.source,
            )
        self.warned_of_format = manifest.seq == 0


def error_text(error: Exception | None) -> str:
    """An error in words; empty for none."""
    return "" if error is None else str(error) or type(error).__name__
