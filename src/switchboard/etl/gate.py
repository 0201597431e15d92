"""The gate: decides whether a complete body is published, held until a second body is like it, or refused.

The decision is pure: it depends on what the parser counted, the current snapshot, and what the gate remembers of the
bodies since that snapshot. Nothing here waits or reads a clock. A body has to pass five rules, in this order:

    clocks     rows with a time that cannot be true: in the future, or no time at all        doubt
    unusable   rows that cannot be read or are there twice; a body without rows              fault
    spread     times of the rows that are far apart                                          doubt
    regress    newest row older than that of the current snapshot                            doubt
    collapse   most rows gone                                                                doubt

A *fault* is refused until the source is mended or a setting allows it; its sentence names the setting. A *doubt* may be
true: it is believed once the source has stood by it, and after PATIENCE_INTERVALS in any case. So a source that goes on
answering with rows that can be used is never kept out. What is wrong with one switch alone never counts against the
others. docs/gate.md has the rules as a table, and says what they mean for few switches and for many.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from switchboard.config.limits import Limits
from switchboard.etl.lag import SwitchTimes
from switchboard.inputs.rejects import Rejects
from switchboard.inputs.times import FUTURE_US
from switchboard.model import Manifest
from switchboard.reasons import REASONS

MOST_DROPPED_SHARE = 0.5
"""A larger share of bad rows is a fault, or a doubt, however small the body is."""
ALIKE = 0.1
"""Two row counts are alike if they differ by no more than this share of the first."""
PROOF_INTERVALS = 0.5
"""Time that must pass before an unlikely body is believed, because retries within a tick may all reach one lagging
replica."""
PATIENCE_INTERVALS = 2.0
"""Time after which a doubt ends in any case, although no two bodies are alike. By default a snapshot lives for three
intervals, so there is a new one before it expires."""
LEAST_PERIOD_SECONDS = 10.0
"""A source may need this long to sample all its rows, however often we scrape."""

_CLOCK_REASONS = frozenset(name for name, reason in REASONS.items() if reason.clock)
"""Rejects of rows whose time cannot be true."""
_UNREADABLE = frozenset(name for name, reason in REASONS.items() if not reason.cell) - _CLOCK_REASONS - {"duplicate"}
"""Rejects of rows that cannot be read, or that name no switch or port."""


class Action(Enum):
    """What to do with a snapshot."""

    PUBLISH = "publish"
    HOLD = "hold"
    REJECT = "reject"


class Note(NamedTuple):
    """What a person should know of a body that is published all the same."""

    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision. ``reason`` is one word for the metrics, ``sentence`` is for people; PUBLISH has a note at most."""

    action: Action
    reason: str = ""
    sentence: str = ""
    note: Note | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyCounts:
    """What was counted in one body. The times are None if no row can be used."""

    rows: int
    """Rows that can be used; duplicates are not among them."""
    rejects: Rejects
    data_min_us: int | None
    data_max_us: int | None
    switches: Collection[str] = ()
    """The switches of the rows that can be used."""
    switch_times: SwitchTimes | None = None
    """The times of each switch; only known of a body that follows one whose times were far apart."""
    has_source_clock: bool = False
    """Whether the source has told its own time (Date): then a row is in the future only if it is so by both clocks."""

    @property
    def total(self) -> int:
        """All rows of the body."""
        return self.rows + self.rejects.rows

    def only_switch(self, reasons: Collection[str]) -> str:
        """The one switch to which all rejects of these reasons belong, if the body has rows of others; else empty."""
        switch = self.rejects.only_switch(reasons)
        return switch if len(self.switches) > (switch in self.switches) else ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something unlikely that the source has said again and again since ``since``, on the clock of ``now``."""

    measure: float
    """By it the next body is like the last one: rows, or seconds."""
    since: float
    oldest_us: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What the gate remembers: bodies held or refused since the last publication or confirmation, and lasting doubts.

    ``clocks`` and ``spread`` outlive a publication: a switch whose clock is wrong is doubted once, not at every scrape.
    """

    refused_at: float | None = None
    """When the first doubtful body was asked for, in seconds on the clock of ``now``."""
    held_rows: int | None = None
    regressed_us: int | None = None
    """Newest time in the first body whose rows were older than the current snapshot."""
    regressed_at: float = 0.0
    """When that body was asked for."""
    clocks: Doubt | None = None
    spread: Doubt | None = None


