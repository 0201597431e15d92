"""What is told about the attempts at a source: log lines, metrics, and the status that the API reads from the store."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from switchboard.clocks import SYSTEM_CLOCKS, Clocks
from switchboard.config.masks import printable
from switchboard.config.sources import Source
from switchboard.errors import BodyHeld, LeaseLost, PublishRefused, SnapshotSuperseded, SourceError, StoreError
from switchboard.etl import metrics
from switchboard.etl.cycle import Report
from switchboard.etl.gate import Note
from switchboard.etl.lease import LeaseKeeper
from switchboard.etl.trouble import store_answered, store_failed
from switchboard.inputs.rejects import Rejects
from switchboard.log import ChangeLog
from switchboard.model import Manifest, Outcome, Reject, SourceStatus
from switchboard.reasons import explain_note
from switchboard.store.sources import Sources

STATUS_EXAMPLES = 30
"""Most rejects that a status shows."""
MOST_ERROR_CHARACTERS = 500
NOTE_SECONDS = 3600.0
"""A note of the gate is logged again only if it was not there for this long: some faults come and go."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of an attempt."""

    at_ms: int
    """On the wall clock."""
    stopwatch: float


class _Result(NamedTuple):
    """The end of an attempt. After a success, ``reason`` and ``sentence`` are those of the gate's note, or empty."""

    outcome: Outcome
    reason: str = ""
    sentence: str = ""


