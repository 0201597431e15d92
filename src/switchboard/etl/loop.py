"""The schedule of one source: tick after tick, one scrape at a time, with retries until the next tick is near."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
import tenacity

from switchboard.clocks import SYSTEM_CLOCKS, Clocks
from switchboard.config.sources import Source
from switchboard.errors import PublishRefused, SourceError, StoreError, StoreUnavailable
from switchboard.etl.cycle import Cycle, Report
from switchboard.etl.lease import LeaseKeeper
from switchboard.etl.memory import let_go, trim_heap
from switchboard.etl.status import Attempts
from switchboard.etl.trouble import is_of_server
from switchboard.log import ChangeLog
from switchboard.store.store import Store

LEAST_RETRY_SECONDS = 0.1
LEAST_SHARE = 0.1
"""Least share of the interval that must be left before the next tick for an attempt to begin."""

_log = structlog.get_logger()
_FAILURES = (SourceError, StoreError, PublishRefused)


class SourceLoop:
    """Scrapes one source until cancelled."""

    def __init__(
        self,
        cycle: Cycle,
        store: Store,
        keeper: LeaseKeeper,
        changes: ChangeLog,
        *,
        clocks: Clocks = SYSTEM_CLOCKS,
    ) -> None:
        self.source: Source = cycle.source
        self._cycle = cycle
        self._keeper = keeper
        self._changes = changes
        self._clocks = clocks
        self._attempts = Attempts(cycle.source, store.sources, keeper, changes, clocks=clocks)

    @property
    def last_success(self) -> float | None:
        """When a scrape last confirmed a snapshot, on the clock ``boottime``; None if none has."""
        return self._attempts.last_success

    @property
    def store_trouble(self) -> str:
        """What this process could not write of the source, and why; or who writes it instead. Empty if all is well."""
        trouble = self._write_trouble()
        return self._keeper.other if trouble is None else str(trouble)

    @property
    def server_trouble(self) -> str:
        """Why Redis refuses whatever is written; empty if it does not, or if only keys of the source are at fault."""
        trouble = self._write_trouble()
        return str(trouble) if is_of_server(trouble) else ""

    def _write_trouble(self) -> StoreError | None:
        return self._keeper.trouble or (self._attempts.trouble if self._keeper.lease else None)

    async def run(self) -> None:
        """Scrape at every tick at which this process has the lease; ticks are one interval apart."""
        clock, interval = self._clocks.loop, self.source.interval
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
        """Sleep until the tick after ``tick``, and return it. Ticks that passed during a scrape are skipped.

        An attempt ends at the next tick at the latest, or a moment after: that tick is begun late and not skipped.
        """
        clock, interval = self._clocks.loop, self.source.interval
        missed = max(0, int((clock() - tick) / interval - LEAST_SHARE))
        if missed:
            self._attempts.skipped(missed)
        tick += (missed + 1) * interval
        await asyncio.sleep(tick - clock())
        return tick

    async def _tick(self, deadline: float) -> None:
        """Attempt until one succeeds, or until the next tick is near."""
        clock, interval = self._clocks.loop, self.source.interval
        backoff = tenacity.wait_random_exponential(multiplier=interval / 20, max=interval / 4)
        failing_before = self._changes.failing(self.source.name) or self._changes.failing("store")

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, SourceError) else None
            return max(backoff(state), LEAST_RETRY_SECONDS, asked or 0)

        def near_the_next(state: tenacity.RetryCallState) -> bool:
            return clock() + state.upcoming_sleep > deadline - LEAST_SHARE * interval

        def say(state: tenacity.RetryCallState) -> None:
            # A failure that began before this tick was logged then, and the first retry tells enough of a new one.
            say = _log.debug if failing_before or state.attempt_number > 1 else _log.warning
            say("retry", source=self.source.name, after=state.attempt_number, in_seconds=round(state.upcoming_sleep, 2))

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_FAILURES),
            wait=wait,
            stop=near_the_next,
            before_sleep=say,
            reraise=True,
        )
        with contextlib.suppress(*_FAILURES):  # the attempt has told of them
            await retrying(self.attempt, deadline)

    async def attempt(self, deadline: float) -> None:
        """Scrape once and tell how it went; ``deadline`` is on the clock of the loop. Raises what the scrape raised."""
        seconds = min(self.source.timeout, deadline - self._clocks.loop())
        if seconds <= 0:  # this process was not woken in time: the attempt belongs to the next tick
            return
        begun = self._attempts.begin()
        try:
            report = await self._scrape(seconds)
        except _FAILURES as error:
            let_go(error)
            trim_heap()
            await self._attempts.failed(begun, error, self._cycle.rejects)
            raise
        await self._attempts.succeeded(begun, report, self._cycle.rejects)

    async def _scrape(self, seconds: float) -> Report:
        """Scrape within ``seconds``. Raises one of _FAILURES, whatever goes wrong."""
        try:
            async with asyncio.timeout(seconds):
                return await self._cycle.attempt(self._clocks.boottime() + seconds)
        except TimeoutError as error:
            if self._cycle.waits_for_store:
                raise StoreUnavailable(f"the store did not answer within the {seconds:.3g} s of a scrape") from error
            limit = "its timeout" if seconds >= self.source.timeout else "the time until the next tick"
            raise SourceError("timeout", f"the scrape took longer than {seconds:.3g} s, {limit}") from error
        except _FAILURES:
            raise
        except Exception as error:
            # A mistake in our code, found by one source: the other sources go on.
            raise SourceError("internal", f"the scrape crashed: {type(error).__name__}: {error}") from error