@dataclass(frozen=True, slots=True)
class _Trial:
    """A body, and all that it is judged by."""

    counted: BodyCounts
    current: Manifest | None
    limits: Limits
    interval_seconds: float
    now: float

    @property
    def most_dropped(self) -> float:
        """Bad rows that the setting for shares allows."""
        return self.limits.max_dropped_ratio * self.counted.total

    @property
    def proof_seconds(self) -> float:
        return PROOF_INTERVALS * self.interval_seconds

    def overdue(self, memory: Memory) -> bool:
        """Whether the source was doubted for so long that it is believed whatever it says."""
        waited = 0.0 if memory.refused_at is None else self.now - memory.refused_at
        return waited > 0 and waited >= PATIENCE_INTERVALS * self.interval_seconds

    def refuse(self, reason: str, sentence: str, memory: Memory) -> tuple[Verdict, Memory]:
        """Refuse a doubtful body, and remember since when."""
        return Verdict(Action.REJECT, reason, sentence), self.doubting(memory)

    def doubting(self, memory: Memory) -> Memory:
        return memory if memory.refused_at is not None else replace(memory, refused_at=self.now)

    def stands(self, doubt: Doubt, memory: Memory) -> bool:
        """Whether the source has stood by something unlikely for long enough."""
        return self.now - doubt.since >= self.proof_seconds or self.overdue(memory)

    def believed(self, doubt: Doubt) -> Doubt:
        """The doubt as it is remembered from now on: the next body that is like this one passes at once."""
        return replace(doubt, since=min(doubt.since, self.now - self.proof_seconds))


_Rule = Callable[[_Trial, Memory], tuple[Verdict, Memory]]
_PUBLISH = Verdict(Action.PUBLISH)


def decide(
    counted: BodyCounts,
    current: Manifest | None,
    limits: Limits,
    *,
    interval_seconds: float,
    memory: Memory,
    now: float,
) -> tuple[Verdict, Memory]:
    """Decide on a body; return the verdict, and the memory for the next body.

    ``current`` is the live snapshot, or None. ``now`` is when the body was asked for, in seconds on a monotonic clock.
    """
    trial = _Trial(counted, current, limits, interval_seconds, now)
    notes = []
    for rule in _RULES:
        verdict, memory = rule(trial, memory)
        if verdict.action is not Action.PUBLISH:
            return verdict, memory
        if verdict.note:
            notes.append(verdict.note)
    return _noted(notes), after_success(memory)


def after_success(memory: Memory) -> Memory:
    """The memory after a publication or confirmation: only the lasting doubts are left."""
    return Memory(clocks=memory.clocks, spread=memory.spread)


def most_spread(limits: Limits, interval_seconds: float) -> float:
    """How far apart the times of one body may be, in seconds. One sample takes up to the source's own period."""
    return limits.max_spread or 2 * max(interval_seconds, LEAST_PERIOD_SECONDS)


def _clocks(trial: _Trial, memory: Memory) -> tuple[Verdict, Memory]:
    """Doubt a body with many rows whose time cannot be true: the rest of it is as good as ever."""
    counted, most = trial.counted, trial.most_dropped
    future = counted.rejects.counts["future"]
    wrong = sum(counted.rejects.counts[reason] for reason in _CLOCK_REASONS)
    many = wrong > max(trial.limits.max_dropped_rows, most) or wrong > MOST_DROPPED_SHARE * counted.total
    if future <= most and not many:
        return _PUBLISH, replace(memory, clocks=None)
    if counted.rows == 0:
        if future <= most:
            return _PUBLISH, memory
        # There is nothing to publish, however long the source stands by it.
        return Verdict(Action.REJECT, "clock", _wrong_times(counted, wrong, future, _whose_clock(counted))), memory
    only = counted.only_switch(_CLOCK_REASONS)
    if only:
        note = _wrong_times(counted, wrong, future, f"they are left out; all are of switch {only!r}: check its clock")
        return _noted([Note("clock", note)]), replace(memory, clocks=None)
    doubt = memory.clocks
    if doubt is None or abs(wrong - doubt.measure) > ALIKE * counted.total:
        doubt = Doubt(wrong, trial.now)
    doubt = replace(doubt, measure=wrong)
    if trial.stands(doubt, memory):
        note = _wrong_times(counted, wrong, future, "they are left out; check the clocks of their switches")
        return _noted([Note("clock", note)]), replace(memory, clocks=trial.believed(doubt))
    so_far = (
        f"the others are published if this is still so after {trial.proof_seconds:g} s; at once if max_dropped_ratio "
        "allows it"
    )
    return trial.refuse("clock", _wrong_times(counted, wrong, future, so_far), replace(memory, clocks=doubt))


