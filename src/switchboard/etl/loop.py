"""One source on a steady schedule: tick after tick, one scrape at a time, retries within the tick."""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog
import tenacity

from switchboard.clocks import boottime
from switchboard.config.sources import Source
from switchboard.errors import BodyHeld, LeaseLost, PublishRefused, SourceError, StoreError, StoreUnavailable
from switchboard.etl import metrics
from switchboard.etl.cycle import Cycle, Report
from switchboard.etl.lease import LeaseKeeper
from switchboard.etl.memory import let_go, trim_heap
from switchboard.log import ChangeLog
from switchboard.model import Manifest, Outcome, Reject, SourceStatus
from switchboard.store.store import Store

LEAST_RETRY_SECONDS = 0.1
LEAST_SHARE = 0.1
"""An attempt is begun only while at least this share of the interval is left before the next tick."""
STATUS_EXAMPLES = 30
MOST_ERROR_CHARACTERS = 500

_log = structlog.get_logger()
_FAILURES = (SourceError, StoreError, PublishRefused)


class SourceLoop:
    """Scrapes one source until cancelled."""

    def __init__(self, cycle: Cycle, store: Store, keeper: LeaseKeeper, changes: ChangeLog) -> None:
        self.source: Source = cycle.source
        self.last_success: float | None = None
        """When a scrape last confirmed a snapshot, on the clock ``boottime``."""
        self._cycle = cycle
        self._store = store
        self._keeper = keeper
        self._changes = changes
        self._confirmed_ms: int | None = None
        self._snapshot: str | None = None
        self._rows = 0
        self._held = ""
        self._data_is_old = False
        self._epoch = 0
        self._attempt = 0
        self._rejects: dict[str, int] = {}
        self._rejects_ms: int | None = None
        self._examples: list[Reject] = []

    @property
    def store_trouble(self) -> str:
        """Why the store does not let this process write the source; empty if it does."""
        return self._keeper.trouble

    async def run(self) -> None:
        """Scrape at every tick for which the lease is ours; ticks are multiples of the interval from the first one."""
        clock = asyncio.get_running_loop().time
        interval = self.source.interval
        await self._keeper.wait()
        tick = clock()
        while True:
            await self._tick(deadline=tick + interval)
            tick = await self._next(tick)
            await self._keeper.wait()
            # Waiting for the lease may have taken several ticks: attempt at once, and stay on the grid.
            while clock() > tick + (1 - LEAST_SHARE) * interval:
                tick += interval
            await asyncio.sleep(tick - clock())

    async def _next(self, tick: float) -> float:
        """Sleep until the tick after ``tick``. One that passed while a scrape was running is counted and left out.

        An attempt ends at the next tick at the latest, or a moment after it: that tick is begun then, not left out.
        """
        clock = asyncio.get_running_loop().time
        interval = self.source.interval
        missed = max(0, int((clock() - tick) / interval - LEAST_SHARE))
        if missed:
            metrics.SKIPPED.labels(self.source.name).inc(missed)
            _log.warning("ticks skipped", source=self.source.name, count=missed)
        tick += (missed + 1) * interval
        await asyncio.sleep(tick - clock())
        return tick

    async def _tick(self, deadline: float) -> None:
        """Attempt until one succeeds, or until the next tick is near."""
        clock = asyncio.get_running_loop().time
        interval = self.source.interval
        backoff = tenacity.wait_random_exponential(multiplier=interval / 20, max=interval / 4)
        failing_before = self._changes.failing(self.source.name) or self._changes.failing("store")

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, SourceError) else None
            return max(backoff(state), LEAST_RETRY_SECONDS, asked or 0)

        def near_the_next(state: tenacity.RetryCallState) -> bool:
            return clock() + state.upcoming_sleep > deadline - LEAST_SHARE * interval

        def say(state: tenacity.RetryCallState) -> None:
            # What was down before this tick was reported then, and the first retry tells enough: the rest is noise.
            say = _log.debug if failing_before or state.attempt_number > 1 else _log.warning
            say("retry", source=self.source.name, after=state.attempt_number, in_seconds=round(state.upcoming_sleep, 2))

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_FAILURES),
            wait=wait,
            stop=near_the_next,
            before_sleep=say,
            reraise=True,
        )
        with contextlib.suppress(*_FAILURES):  # reported by the attempt
            await retrying(self.attempt, deadline)

    async def attempt(self, deadline: float) -> None:
        """Scrape once; tell the log, the metrics and the store what became of it. Raises what the scrape raised."""
        attempted_ms = time.time_ns() // 1_000_000
        begun = time.perf_counter()
        seconds = min(self.source.timeout, deadline - asyncio.get_running_loop().time())
        if seconds <= 0:  # this process was not woken in time: the attempt belongs to the next tick
            return
        self._count_attempt()
        try:
            try:
                async with asyncio.timeout(seconds):
                    report = await self._cycle.attempt(boottime() + seconds)
            except TimeoutError as error:
                if self._cycle.waits_for_store:
                    raise StoreUnavailable(
                        f"the store did not answer within the {seconds:.3g} s of a scrape"
                    ) from error
                limit = "its timeout" if seconds >= self.source.timeout else "the time until the next tick"
                raise SourceError("timeout", f"the scrape took longer than {seconds:.3g} s, {limit}") from error
            except _FAILURES:
                raise
            except Exception as error:
                # A fault of ours, which one source has brought to light: the others go on.
                raise SourceError("internal", f"the scrape crashed: {type(error).__name__}: {error}") from error
        except _FAILURES as error:
            let_go(error)
            trim_heap()
            self._note_rejects(attempted_ms)
            self._failed(error)
            if not isinstance(error, LeaseLost):
                took = time.perf_counter() - begun
                await self._tell(_outcome(error), attempted_ms, took, _reason(error), _sentence(error))
            raise
        took = time.perf_counter() - begun
        self._note_rejects(attempted_ms)
        self._succeeded(report, took)
        await self._tell(report.outcome, attempted_ms, took)

    def _count_attempt(self) -> None:
        epoch = self._epoch if self._keeper.lease is None else self._keeper.lease.epoch
        self._epoch, self._attempt = epoch, self._attempt + 1 if epoch == self._epoch else 1

    def _succeeded(self, report: Report, seconds: float) -> None:
        name, manifest = self.source.name, report.manifest
        self.last_success = boottime()
        self._confirmed_ms = time.time_ns() // 1_000_000
        self._snapshot, self._rows = manifest.snapshot, manifest.rows
        metrics.SCRAPES.labels(name, report.outcome.value).inc()
        metrics.LAST_SUCCESS.labels(name).set(self._confirmed_ms / 1000)
        metrics.LAST_ROWS.labels(name).set(manifest.rows)
        metrics.LAST_SWITCHES.labels(name).set(manifest.switches)
        metrics.LAST_VALUES.labels(name).set(manifest.values)
        metrics.DATA_TIMESTAMP.labels(name).set(manifest.data_max_us / 1e6)
        self._note_data_age(manifest)
        self._changes.recovered("scrape recovered", name, source=name)
        self._held = ""
        rejects = self._cycle.rejects
        _log.info(
            "scrape",
            source=name,
            outcome=report.outcome.value,
            snapshot=manifest.snapshot,
            rows=manifest.rows,
            values=manifest.values,
            rejects=rejects.counts.total() if rejects else 0,
            bytes=report.bytes_received,
            seconds=round(seconds, 4),
        )

    def _note_data_age(self, manifest: Manifest) -> None:
        """Say once that the data is old, and once that it is not any more."""
        age_ms, most_ms = manifest.data_age_ms or 0, manifest.max_data_age_ms
        if manifest.data_age_ms is not None:
            metrics.DATA_AGE.labels(self.source.name).set(age_ms / 1000)
        is_old = 0 < most_ms < age_ms
        if is_old and not self._data_is_old:
            _log.warning(
                "data is old: the source answers, but its newest row is older than max_data_age",
                source=self.source.name,
                url=self.source.shown_url,
                data_age_seconds=round(age_ms / 1000),
                max_data_age=round(most_ms / 1000),
            )
        elif self._data_is_old and not is_old:
            _log.info("data is current again", source=self.source.name)
        self._data_is_old = is_old

    def _note_rejects(self, attempted_ms: int) -> None:
        """Keep for the status what was rejected of the body of this attempt, if it brought one."""
        name, rejects = self.source.name, self._cycle.rejects
        if rejects is None:
            return
        self._rejects, self._examples = dict(rejects.counts), rejects.some(STATUS_EXAMPLES)
        self._rejects_ms = attempted_ms
        for reject in rejects.examples:
            _log.debug(
                "reject",
                source=name,
                line=reject.line,
                column=reject.column,
                value=reject.value,
                reason=reject.reason,
            )

    def _failed(self, error: Exception) -> None:
        name = self.source.name
        metrics.SCRAPES.labels(name, _outcome(error).value).inc()
        reason, sentence = _reason(error), _sentence(error)
        metrics.FAILURES.labels(name, reason).inc()
        if isinstance(error, BodyHeld):
            if reason != self._held:
                _log.warning("scrape held", source=name, reason=reason, error=sentence)
            self._held = reason
        elif isinstance(error, StoreError):
            self._changes.failed("store failed", "store", type(error).__name__, error=sentence)
        elif not isinstance(error, LeaseLost):  # said by the keeper of the lease
            crash = error.__cause__ if reason == "internal" else None
            self._changes.failed(
                "scrape failed", name, reason, error=sentence, source=name, url=self.source.shown_url, exc_info=crash
            )

    async def _tell(
        self, outcome: Outcome, attempted_ms: int, seconds: float, reason: str = "", sentence: str = ""
    ) -> None:
        """Leave word for the API, unless the lease is lost: then the word is with the one who has it.

        If the store does not take it, the store is what the API will notice.
        """
        lease = self._keeper.lease
        if lease is None:
            return
        status = SourceStatus(
            source=self.source.name,
            url=self.source.shown_url,
            interval_ms=round(self.source.interval * 1000),
            epoch=self._epoch,
            attempt=self._attempt,
            attempted_ms=attempted_ms,
            outcome=outcome,
            duration_ms=round(seconds * 1000, 3),
            confirmed_ms=self._confirmed_ms,
            reason=reason,
            error=sentence,
            snapshot=self._snapshot,
            rows=self._rows,
            rejects=self._rejects,
            rejects_ms=self._rejects_ms,
            examples=self._examples,
            labels=self.source.labels,
        )
        with contextlib.suppress(StoreError):
            await self._store.sources.write_status(status, lease)


def _outcome(error: Exception) -> Outcome:
    return Outcome.HELD if isinstance(error, BodyHeld) else Outcome.FAILED


def _reason(error: Exception) -> str:
    """One word for a failure, as a metric label."""
    if isinstance(error, SourceError):
        return error.reason
    if isinstance(error, LeaseLost):
        return "lease"
    return "superseded" if isinstance(error, PublishRefused) else "store"


def _sentence(error: Exception) -> str:
    """The text of a failure as UTF-8 can hold it: bytes of an answer that is no text may be in it."""
    return str(error)[:MOST_ERROR_CHARACTERS].encode("utf-8", "backslashreplace").decode()
