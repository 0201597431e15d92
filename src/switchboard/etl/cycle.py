"""Cycle: one attempt at one source. Scrape, then publish the body, or confirm the current snapshot."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import math
import secrets
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import aiohttp
import msgspec
import structlog

from switchboard.clocks import SYSTEM_CLOCKS, Clocks
from switchboard.config.sources import Access, Source
from switchboard.errors import BodyError, BodyHeld, FormatTooNew, LeaseLost, SnapshotGone, SourceError
from switchboard.etl import metrics
from switchboard.etl.age import data_age_ms, limit_ms, period_ms
from switchboard.etl.gate import Action, Memory, Note, after_success, decide
from switchboard.etl.lease import LeaseKeeper
from switchboard.etl.publish import Numbered, Publication
from switchboard.etl.pull.scrape import Response, Validators, scrape
from switchboard.etl.transform import Transform
from switchboard.inputs.decoder import fingerprint
from switchboard.inputs.rejects import Rejects
from switchboard.inputs.times import FUTURE_US
from switchboard.model import FORMAT, Manifest, Outcome
from switchboard.snapshot.builder import EncodedBlock
from switchboard.snapshot.metrics import Column, Role
from switchboard.store.leases import Lease
from switchboard.store.store import Store

GRACE_SECONDS = 5.0
"""Blocks outlive their pointer by this plus the timeout of a scrape, so that a reader can finish."""
QUEUE_LENGTH = 2
"""Most batches of blocks that wait to be written; the bound keeps memory in proportion to chunks, not to the body."""
MOST_AHEAD_US = 100 * 365 * 86_400 * 1_000_000
"""A clock that is a century ahead of ours is no witness. Ours may be one of 1970, before it was ever set."""
HOLD_INTERVALS = 0.25
"""Delay before the next scrape after a held body, in intervals: short, but long enough for new data."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a successful attempt, for the log, the metrics and the status."""

    outcome: Outcome
    manifest: Manifest
    bytes_received: int = 0
    note: Note | None = None
    """What the gate says of a body that is published all the same."""