def _unusable(trial: _Trial, memory: Memory) -> tuple[Verdict, Memory]:
    """Refuse a body in which too many rows cannot be used: what is wrong with them may be wrong with all."""
    counted, limits, most = trial.counted, trial.limits, trial.most_dropped
    rejects, total = counted.rejects, counted.total
    duplicates = rejects.counts["duplicate"]
    notes = []
    if duplicates > most:
        sentence = f"{duplicates} of {total} rows repeat the switch and port of an earlier row"
        only = counted.only_switch({"duplicate"})
        if not only:
            help_ = "if rows are ports, name their column (columns.port); if they may repeat: max_dropped_ratio"
            return _fault("duplicates", f"{sentence}; {help_}", rejects), memory
        notes.append(Note("duplicates", f"{sentence}; all are of switch {only!r}: the first row of each counts"))
    if counted.rows == 0 and rejects.rows:
        return _fault("no_rows", f"none of {total} rows can be used{_advice(rejects)}", rejects), memory
    if counted.rows == 0 and not limits.allow_empty:
        return Verdict(Action.REJECT, "empty", "the body has a header, but no row (allow_empty)"), memory
    dropped = rejects.rows - duplicates - sum(rejects.counts[reason] for reason in _CLOCK_REASONS)
    if dropped > max(limits.max_dropped_rows, most) or dropped > MOST_DROPPED_SHARE * total:
        sentence = f"{dropped} of {total} rows cannot be used"
        if dropped > MOST_DROPPED_SHARE * total:
            return _fault("too_many_rejects", f"{sentence}: more than half, which no setting allows", rejects), memory
        only = counted.only_switch(_UNREADABLE)
        if not only:
            return _fault("too_many_rejects", f"{sentence} (max_dropped_rows, max_dropped_ratio)", rejects), memory
        notes.append(Note("too_many_rejects", f"{sentence}; they are left out; all are of switch {only!r}: {rejects}"))
    return _noted(notes), memory


def _spread(trial: _Trial, memory: Memory) -> tuple[Verdict, Memory]:
    """Doubt a body that may mix samples. If it goes on, a clock is wrong, or a switch sleeps, and the sample is whole.

    A body is like the last one if its oldest row is the same, as that of a switch that sleeps, or if its times are as
    far apart, as those of a clock that is wrong and goes on. "As far" allows for what healthy switches may differ by.
    """
    counted = trial.counted
    most = most_spread(trial.limits, trial.interval_seconds)
    if counted.data_min_us is None or counted.data_max_us is None:
        return _PUBLISH, replace(memory, spread=None)
    seconds = (counted.data_max_us - counted.data_min_us) / 1e6
    if seconds <= most:
        # A spread that is now a little above the limit and now a little below is one doubt.
        return _PUBLISH, memory if seconds > most / 2 else replace(memory, spread=None)
    doubt = memory.spread
    if doubt is None or (counted.data_min_us != doubt.oldest_us and abs(seconds - doubt.measure) > most):
        doubt = Doubt(seconds, trial.now)
    doubt = replace(doubt, measure=seconds, oldest_us=counted.data_min_us)
    sentence = f"the times of the rows are up to {seconds:g} s apart, more than {most:g} s (max_spread)"
    who = "" if counted.switch_times is None else counted.switch_times.who(round(most * 1e6))
    if who:
        sentence += f"; {who}"
    if trial.stands(doubt, memory):
        note = Note("torn", f"{sentence}; published all the same, because it lasts")
        return _noted([note]), replace(memory, spread=trial.believed(doubt))
    return trial.refuse(
        "torn",
        f"{sentence}; published if this is still so after {trial.proof_seconds:g} s",
        replace(memory, spread=doubt),
    )