class Attempts:
    """Tells the log, the metrics and the store how each attempt at one source went.

    Call ``begin``, then ``succeeded`` or ``failed``; one attempt at a time. A status repeats what earlier attempts
    brought: the last confirmed snapshot, and the rejects of the last body.
    """

    def __init__(
        self,
        source: Source,
        statuses: Sources,
        keeper: LeaseKeeper,
        changes: ChangeLog,
        *,
        clocks: Clocks = SYSTEM_CLOCKS,
    ) -> None:
        self.last_success: float | None = None
        """When a scrape last confirmed a snapshot, on ``clocks.boottime``."""
        self.trouble: StoreError | None = None
        """What the last attempt could not write, and why; None if it wrote all."""
        self._source = source
        self._statuses = statuses
        self._keeper = keeper
        self._changes = changes
        self._clocks = clocks
        self._epoch = 0
        self._number = 0
        """Number of the attempt within the epoch."""
        self._confirmed_ms: int | None = None
        self._snapshot: str | None = None
        self._rows = 0
        self._held = ""
        """Why the last body is held; empty if it is not."""
        self._note: Note | None = None
        """What the gate says of the current snapshot's body, which was published all the same."""
        self._noted_at: dict[str, float] = {}
        """By reason of a note, when it was there last, on ``clocks.boottime``."""
        self._data_is_old = False
        self._rejects: dict[str, int] = {}
        self._rejects_ms: int | None = None
        self._examples: list[Reject] = []
        self._notes: set[tuple[str, str]] = set()
        """Column and reason of the notes about the last body: each was logged when it appeared."""

    def begin(self) -> Begun:
        """Count an attempt that begins now."""
        epoch = self._epoch if self._keeper.lease is None else self._keeper.lease.epoch
        self._epoch, self._number = epoch, self._number + 1 if epoch == self._epoch else 1
        return Begun(self._clocks.wall_ms(), self._clocks.stopwatch())

    def skipped(self, ticks: int) -> None:
        """Tell of ticks that passed without an attempt."""
        metrics.SKIPPED.labels(self._source.name).inc(ticks)
        _log.warning("ticks skipped", source=self._source.name, count=ticks)

    async def succeeded(self, begun: Begun, report: Report, rejects: Rejects | None) -> None:
        """Tell of an attempt that published or confirmed a snapshot. ``rejects``: of its body; None without a body."""
        seconds = self._clocks.stopwatch() - begun.stopwatch
        self._note_rejects(begun, rejects)
        self._note_success(report)
        self._changes.recovered("scrape recovered", self._source.name, source=self._source.name)
        rejected = rejects.counts.total() if rejects else 0
        self._changes.routine(
            "scrape",
            self._source.name,
            {report.outcome.value: 1, "rejects": rejected},
            source=self._source.name,
            outcome=report.outcome.value,
            snapshot=report.manifest.snapshot,
            rows=report.manifest.rows,
            values=report.manifest.values,
            rejects=rejected,
            bytes=report.bytes_received,
            seconds=round(seconds, 4),
        )
        note = self._note or Note("", "")
        result = _Result(report.outcome, note.reason, _shown(note.sentence))
        self._note_store(await self._write(begun, seconds, result))

    async def failed(self, begun: Begun, error: Exception, rejects: Rejects | None) -> None:
        """Tell of an attempt that failed, or whose body is held. ``rejects``: of its body; None without a body."""
        self._note_rejects(begun, rejects)
        result = _Result(
            Outcome.HELD if isinstance(error, BodyHeld) else Outcome.FAILED, _reason(error), _sentence(error)
        )
        metrics.SCRAPES.labels(self._source.name, result.outcome.value).inc()
        metrics.FAILURES.labels(self._source.name, result.reason).inc()
        self._log_failure(error, result)
        trouble = error if isinstance(error, StoreError) else None
        if not isinstance(error, LeaseLost):
            unwritten = await self._write(begun, self._clocks.stopwatch() - begun.stopwatch, result)
            self._note_store(trouble or unwritten)
        if isinstance(error, SnapshotSuperseded):
            self._keeper.begin_epoch()

    def _note_success(self, report: Report) -> None:
        name, manifest = self._source.name, report.manifest
        self.last_success = self._clocks.boottime()
        self._confirmed_ms = self._clocks.wall_ms()
        self._snapshot, self._rows = manifest.snapshot, manifest.rows
        self._held = ""
        if report.outcome is Outcome.PUBLISHED:
            self._note_doubt(report.note)
        metrics.SCRAPES.labels(name, report.outcome.value).inc()
        metrics.LAST_SUCCESS.labels(name).set(self._confirmed_ms / 1000)
        metrics.LAST_ROWS.labels(name).set(manifest.rows)
        metrics.LAST_SWITCHES.labels(name).set(manifest.switches)
        metrics.LAST_VALUES.labels(name).set(manifest.values)
        metrics.DATA_TIMESTAMP.labels(name).set(manifest.data_max_us / 1e6)
        self._note_data_age(manifest)

    def _note_doubt(self, note: Note | None) -> None:
        """Log what is wrong with bodies that are published all the same: once as long as it lasts."""
        self._note = note
        if note is None:
            return
        now = self._clocks.boottime()
        if now - self._noted_at.get(note.reason, -math.inf) > NOTE_SECONDS:
            _log.warning("published all the same", source=self._source.name, reason=note.reason, error=note.sentence)
        self._noted_at[note.reason] = now

    def _note_data_age(self, manifest: Manifest) -> None:
        """Log once when the data has become old, and once when it is current again."""
        age_ms, most_ms = manifest.data_age_ms or 0, manifest.max_data_age_ms
        if manifest.data_age_ms is not None:
            metrics.DATA_AGE.labels(self._source.name).set(age_ms / 1000)
        is_old = 0 < most_ms < age_ms
        if is_old and not self._data_is_old:
            _log.warning(
                "data is old: the source answers, but its newest row is older than max_data_age",
                source=self._source.name,
                url=self._source.shown_url,
                data_age_seconds=round(age_ms / 1000),
                max_data_age=round(most_ms / 1000),
            )
        elif self._data_is_old and not is_old:
            _log.info("data is current again", source=self._source.name)
        self._data_is_old = is_old

    def _note_rejects(self, begun: Begun, rejects: Rejects | None) -> None:
        """Keep the rejects of a body for the status, and log its examples, and once each note about columns."""
        if rejects is None:
            return
        self._rejects, self._examples = dict(rejects.counts), rejects.some(STATUS_EXAMPLES)
        self._rejects_ms = begun.at_ms
        for note in rejects.notes:
            if (note.column, note.reason) not in self._notes:
                _log.warning("column", source=self._source.name, reason=note.reason, note=explain_note(note))
        self._notes = {(note.column, note.reason) for note in rejects.notes}
        for reject in rejects.examples:
            _log.debug(
                "reject",
                source=self._source.name,
                line=reject.line,
                column=reject.column,
                value=reject.value,
                reason=reject.reason,
            )

    def _log_failure(self, error: Exception, result: _Result) -> None:
        name = self._source.name
        if isinstance(error, BodyHeld):
            if result.reason != self._held:
                _log.warning("scrape held", source=name, reason=result.reason, error=result.sentence)
            self._held = result.reason
        elif not isinstance(error, LeaseLost | StoreError):  # told by the keeper of the lease, and by ``_note_store``
            self._changes.failed(
                "scrape failed",
                name,
                result.reason,
                error=result.sentence,
                source=name,
                url=self._source.shown_url,
                exc_info=error.__cause__ if result.reason == "internal" else None,
            )

    def _note_store(self, trouble: StoreError | None) -> None:
        """Tell what the attempt could not write; None: it has written all."""
        self.trouble = trouble
        if trouble is None:
            store_answered(self._changes, self._source.name, "scrape")
        else:
            store_failed(self._changes, self._source.name, "scrape", trouble)

    async def _write(self, begun: Begun, seconds: float, result: _Result) -> StoreError | None:
        """Write the status, unless another process has the lease: the status is written by the holder.

        Return the error if the store refuses the status; the attempt has not failed by that.
        """
        lease = self._keeper.lease
        if lease is None:
            return None
        status = SourceStatus(
            source=self._source.name,
            url=self._source.shown_url,
            interval_ms=round(self._source.interval * 1000),
            epoch=self._epoch,
            attempt=self._number,
            attempted_ms=begun.at_ms,
            outcome=result.outcome,
            duration_ms=round(seconds * 1000, 3),
            confirmed_ms=self._confirmed_ms,
            reason=result.reason,
            error=result.sentence,
            snapshot=self._snapshot,
            rows=self._rows,
            rejects=self._rejects,
            rejects_ms=self._rejects_ms,
            examples=self._examples,
            labels=self._source.labels,
        )
        try:
            await self._statuses.write_status(status, lease)
        except StoreError as error:
            return error
        return None


def _reason(error: Exception) -> str:
    """One word for a failure, as a metric label."""
    if isinstance(error, SourceError):
        return error.reason
    if isinstance(error, LeaseLost):
        return "lease"
    return "superseded" if isinstance(error, PublishRefused) else "store"


def _sentence(error: Exception) -> str:
    """The text of a failure, for people: it may quote a source, or name a file."""
    return _shown(str(error))


def _shown(text: str) -> str:
    return printable(text)[:MOST_ERROR_CHARACTERS]
