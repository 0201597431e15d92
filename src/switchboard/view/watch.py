"""The watcher: keeps one view up to date with the store, from the first poll to the end of the process.

Three tasks. *listen* hears hints (a pointer moved) and wakes the poll; a hint may be lost at any time. *poll* asks for
the truth every POLL_SECONDS: the list of sources, and of each source its pointer and its status. *load* brings in the
snapshots that pointers name, one at a time, while the poll goes on. Whatever the store does, the view stays, and ages.

Sources are asked side by side, and none waits for another: in a cluster, a node that fails is the trouble of its own
sources only. ``confirmations`` judges what a pointer says about the age of a snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Protocol

import structlog

from switchboard.clocks import boottime
from switchboard.errors import FormatTooNew, SnapshotGone, StoreError, StoreRefused, StoreUnavailable
from switchboard.log import ChangeLog
from switchboard.model import Manifest, SourceStatus, State
from switchboard.view.hooks import Hooks
from switchboard.view.keep import outlived
from switchboard.view.load import BlockStore, Retired, load_snapshot
from switchboard.view.outage import reason
from switchboard.view.sources import Loaded, SourceView
from switchboard.view.view import View
from switchboard.view.watched import NOT_LOGGED, Pointer, Watched, error_text

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 0.5
"""How long a poll waits for answers of the store. Later answers count when they arrive."""
ASK_SECONDS = 2.0
"""Longest time for the questions about one source."""
MOST_ASKED_AT_ONCE = 32
RECONNECT_SECONDS = 10.0
"""Least time between two reconnections that are made because a source has fallen silent."""
LISTEN_AGAIN_SECONDS = 1.0
LOOK_SECONDS = 5.0
"""Time between two looks at what the server says of itself."""
UNLISTED_SECONDS = 10.0
"""How long a source without a live snapshot is known that is not in the list, while others are: when Redis was emptied,
the ETL lists its sources again one by one, and meanwhile none of them may pass for one that does not exist.
"""
MOST_RETRY_SECONDS = 10.0
"""Longest wait before a failed load is tried again; the first wait is two polls, each next one twice as long."""
MOST_LOAD_SECONDS = 300.0
KEEP_BYTES = 400 << 20
"""Room for replaced snapshots: one of 200,000 ports × 195 counters, or many smaller ones."""

log = structlog.get_logger()


class WatchedSources(Protocol):
    """What the watcher needs of ``Store.sources``."""

    async def names(self) -> list[str]:
        """The sources that exist, in configured order."""

    async def status(self, source: str) -> SourceStatus | None:
        """How the last scrape of a source went."""


class WatchedSnapshots(BlockStore, Protocol):
    """What the watcher needs of ``Store.snapshots``."""

    async def pointer(self, source: str) -> tuple[Manifest | None, int]:
        """The current manifest, None without a pointer, and what is left of its TTL in milliseconds.

        Raises SnapshotGone if the pointer is not a manifest, FormatTooNew if only a newer version can read it.
        """

    def hints(self) -> AsyncIterator[str]:
        """Names of sources whose pointer has just moved."""


class WatchedServer(Protocol):
    """What the watcher needs of ``Store.server``."""

    @property
    def policy(self) -> str:
        """What the server does when its memory is full; empty: not known."""

    @property
    def warning(self) -> str:
        """What is wrong with the server although it answers; empty if nothing is known to be wrong."""

    async def look(self) -> None:
        """Ask the server again, if the last time was long enough ago."""


class WatchedStore(Protocol):
    """What the watcher needs of the store. Every method raises StoreError, and StoreUnavailable without an answer."""

    @property
    def sources(self) -> WatchedSources:
        """The list of sources, and their statuses."""

    @property
    def snapshots(self) -> WatchedSnapshots:
        """Pointers, indexes and blocks."""

    @property
    def server(self) -> WatchedServer:
        """What the server says of itself."""

    async def reconnect(self) -> None:
        """Let the next calls make new connections."""


class Watcher:
    """Keeps ``view`` current while ``run`` runs.

    ``clock`` counts seconds and goes on while the machine sleeps. ``keep_bytes`` bounds the replaced snapshots that are
    kept together with the one that is being loaded, so keeping them costs no more memory than a swap does. ``hooks``
    are told what happens.
    """

    def __init__(
        self,
        store: WatchedStore,
        *,
        clock: Callable[[], float] = boottime,
        poll_seconds: float = POLL_SECONDS,
        keep_bytes: int = KEEP_BYTES,
        hooks: Hooks | None = None,
    ) -> None:
        self.view = View()
        self.clock = clock
        self._store = store
        self._poll_seconds = poll_seconds
        self._keep_bytes = keep_bytes
        self._hooks = Hooks() if hooks is None else hooks
        self._watched: dict[str, Watched] = {}
        self._retired: list[Retired] = []
        self._listing: asyncio.Task[None] | None = None
        self._unlisted: Exception | None = None
        """Why the list of sources could not be read the last time."""
        self._answered_at = float("-inf")
        self._reconnect_at = float("-inf")
        self._side_by_side = asyncio.Semaphore(MOST_ASKED_AT_ONCE)
        self._hinted = asyncio.Event()
        self._to_load = asyncio.Event()
        self._changes = ChangeLog(log, clock=clock)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._poll(group))
            group.create_task(self._load())
            group.create_task(self._look())

    def announce_stop(self) -> None:
        """Make /ready say that this process is about to stop."""
        self.view = replace(self.view, stopping=True)

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in self._store.snapshots.hints():
                    self._hinted.set()
                    self._changes.recovered("hints heard again", "hints")
            except Exception as error:  # noqa: BLE001 - hints are a help, never needed; the poll tells of an outage
                if isinstance(error, StoreRefused) and error.cause.startswith("denied"):  # only hints have this right
                    self._changes.failed("hints lost", "hints", error.cause, error=str(error))
                log.debug("hints lost", error=str(error))
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _poll(self, asks: asyncio.TaskGroup) -> None:
        while True:
            await self._ask_store(asks)
            await self._free_retired()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._hinted.wait()
            self._hinted.clear()

    async def _look(self) -> None:
        """Log once when something is wrong with the server although it answers, and once when it is not any more."""
        server, said = self._store.server, ""
        while True:
            await server.look()
            if server.warning and not said:
                log.warning("store in danger", error=server.warning)
            elif said and server.policy and not server.warning:
                log.info("store out of danger")
            if server.policy:
                said = server.warning
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask_store(self, asks: asyncio.TaskGroup) -> None:
        """Ask for the list of sources, and about each source, unless the previous such question is still under way."""
        asked_at = self.clock()
        if self._listing is None or self._listing.done():
            self._listing = asks.create_task(self._ask_list())
        await asyncio.wait([self._listing], timeout=PATIENCE_SECONDS if self._unlisted is None else 0)
        asking = [self._listing]
        for watched in sorted(self._watched.values(), key=lambda each: each.unanswered is not None):
            if watched.asking is None or watched.asking.done():
                watched.asking = asks.create_task(self._ask_source(watched))
            asking.append(watched.asking)
        await asyncio.wait(asking, timeout=PATIENCE_SECONDS)
        self._conclude(asked_at)
        await self._reconnect_if_silent()

    def _conclude(self, asked_at: float) -> None:
        """Log the success or failure of a poll, and publish a view with its results."""
        answered = self._answered_at >= asked_at
        unanswered = next((each.unanswered for each in self._watched.values() if each.unanswered), None)
        trouble = self._unlisted or unanswered
        if trouble is not None:
            expected = isinstance(trouble, StoreError)
            self._hooks.poll_failed()
            self._changes.failed(
                "store failed",
                "store",
                trouble.cause if isinstance(trouble, StoreError) else type(trouble).__name__,
                error=error_text(trouble),
                exc_info=None if expected else trouble,
            )
        elif answered:
            self._changes.recovered("store reached", "store")
        # If other sources are answered, an unanswered one is not the store's trouble: its own ``trouble`` says it.
        store_trouble = self._unlisted or (None if answered else unanswered)
        changes: dict[str, Any] = {"store_answered_at": asked_at} if answered else {}
        changes["store_warning"] = self._store.server.warning
        if answered or store_trouble is not None:  # else nothing new is known
            changes["store_trouble"] = error_text(store_trouble)
        self._publish(**changes)
        if any(watched.wants_load(self.clock()) for watched in self._watched.values()):
            self._to_load.set()

    async def _ask_list(self) -> None:
        asked_at = self.clock()
        try:
            names = await self._store.sources.names()
        except Exception as error:  # noqa: BLE001 - whatever comes out of the store, the sources that are known stay
            self._unlisted = error
            return
        self._unlisted = None
        self._answered_at = max(self._answered_at, asked_at)
        self._order(names)

    async def _reconnect_if_silent(self) -> None:
        """Make new connections if a source has fallen silent although the store answers.

        After a planned fail-over behind one address, a connection may still lead to the server that was the primary.
        """
        now = self.clock()
        if now >= self._reconnect_at and any(watched.is_silent(now) for watched in self._watched.values()):
            self._reconnect_at = now + RECONNECT_SECONDS
            await self._store.reconnect()

    def _order(self, names: list[str]) -> None:
        """Watch the listed sources in this order, and those no longer listed until their snapshots expire, and until
        the list has lacked them for UNLISTED_SECONDS. An empty list lacks none: Redis was emptied, or no ETL has begun.
        """
        now = self.clock()
        known = self._watched
        self._watched = {name: known.get(name) or Watched(SourceView(name=name), self._hooks) for name in names}
        for name, watched in known.items():
            if name in self._watched:
                watched.unlisted_at = None
                continue
            if watched.unlisted_at is None or not names:
                watched.unlisted_at = now
            alive = watched.view.loaded is not None and now < watched.view.expires_at
            if alive or now < watched.unlisted_at + UNLISTED_SECONDS:
                self._watched[name] = watched
            else:
                self._retire(watched)
                self._hooks.forgotten(name)

    async def _ask_source(self, watched: Watched) -> None:
        """Ask for the pointer and the status of one source. A fault in its keys does not affect other sources."""
        name = watched.view.name
        try:
            async with self._side_by_side, asyncio.timeout(ASK_SECONDS):
                asked_at = self.clock()
                manifest, ttl_ms = await self._store.snapshots.pointer(name)
                watched.answered(asked_at)
                watched.note_pointer(manifest, ttl_ms, asked_at)
                watched.note_status(await self._status(name), self.clock())
        except TimeoutError:
            self._source_failed(watched, StoreUnavailable(f"no answer about source {name!r} within {ASK_SECONDS:g} s"))
        except Exception as error:  # noqa: BLE001 - whatever comes out of the store, the view has to stay
            self._source_failed(watched, error)
        else:
            self._answered_at = max(self._answered_at, asked_at)
            self._changes.recovered("source readable", f"source {name}", source=name)

    async def _status(self, name: str) -> SourceStatus | None:
        """The status of a source; None if it cannot be read, so that the pointer still counts."""
        try:
            status = await self._store.sources.status(name)
        except (StoreRefused, StoreUnavailable):
            raise
        except StoreError as error:
            told = error_text(error)
            self._changes.failed("status unreadable", f"status {name}", type(error).__name__, source=name, error=told)
            return None
        self._changes.recovered("status readable", f"status {name}", source=name)
        return status

    def _source_failed(self, watched: Watched, error: Exception) -> None:
        if not isinstance(error, StoreError) or isinstance(error, StoreRefused | StoreUnavailable):
            watched.unanswered = error
            watched.view = replace(watched.view, trouble=error_text(error))
            return
        if isinstance(error, SnapshotGone | FormatTooNew):  # Redis has answered, with something that cannot be used
            self._answered_at = max(self._answered_at, self.clock())
        watched.unreadable(error)
        name, told = watched.view.name, error_text(error)
        self._changes.failed("source unreadable", f"source {name}", type(error).__name__, source=name, error=told)

    async def _load(self) -> None:
        while True:
            await self._to_load.wait()
            self._to_load.clear()
            for watched in list(self._watched.values()):
                pointer = watched.pointer
                if pointer is not None and watched.wants_load(self.clock()):
                    await self._load_one(watched, pointer)

    async def _load_one(self, watched: Watched, pointer: Pointer) -> None:
        manifest = pointer.manifest
        await self._make_room(manifest.size_bytes)
        began = time.perf_counter()
        most_seconds = min(max(1.0, manifest.ttl_ms / 1000), MOST_LOAD_SECONDS)
        try:
            async with asyncio.timeout(most_seconds):
                loaded = Loaded(await load_snapshot(self._store.snapshots, manifest), time.time())
        except TimeoutError:
            slow = StoreUnavailable(f"Redis did not bring all of it within {most_seconds:g} s")
            self._load_failed(watched, manifest, slow)
            return
        except Exception as error:  # noqa: BLE001 - an index or a block may hold anything, and the view has to stay
            self._load_failed(watched, manifest, error)
            return
        seconds = time.perf_counter() - began
        self._hooks.loaded(manifest.source, seconds)
        self._changes.recovered("load recovered", f"load {manifest.source}", source=manifest.source)
        log.debug("snapshot loaded", source=manifest.source, snapshot=loaded.id, rows=manifest.rows, seconds=seconds)
        if watched.pointer is not None and watched.shows(watched.pointer.manifest.snapshot):
            return  # a fail-over has lost the snapshot just loaded, and the shown one was confirmed meanwhile
        await self._swap(watched, pointer, loaded)

    def _load_failed(self, watched: Watched, manifest: Manifest, error: Exception) -> None:
        expected = isinstance(error, StoreError)
        told = error_text(error)
        if isinstance(error, SnapshotGone) and self._store.server.warning:
            told = f"{told}; {self._store.server.warning}"
        watched.failures = watched.failures + 1 if watched.failed_snapshot == manifest.snapshot else 1
        watched.failed_snapshot = manifest.snapshot
        watched.retry_at = self.clock() + min(MOST_RETRY_SECONDS, self._poll_seconds * 2 ** min(watched.failures, 10))
        watched.view = replace(watched.view, trouble=f"snapshot {manifest.snapshot} could not be loaded: {told}")
        self._hooks.load_failed(manifest.source)
        self._changes.failed(
            "load failed",
            f"load {manifest.source}",
            type(error).__name__,
            source=manifest.source,
            snapshot=manifest.snapshot,
            error=told,
            exc_info=None if expected else error,
        )
        self._publish()

    async def _swap(self, watched: Watched, pointer: Pointer, loaded: Loaded) -> None:
        """Show a snapshot in place of the previous one, with the deadlines that were last read for it."""
        shown = watched.with_loaded(pointer, loaded)
        sources = [shown if source.name == shown.name else source for source in self.view.sources]
        await self._hooks.prepare(replace(self.view, sources=tuple(sources)))
        watched.view = watched.with_loaded(pointer, loaded)  # it may have been confirmed meanwhile
        watched.failures, watched.failed_snapshot = 0, ""
        self._publish(swapped=True)

    def _retire(self, watched: Watched) -> None:
        for kept in watched.view.generations():
            self._retired.append(Retired(kept.loaded.snapshot))
        watched.view = replace(watched.view, loaded=None, kept=())

    async def _make_room(self, size_bytes: int) -> None:
        """Drop kept snapshots, the oldest first, to make room for one that is about to be loaded."""
        if self._retire_outlived(self.clock(), size_bytes):
            self._publish()
            await self._free_retired()

    async def _free_retired(self) -> None:
        for retired in list(self._retired):
            if await retired.free() and retired in self._retired:
                self._retired.remove(retired)

    def _retire_outlived(self, now: float, reserved_bytes: int = 0) -> bool:
        """Take the kept snapshots that have to go out of the sources' views. Returns whether there were any."""
        sources = (watched.view for watched in self._watched.values())
        gone = outlived(sources, now, self._keep_bytes - reserved_bytes)
        for name, snapshots in gone.items():
            watched = self._watched[name]
            kept = tuple(each for each in watched.view.kept if each.loaded not in snapshots)
            watched.view = replace(watched.view, kept=kept)
            self._retired += (Retired(loaded.snapshot) for loaded in snapshots)
        return bool(gone)

    def _publish(self, *, swapped: bool = False, **changes: Any) -> None:
        """Put a new view in the place of the old one, without the snapshots that have expired.

        ``swapped``: a source shows another snapshot than before.
        """
        now = self.clock()
        for watched in self._watched.values():
            if watched.view.loaded is not None and now >= watched.view.expires_at:
                self._retire(watched)
                swapped = True
        self._retire_outlived(now)
        self.view = replace(self.view, sources=tuple(watched.view for watched in self._watched.values()), **changes)
        if swapped:
            self._hooks.swapped(self.view)
        self._hooks.observed(self.view, now)
        for watched in self._watched.values():
            self._say_state(watched, now)

    def _say_state(self, watched: Watched, now: float) -> None:
        """Log one line when a source turns late, stale or expired, and when it is fresh again."""
        source, state = watched.view, watched.view.state(now)
        was = watched.logged_state
        if state is was or (state is None and was is NOT_LOGGED):
            return
        watched.logged_state = state
        if state is State.FRESH:
            if was is not NOT_LOGGED:
                log.info("source fresh again", source=source.name)
            return
        log.warning(
            "snapshot expired" if state is None else f"source {state.value}",
            source=source.name,
            confirmed_seconds_ago=round(now - source.confirmed_at, 1),
            why=reason(self.view, now, source),
        )