class Cycle:
    """Attempts at one source.

    Only the memory of the gate is lost with this object. ``_known_blocks``, ``_known_columns``, ``_longest_period_ms``
    and ``_scraped_ms`` are found again in the store.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        session: aiohttp.ClientSession,
        keeper: LeaseKeeper,
        *,
        tls: ssl.SSLContext | None = None,
        clocks: Clocks = SYSTEM_CLOCKS,
    ) -> None:
        self.source = source
        self.waits_for_store = False
        """Whether the attempt is waiting for the store and for nothing else."""
        self.rejects: Rejects | None = None
        """Rejects of the body of the last attempt, also of a refused body; None if no body came."""
        self._store = store
        self._session = session
        self._keeper = keeper
        self._tls = tls
        self._clocks = clocks
        self._ttl_ms = round(source.ttl * 1000)
        self._block_ttl_ms = round((source.ttl + source.timeout + GRACE_SECONDS) * 1000)
        # The settings are part of the body's hash: a snapshot made with other settings is made again, not confirmed.
        # Secrets are left out: they could be guessed from a hash, and a new token makes no new snapshot.
        of_body = msgspec.structs.replace(source, url=source.shown_url, access=Access(), labels={}, max_data_age=None)
        self._settings_hash = hashlib.blake2b(msgspec.json.encode(of_body) + fingerprint(), digest_size=4).hexdigest()
        self._memory = Memory()
        self._source_is_ahead = False
        self._known_blocks: tuple[str, list[tuple[str, int]]] = ("", [])
        self._live: Manifest | None = None
        """The current snapshot as of this attempt, also if it was made with other settings."""
        self._known_columns: tuple[str, dict[str, Role]] = ("", {})
        """A snapshot, and the roles of its columns by their names in the source."""
        self._longest_period_ms = 0
        self._scraped_ms = 0
        """Time of the latest known snapshot; the next one gets a later time, even if our clock was set back."""
        metrics.expect(source.name, interval=source.interval, ttl=source.ttl)
        self._seconds = {stage: metrics.SECONDS.labels(source.name, stage) for stage in metrics.STAGES}

    async def attempt(self, deadline: float = math.inf) -> Report:
        """Scrape once. Raises SourceError, StoreError or PublishRefused; then the previous snapshot stays as it was.

        A BodyHeld is not a failure: the body may be right, and is published if the next one is like it. ``deadline`` is
        on the clock ``boottime``: nothing is announced or confirmed after it.
        """
        self.rejects = None
        with self._seconds["total"].time():
            lease = self._keeper.lease
            if lease is None:
                raise LeaseLost(f"source {self.source.name!r}: the lease is not ours")
            self.waits_for_store = True
            try:
                current, _ = await self._store.snapshots.pointer(self.source.name)
            except (SnapshotGone, FormatTooNew):
                current = None  # not a manifest that this version reads; publishing replaces it
            self.waits_for_store = False
            self._live = current
            if current is not None:
                self._longest_period_ms = max(self._longest_period_ms, current.longest_period_ms)
                self._scraped_ms = max(self._scraped_ms, current.scraped_ms)
                if not current.body_hash.startswith(self._settings_hash):
                    current = None
            report = await self._scrape(lease, current, deadline)
            if report is None and current is not None:
                # Keys of the snapshot that the source has just confirmed are gone: scrape again, without a condition.
                report = await self._scrape(lease, None, deadline)
            if report is None:
                raise SourceError(
                    "unasked_304", "the source answers 304, but we have no snapshot that could be current"
                )
            return report

    async def _scrape(self, lease: Lease, current: Manifest | None, deadline: float) -> Report | None:
        """Scrape, with a condition if ``current`` is given.

        None if the source says that ``current`` still holds, but its keys are gone, or there is none.
        """
        started = self._clocks.wall_ns()
        # A row that was in the future may be one of now, although the body is the same.
        is_final = current is not None and not current.rejects.get("future")
        validators = Validators(current.etag, current.last_modified) if current and is_final else Validators()
        begun = self._clocks.stopwatch()
        async with scrape(self._session, self.source, validators, tls=self._tls) as response:
            self._seconds["response"].observe(self._clocks.stopwatch() - begun)
            numbered = self._numbering(lease.epoch, deadline, response)
            if response.not_modified:
                confirmed = None if current is None else await self._confirm(current, numbered)
                return None if confirmed is None else Report(Outcome.UNCHANGED, confirmed)
            asked_at = self._clocks.loop() - (self._clocks.stopwatch() - begun)
            return await self._ingest(response, current, started, asked_at, numbered)

    def _numbering(self, epoch: int, deadline: float, response: Response) -> Numbered:
        """The function that numbers the manifest for this answer; it is called right before the manifest is sent."""
        answered_at = self._clocks.boottime()
        source_us = self._clocks.wall_ns() // 1000 if response.source_us is None else response.source_us

        def numbered(manifest: Manifest) -> tuple[Manifest, Lease]:
            now = self._clocks.boottime()
            if now >= deadline:
                # This process, or the machine, stood still: the source's answer may not be true any more.
                raise SourceError("timeout", "the scrape took longer than its time: its answer does not count any more")
            claim = self._keeper.claim(epoch)
            age_ms = manifest.data_age_ms
            if age_ms is not None:
                age_ms = data_age_ms(manifest.data_max_us, source_us) + round((now - answered_at) * 1000)
            manifest = msgspec.structs.replace(
                manifest,
                format=FORMAT,
                epoch=epoch,
                seq=claim.seq,
                data_age_ms=age_ms,
                max_data_age_ms=limit_ms(self.source.max_data_age, self._longest_period_ms),
                longest_period_ms=self._longest_period_ms,
            )
            return manifest, claim.lease

        return numbered

    async def _ingest(
        self, response: Response, current: Manifest | None, started_ns: int, asked_at: float, numbered: Numbered
    ) -> Report:
        snapshot = f"{started_ns // 1_000_000}-{secrets.token_hex(4)}"
        async with contextlib.AsyncExitStack() as stack:
            transform = stack.enter_context(
                Transform(
                    self.source.columns,
                    self.source.limits,
                    self._judged_at_us(started_ns // 1_000, response),
                    response.media_type,
                    response.charset,
                    watch_times=self._memory.spread is not None,
                )
            )
            transform.before = await self._columns_before()
            publication = Publication(self._store.snapshots, self.source.name, snapshot, self._block_ttl_ms)
            await stack.enter_async_context(publication)
            try:
                with self._seconds["transform"].time():
                    await _stream(response, transform, publication)
            finally:
                self._measure(response, transform, started_ns)
            is_same = current is not None and self._body_hash(transform) == current.body_hash
            future = transform.decoder.rejects.counts["future"]
            if current is not None and is_same and future == current.rejects.get("future", 0):
                confirmed = await self._confirm(current, numbered)
                if confirmed is not None:
                    return Report(Outcome.UNCHANGED, confirmed, response.bytes_received)
            note = self._judge(transform, response, current, asked_at)
            if not is_same:
                self._compare_etags(response, current)
            scraped_ms = max(started_ns // 1_000_000, self._scraped_ms + 1)
            manifest = self._manifest(snapshot, scraped_ms, transform, response.validators)
            self._longest_period_ms = max(self._longest_period_ms, period_ms(current, manifest))
            self.waits_for_store = True
            with self._seconds["publish"].time():
                manifest = await publication.commit(transform.builder.index, manifest, numbered)
            self._known_blocks = (snapshot, publication.written)
            self._known_columns = (snapshot, _roles(transform.builder.columns))
            return Report(Outcome.PUBLISHED, manifest, response.bytes_received, note)

    def _judged_at_us(self, now_us: int, response: Response) -> int:
        """The time by which rows are judged, and which rows without times get: ours, unless the source's is far ahead.

        The source's clock (Date) is a second witness. Whose rows are as far ahead as its clock is not refused for it:
        one of the two clocks is wrong, and we cannot know which. Said once, and again when it has been right meanwhile.
        """
        ahead_us = 0 if response.source_us is None else response.source_us - now_us
        is_ahead = FUTURE_US < ahead_us < MOST_AHEAD_US
        if is_ahead and not self._source_is_ahead:
            _log.warning(
                "clocks differ: the source's Date is far ahead of this host's clock, and its rows are judged by it; if "
                "all sources are as far ahead, the clock of this host is behind",
                source=self.source.name,
                url=self.source.shown_url,
                ahead_seconds=round(ahead_us / 1e6),
            )
        self._source_is_ahead = is_ahead
        return now_us + ahead_us if is_ahead else now_us

    def _judge(
        self, transform: Transform, response: Response, current: Manifest | None, asked_at: float
    ) -> Note | None:
        """Let the gate decide on the body; return what it notes. Raises BodyError, or BodyHeld."""
        interval = self.source.interval
        verdict, self._memory = decide(
            transform.counts(has_source_clock=response.source_us is not None),
            current,
            self.source.limits,
            interval_seconds=interval,
            memory=self._memory,
            now=asked_at,
        )
        if verdict.action is Action.HOLD:
            raise BodyHeld(verdict.reason, verdict.sentence, retry_after=HOLD_INTERVALS * interval)
        if verdict.action is Action.REJECT:
            raise BodyError(verdict.reason, verdict.sentence)
        return (
            None
            if verdict.note is None
            else verdict.note._replace(sentence=response.masked_text(verdict.note.sentence))
        )

    def _compare_etags(self, response: Response, current: Manifest | None) -> None:
        """Warn of a source that gives one strong ETag to two bodies: its 304 cannot be trusted."""
        etag = response.validators.etag
        if current is not None and etag == current.etag and etag and not etag.startswith("W/"):
            metrics.ETAGS_REUSED.labels(self.source.name).inc()
            shown = response.masked_text(etag)
            _log.warning("etag reused", source=self.source.name, etag=shown, snapshot=current.snapshot)

    async def _confirm(self, current: Manifest, numbered: Numbered) -> Manifest | None:
        """Extend the life of the current snapshot; return its new manifest, or None if the snapshot is gone."""
        with self._seconds["confirm"].time():
            try:
                if self._known_blocks[0] != current.snapshot:
                    await self._read_index(current)
                await self._store.snapshots.extend_blocks(current, self._known_blocks[1], self._block_ttl_ms)
                confirmed, lease = numbered(current)
                await self._store.snapshots.extend_pointer(confirmed, lease)
            except SnapshotGone:
                return None
            self._memory = after_success(self._memory)
            return confirmed

    async def _columns_before(self) -> dict[str, Role]:
        """What the columns are in the current snapshot, by their names in the source; none if that cannot be read."""
        if self._live is None:
            return {}
        if self._known_columns[0] != self._live.snapshot:
            self.waits_for_store = True
            with contextlib.suppress(SnapshotGone):
                await self._read_index(self._live)
            self.waits_for_store = False
        snapshot, roles = self._known_columns
        return roles if snapshot == self._live.snapshot else {}

    async def _read_index(self, manifest: Manifest) -> None:
        """Find again what this process does not know of a snapshot that it has not written. Raises SnapshotGone."""
        index = await self._store.snapshots.read_index(manifest)
        self._known_blocks = (manifest.snapshot, index.block_names())
        self._known_columns = (manifest.snapshot, _roles(index.columns))

    def _manifest(self, snapshot: str, scraped_ms: int, transform: Transform, validators: Validators) -> Manifest:
        """A manifest without its number, which ``_numbering`` adds."""
        decoder, builder = transform.decoder, transform.builder
        # A snapshot without rows has the time of its scrape.
        data_min_us = scraped_ms * 1000 if decoder.data_min_us is None else decoder.data_min_us
        data_max_us = scraped_ms * 1000 if decoder.data_max_us is None else decoder.data_max_us
        return Manifest(
            source=self.source.name,
            snapshot=snapshot,
            epoch=0,
            scraped_ms=scraped_ms,
            published_ms=self._clocks.wall_ms(),
            last_time_updated=data_max_us // 1_000_000,
            data_min_us=data_min_us,
            data_max_us=data_max_us,
            interval_ms=round(self.source.interval * 1000),
            ttl_ms=self._ttl_ms,
            rows=builder.rows,
            switches=builder.switches,
            values=decoder.values,
            blocks=builder.blocks,
            size_bytes=builder.size_bytes,
            rejects=dict(decoder.rejects.counts),
            etag=validators.etag,
            last_modified=validators.last_modified,
            body_hash=self._body_hash(transform),
            data_age_ms=0 if decoder.has_times else None,  # ``_numbering`` replaces the 0
        )

    def _body_hash(self, transform: Transform) -> str:
        return f"{self._settings_hash}-{transform.body_hash}"

    def _measure(self, response: Response, transform: Transform, started_ns: int) -> None:
        """Count rows, bytes and rejects of a body, also of a refused or incomplete one."""
        name, decoder = self.source.name, transform.decoder
        self.rejects = copy.deepcopy(decoder.rejects)  # after a timeout the thread may still parse its chunk
        self.rejects.examples = [response.masked(reject) for reject in self.rejects.examples]
        self.rejects.notes = [response.masked(note) for note in self.rejects.notes]
        metrics.ROWS.labels(name).inc(decoder.rows)
        metrics.VALUES.labels(name).inc(decoder.values)
        metrics.BYTES.labels(name).inc(response.bytes_received)
        metrics.BYTES_EXPECTED.labels(name).set(response.bytes_expected or 0)
        metrics.BYTES_RECEIVED.labels(name).set(response.bytes_received)
        if decoder.data_max_us is not None:
            metrics.SKEW.labels(name).set(decoder.data_max_us / 1e6 - started_ns / 1e9)
        for reason, count in self.rejects.counts.items():
            metrics.REJECTS.labels(name, reason).inc(count)


def _roles(columns: Iterable[Column]) -> dict[str, Role]:
    return {column.original: column.role for column in columns}


async def _stream(response: Response, transform: Transform, publication: Publication) -> None:
    """Fetch, parse and write at the same time: a thread parses, a task writes, and a short queue is between them."""
    queue: asyncio.Queue[list[EncodedBlock] | None] = asyncio.Queue(QUEUE_LENGTH)
    loop = asyncio.get_running_loop()
    # One thread per body. asyncio's pool would use many in turn, and each keeps freed memory.
    parsing = ThreadPoolExecutor(1, "parse")

    async def write() -> None:
        while (blocks := await queue.get()) is not None:
            await publication.write(blocks)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            async with contextlib.aclosing(response.pieces()) as pieces:
                async for piece in pieces:
                    await queue.put(await loop.run_in_executor(parsing, transform.feed, piece))
            await queue.put(await loop.run_in_executor(parsing, transform.finish))
            await queue.put(None)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    finally:
        parsing.shutdown(wait=False)