def _regress(trial: _Trial, memory: Memory) -> tuple[Verdict, Memory]:
    """Doubt a body that is older than the current snapshot, until the source has moved on from there."""
    counted, current, now = trial.counted, trial.current, trial.now
    if current is None or not current.rows or trial.overdue(memory):
        return _PUBLISH, memory
    newest_us = current.data_max_us if counted.data_max_us is None else counted.data_max_us
    if newest_us >= current.data_max_us:
        return _PUBLISH, memory
    if memory.regressed_us is None:
        memory = replace(memory, regressed_us=newest_us, regressed_at=now)
    assert memory.regressed_us is not None
    if newest_us > memory.regressed_us and now - memory.regressed_at >= trial.proof_seconds:
        return _PUBLISH, memory
    return trial.refuse(
        "regress",
        f"the newest row is {(current.data_max_us - newest_us) / 1e6:g} s older than that of the current snapshot; "
        f"accepted if the source goes on from there for {trial.proof_seconds:g} s, or stays there for "
        f"{PATIENCE_INTERVALS * trial.interval_seconds:g} s",
        memory,
    )


def _collapse(trial: _Trial, memory: Memory) -> tuple[Verdict, Memory]:
    """Hold a body with far fewer rows than the current snapshot, until a second one has about as many."""
    rows, current, held = trial.counted.rows, trial.current, memory.held_rows
    if current is None or trial.overdue(memory):
        return _PUBLISH, memory
    before = current.rows - current.rejects.get("duplicate", 0)
    if rows >= trial.limits.min_rows_ratio * before or (held is not None and abs(rows - held) <= ALIKE * held):
        return _PUBLISH, memory
    sentence = (
        f"the body has {rows} rows that can be used, the current snapshot {before}: held until a second pull is like "
        "it (min_rows_ratio)"
    )
    return Verdict(Action.HOLD, "row_collapse", sentence), trial.doubting(replace(memory, held_rows=rows))


_RULES: tuple[_Rule, ...] = (_clocks, _unusable, _spread, _regress, _collapse)


def _wrong_times(counted: BodyCounts, wrong: int, future: int, what_then: str) -> str:
    """The sentence about rows whose time cannot be true."""
    minutes = FUTURE_US // 60_000_000
    what = "have a time that cannot be true"
    if wrong == future:
        by_both = ", by the clock of this host and by the source's own (Date)" if counted.has_source_clock else ""
        what = f"are more than {minutes} minutes in the future{by_both}"
    return f"{wrong} of {counted.total} rows {what}; {what_then}: {counted.rejects}"


def _whose_clock(counted: BodyCounts) -> str:
    """What to do if all rows are in the future."""
    if counted.has_source_clock:
        return "check the clock from which the rows have their times, and columns.timestamp_unit"
    return (
        "the source sends no Date to compare with: if other sources are refused for this too, the clock of this host "
        "is behind, else that of the source is ahead"
    )


def _advice(rejects: Rejects) -> str:
    """What may help against the most frequent reason; empty if it is not known."""
    reason = REASONS.get(rejects.counts.most_common(1)[0][0])
    return f"; what may help: {reason.advice}" if reason else ""


def _noted(notes: Sequence[Note]) -> Verdict:
    """Publish; several notes become one, by the reason of the first."""
    if not notes:
        return _PUBLISH
    return Verdict(Action.PUBLISH, note=Note(notes[0].reason, "; ".join(note.sentence for note in notes)))


def _fault(reason: str, sentence: str, rejects: Rejects) -> Verdict:
    return Verdict(Action.REJECT, reason, f"{sentence}: {rejects}")
