"""The watcher: keeps one view up to date with the store, from the first poll to the end of the process.

Three tasks. *listen* hears hints (a pointer moved) and wakes the poll; a hint may be lost at any time. *poll* asks for
the truth every POLL_SECONDS: sources, pointers with their TTL, statuses. *load* brings in the snapshots that pointers
name, one at a time, while the poll goes on. Whatever the store does, the view stays, and ages.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from switchboard.api import metrics
from switchboard.api.bodies import MOST_WARMED, BodyTable
from switchboard.api.keep import outlived
from switchboard.api.load import BlockStore, Retired, load_snapshot
from switchboard.api.outage import reason
from switchboard.api.view import Loaded, SourceView, View
from switchboard.api.warm import FIRST_ASKED, warm
from switchboard.errors import SnapshotGone, StoreError, StoreUnavailable
from switchboard.log import ChangeLog
from switchboard.model import Manifest, SourceStatus, State

POLL_SECONDS = 0.5
LISTEN_AGAIN_SECONDS = 1.0
MOST_RETRY_SECONDS = 10.0
"""A snapshot that could not be loaded is tried again after two polls, then twice as long each time, up to this."""
MOST_LOAD_SECONDS = 300.0
KEEP_BYTES = 400 << 20
"""One snapshot of 200,000 ports × 195 counters, and many of what is smaller."""

_UNSAID = "unsaid"

log = structlog.get_logger()


class WatchedStore(BlockStore, Protocol):
    """What the watcher needs of the store. Every method raises StoreError, and StoreUnavailable without an answer."""

    async def sources(self) -> list[str]:
        """The sources that exist, in configured order."""

    async def pointer(self, source: str) -> tuple[Manifest | None, int]:
        """The current manifest and its TTL in milliseconds. Raises SnapshotGone if the pointer is no manifest."""

    async def status(self, source: str) -> SourceStatus | None:
        """What the ETL last saw of a source."""

    def hints(self) -> AsyncIterator[str]:
        """Names of sources whose pointer has just moved."""


@dataclass(frozen=True, slots=True)
class _Pointer:
    """A pointer as it was last read: its manifest, and how long it is good for on our clock."""

    manifest: Manifest
    confirmed_at: float
    expires_at: float


@dataclass(slots=True)
class _Watched:
    """A source as the watcher knows it: what the view shows, and what the pointer says."""

    view: SourceView
    said: State | str | None = _UNSAID
    """The state that the log told last; None after it expired."""
    pointer: _Pointer | None = None
    refused_snapshot: str = ""
    failed_snapshot: str = ""
    failures: int = 0
    retry_at: float = 0.0


class Watcher:
    """Keeps ``view`` current while ``run`` runs.

    ``clock`` is monotonic, in seconds; ``keep_bytes`` bounds the replaced snapshots that are kept while they live, and
    with them the one that is being loaded: keeping them costs no more memory than a swap does. ``on_first_load`` is
    called once, when the first snapshot is in the view.
    """

    def __init__(
        self,
        store: WatchedStore,
        *,
        clock: Callable[[], float] = time.monotonic,
        poll_seconds: float = POLL_SECONDS,
        keep_bytes: int = KEEP_BYTES,
        on_first_load: Callable[[], object] = lambda: None,
    ) -> None:
        self.view = View()
        self.clock = clock
        self._store = store
        self._poll_seconds = poll_seconds
        self._keep_bytes = keep_bytes
        self._on_first_load: Callable[[], object] | None = on_first_load
        self._watched: dict[str, _Watched] = {}
        self._retired: list[Retired] = []
        self._hinted = asyncio.Event()
        self._to_load = asyncio.Event()
        self._changes = ChangeLog(log, clock=clock)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._poll())
            group.create_task(self._load())

    def announce_stop(self) -> None:
        """Tell those who ask whether we are ready that we soon will not be."""
        self.view = replace(self.view, stopping=True)

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in self._store.hints():
                    self._hinted.set()
            except Exception as error:  # noqa: BLE001 - hints are a help, never needed; the poll tells of an outage
                log.debug("hints lost", error=str(error))
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _poll(self) -> None:
        while True:
            await self._ask_store()
            await self._free_retired()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._hinted.wait()
            self._hinted.clear()

    async def _ask_store(self) -> None:
        asked_at = self.clock()
        try:
            names = await self._store.sources()
            self._order(names)
            for watched in list(self._watched.values()):
                await self._ask_source(watched)
        except Exception as error:  # noqa: BLE001 - whatever comes out of the store, the view has to stay
            expected = isinstance(error, StoreError)
            metrics.STORE_FAILURES.inc()
            self._changes.failed(
                "store failed", "store", type(error).__name__, error=str(error), exc_info=None if expected else error
            )
            self._publish(store_trouble=str(error) or type(error).__name__)
            return
        self._changes.recovered("store reached", "store")
        self._publish(store_trouble="", store_answered_at=asked_at)
        if any(self._wants_load(watched) for watched in self._watched.values()):
            self._to_load.set()

    def _order(self, names: list[str]) -> None:
        """Watch these sources in this order, and those that are not listed any more until their snapshots expire."""
        now = self.clock()
        known = self._watched
        self._watched = {name: known.get(name, _Watched(SourceView(name=name))) for name in names}
        for name, watched in known.items():
            if name in self._watched:
                continue
            if watched.view.loaded is not None and now < watched.view.expires_at:
                self._watched[name] = watched
            else:
                self._retire(watched)
                metrics.forget_source(name)

    async def _ask_source(self, watched: _Watched) -> None:
        """Ask for the pointer and the status of one source. What is wrong with its keys is its own trouble only."""
        name, subject = watched.view.name, f"source {watched.view.name}"
        asked_at = self.clock()
        try:
            manifest, ttl_ms = await self._store.pointer(name)
            if manifest is not None and manifest.source != name:
                raise SnapshotGone(f"the pointer of source {name!r} names a snapshot of {manifest.source!r}")
            status = await self._store.status(name)
        except StoreUnavailable:
            raise
        except StoreError as error:
            watched.pointer = None
            watched.view = replace(watched.view, trouble=str(error))
            self._changes.failed("source unreadable", subject, type(error).__name__, source=name, error=str(error))
            return
        self._changes.recovered("source readable", subject, source=name)
        view = watched.view
        seen_at = view.status_seen_at if status == view.status else self.clock()
        watched.view = replace(view, answered_at=asked_at, status=status, status_seen_at=seen_at)
        if manifest is None:
            watched.pointer = None
            watched.view = replace(watched.view, trouble="")
        else:
            confirmed_at = asked_at - max(0, manifest.ttl_ms - ttl_ms) / 1000
            self._follow(watched, _Pointer(manifest, confirmed_at, asked_at + ttl_ms / 1000))

    def _follow(self, watched: _Watched, pointer: _Pointer) -> None:
        """Take note of a pointer; it may confirm the snapshot we have, name a newer one, or have gone back."""
        manifest, loaded = pointer.manifest, watched.view.loaded
        if loaded is not None and loaded.snapshot.manifest.snapshot == manifest.snapshot:
            watched.view = replace(
                watched.view, confirmed_at=pointer.confirmed_at, expires_at=pointer.expires_at, trouble=""
            )
        elif loaded is not None and _age(manifest) < _age(loaded.snapshot.manifest):
            # Followed again once ours has expired: then nobody is shown older data after newer.
            watched.pointer = None
            watched.view = replace(watched.view, trouble=f"the store names an older snapshot, {manifest.snapshot}")
            if watched.refused_snapshot != manifest.snapshot:
                watched.refused_snapshot = manifest.snapshot
                metrics.POINTERS_REFUSED.labels(manifest.source).inc()
                log.warning("pointer refused", source=manifest.source, snapshot=manifest.snapshot, kept=loaded.id)
            return
        watched.pointer = pointer

    def _wants_load(self, watched: _Watched) -> bool:
        pointer, loaded = watched.pointer, watched.view.loaded
        if pointer is None:
            return False
        snapshot = pointer.manifest.snapshot
        if loaded is not None and loaded.snapshot.manifest.snapshot == snapshot:
            return False
        return snapshot != watched.failed_snapshot or self.clock() >= watched.retry_at

    async def _load(self) -> None:
        while True:
            await self._to_load.wait()
            self._to_load.clear()
            for watched in list(self._watched.values()):
                pointer = watched.pointer
                if pointer is not None and self._wants_load(watched):
                    await self._load_one(watched, pointer)

    async def _load_one(self, watched: _Watched, pointer: _Pointer) -> None:
        manifest = pointer.manifest
        await self._make_room(manifest.size_bytes)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(min(max(1.0, manifest.ttl_ms / 1000), MOST_LOAD_SECONDS)):
                loaded = Loaded(await load_snapshot(self._store, manifest), time.time())
        except Exception as error:  # noqa: BLE001 - an index or a block may hold anything, and the view has to stay
            self._load_failed(watched, manifest, error)
            return
        seconds = time.perf_counter() - began
        metrics.LOADS.labels(manifest.source, "ok").inc()
        metrics.LOAD_SECONDS.observe(seconds)
        self._changes.recovered("load recovered", f"load {manifest.source}", source=manifest.source)
        log.debug("snapshot loaded", source=manifest.source, snapshot=loaded.id, rows=manifest.rows, seconds=seconds)
        await self._swap(watched, pointer, loaded)

    def _load_failed(self, watched: _Watched, manifest: Manifest, error: Exception) -> None:
        expected = isinstance(error, StoreError | TimeoutError)
        sentence = str(error) or type(error).__name__
        watched.failures = watched.failures + 1 if watched.failed_snapshot == manifest.snapshot else 1
        watched.failed_snapshot = manifest.snapshot
        watched.retry_at = self.clock() + min(MOST_RETRY_SECONDS, self._poll_seconds * 2 ** min(watched.failures, 10))
        watched.view = replace(watched.view, trouble=f"snapshot {manifest.snapshot} could not be loaded: {sentence}")
        metrics.LOADS.labels(manifest.source, "failed").inc()
        self._changes.failed(
            "load failed",
            f"load {manifest.source}",
            type(error).__name__,
            source=manifest.source,
            snapshot=manifest.snapshot,
            error=sentence,
            exc_info=None if expected else error,
        )
        self._publish()

    async def _swap(self, watched: _Watched, pointer: _Pointer, loaded: Loaded) -> None:
        """Show a snapshot in place of the previous one, with the deadlines that were last read for it."""
        bodies = await self._warmed(_shown(watched, pointer, loaded))
        watched.view = _shown(watched, pointer, loaded)
        watched.failures, watched.failed_snapshot = 0, ""
        self._publish(bodies=bodies)
        if self._on_first_load is not None:
            self._on_first_load()
            self._on_first_load = None

    async def _warmed(self, shown: SourceView) -> BodyTable:
        """A table for the view as it will be with ``shown``, with the bodies in it that were last asked for."""
        sources = [shown if source.name == shown.name else source for source in self.view.sources]
        view = replace(self.view, sources=tuple(sources), bodies=BodyTable())
        first = self._on_first_load is not None
        try:
            await warm(view, self.clock(), FIRST_ASKED if first else self.view.bodies.last_asked(MOST_WARMED))
        except Exception as error:
            log.debug("body not warmed", exc_info=error)
        return view.bodies

    def _retire(self, watched: _Watched) -> None:
        for kept in watched.view.generations():
            self._retired.append(Retired(kept.loaded.snapshot))
        watched.view = replace(watched.view, loaded=None, kept=())

    async def _make_room(self, size_bytes: int) -> None:
        """Let go of kept snapshots for one that is about to be loaded, the oldest first."""
        if self._retire_outlived(self.clock(), size_bytes):
            self._publish()
            await self._free_retired()

    async def _free_retired(self) -> None:
        for retired in list(self._retired):
            if await retired.free() and retired in self._retired:
                self._retired.remove(retired)

    def _retire_outlived(self, now: float, reserved_bytes: int = 0) -> bool:
        """Take kept snapshots that have to go out of the views; whether there were any."""
        sources = (watched.view for watched in self._watched.values())
        gone = outlived(sources, now, self._keep_bytes - reserved_bytes)
        for name, snapshots in gone.items():
            watched = self._watched[name]
            kept = tuple(each for each in watched.view.kept if each.loaded not in snapshots)
            watched.view = replace(watched.view, kept=kept)
            self._retired += (Retired(loaded.snapshot) for loaded in snapshots)
        return bool(gone)

    def _publish(self, **changes: Any) -> None:
        """Put a new view in the place of the old one, without the snapshots that have expired."""
        now = self.clock()
        for watched in self._watched.values():
            if watched.view.loaded is not None and now >= watched.view.expires_at:
                self._retire(watched)
                changes.setdefault("bodies", BodyTable())
        self._retire_outlived(now)
        self.view = replace(self.view, sources=tuple(watched.view for watched in self._watched.values()), **changes)
        metrics.observe_view(self.view, now)
        for watched in self._watched.values():
            self._say_state(watched, now)

    def _say_state(self, watched: _Watched, now: float) -> None:
        """One line when a source turns late, stale or expired, and when it is fresh again."""
        source, state = watched.view, watched.view.state(now)
        was = watched.said
        if state is was or (state is None and was is _UNSAID):
            return
        watched.said = state
        if state is State.FRESH:
            if was is not _UNSAID:
                log.info("source fresh again", source=source.name)
            return
        log.warning(
            "snapshot expired" if state is None else f"source {state.value}",
            source=source.name,
            confirmed_seconds_ago=round(now - source.confirmed_at, 1),
            why=reason(self.view, now, source),
        )


def _shown(watched: _Watched, pointer: _Pointer, loaded: Loaded) -> SourceView:
    latest = watched.pointer
    if latest is not None and latest.manifest.snapshot == pointer.manifest.snapshot:
        pointer = latest
    return replace(
        watched.view,
        kept=tuple(watched.view.generations()),
        loaded=loaded,
        confirmed_at=pointer.confirmed_at,
        expires_at=pointer.expires_at,
        trouble="",
    )


def _age(manifest: Manifest) -> tuple[int, int]:
    """What tells two snapshots of a source apart in time: the epoch of their writer, then when the scrape began."""
    return manifest.epoch, manifest.scraped_ms
