"""The gate: decides whether a complete snapshot is published, held until a second body is like it, or refused.

The decision is pure: it depends on what the parser counted, the current snapshot, and what the gate remembers of the
bodies since that snapshot. Nothing here waits or reads a clock.

Every refusal ends. Bad rows are dropped; a body with too many of them is refused until the source mends it. What looks
wrong but may be true is accepted once the source has confirmed it: fewer rows, when a second body has about as many; an
earlier time, when the source has moved on from it for half an interval; old rows beside new ones, when the old ones are
still the same after half an interval. Once the current snapshot has expired, fewer rows and an earlier time are
accepted at once: there is nothing to compare them with. The other two are judged as before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from switchboard.config.limits import Limits
from switchboard.inputs.rejects import Rejects
from switchboard.inputs.times import FUTURE_US
from switchboard.model import Manifest

MOST_DROPPED_SHARE = 0.5
"""A body with a larger share of bad rows is refused, however small the body is."""
ALIKE = 0.1
"""Two row counts are alike if they differ by no more than this share of the first."""
PROOF_INTERVALS = 0.5
"""Time that must pass before an unlikely body is believed, because retries within a tick may all reach one lagging
replica."""
LEAST_PERIOD_SECONDS = 10.0
"""A source may need this long to sample all its rows, however often we scrape."""


class Action(Enum):
    """What to do with a snapshot."""

    PUBLISH = "publish"
    HOLD = "hold"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision. ``reason`` is one word for the metrics, ``sentence`` is for people; PUBLISH has neither."""

    action: Action
    reason: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyCounts:
    """What the parser counted in one body. The times are None if no row can be used."""

    rows: int
    rejects: Rejects
    data_min_us: int | None
    data_max_us: int | None


@dataclass(frozen=True, slots=True)
class Memory:
    """What the gate remembers: bodies held or refused since the last publication or confirmation, and old rows."""

    held_rows: int | None = None
    regressed_us: int | None = None
    """Newest time in the first body whose rows were older than the current snapshot."""
    regressed_at: float = 0.0
    """When that body was asked for, in seconds on the clock of ``now``."""
    torn_us: int | None = None
    """Oldest time in the last body whose times were too far apart."""
    torn_at: float = 0.0
    """When the first of the bodies with that oldest time was asked for."""


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
    refusal = _rows(counted, limits)
    if refusal is not None:
        return refusal, memory
    torn = _spread(counted, limits, interval_seconds)
    published = Memory() if torn is None else after_success(memory)
    if torn is not None:
        if counted.data_min_us != memory.torn_us:
            return torn, replace(memory, torn_us=counted.data_min_us, torn_at=now)
        if now - memory.torn_at < PROOF_INTERVALS * interval_seconds:
            return torn, memory
        # The old rows are the same as half an interval ago, so a switch is asleep; the sample is complete.
    if current is None:
        return _PUBLISH, published
    newest_us = current.data_max_us if counted.data_max_us is None else counted.data_max_us
    if newest_us < current.data_max_us and current.rows:
        memory = (
            memory if memory.regressed_us is not None else replace(memory, regressed_us=newest_us, regressed_at=now)
        )
        assert memory.regressed_us is not None
        proven = newest_us > memory.regressed_us and now - memory.regressed_at >= PROOF_INTERVALS * interval_seconds
        if not proven:
            return _regress(newest_us, current.data_max_us), memory
    if counted.rows < limits.min_rows_ratio * current.rows:
        held = memory.held_rows
        if held is None or abs(counted.rows - held) > ALIKE * held:
            sentence = (
                f"the body has {counted.rows} rows, the current snapshot {current.rows}: "
                "held until a second pull is like it"
            )
            return Verdict(Action.HOLD, "row_collapse", sentence), replace(memory, held_rows=counted.rows)
    return _PUBLISH, published


def after_success(memory: Memory) -> Memory:
    """The memory after a publication or confirmation: only the known old rows are left."""
    return Memory(torn_us=memory.torn_us, torn_at=memory.torn_at)


_PUBLISH = Verdict(Action.PUBLISH)


def _rows(counted: BodyCounts, limits: Limits) -> Verdict | None:
    """Refuse a body in which too many rows are bad."""
    rejects = counted.rejects
    future, duplicates = rejects.counts["future"], rejects.counts["duplicate"]
    total = counted.rows + rejects.rows
    most = limits.max_dropped_ratio * total
    if future > most:
        minutes = FUTURE_US // 60_000_000
        return _reject("clock", f"{future} of {total} rows are more than {minutes} minutes in the future", rejects)
    if duplicates > most:
        return _reject("duplicates", f"{duplicates} of {total} rows are there twice", rejects)
    if counted.rows == 0 and rejects.rows:
        return _reject("no_rows", "no row can be used", rejects)
    if counted.rows == 0 and not limits.allow_empty:
        return Verdict(Action.REJECT, "empty", "the body has a header, but no row (allow_empty)")
    dropped = rejects.rows - duplicates
    if dropped > max(limits.max_dropped_rows, most) or dropped > MOST_DROPPED_SHARE * total:
        return _reject("too_many_rejects", f"{dropped} of {total} rows cannot be used", rejects)
    return None


def _spread(counted: BodyCounts, limits: Limits, interval_seconds: float) -> Verdict | None:
    """Refuse a body that mixes samples. One sample takes up to the source's own period, which is not ours."""
    if counted.data_min_us is None or counted.data_max_us is None:
        return None
    seconds = (counted.data_max_us - counted.data_min_us) / 1e6
    most = limits.max_spread or 2 * max(interval_seconds, LEAST_PERIOD_SECONDS)
    if seconds <= most:
        return None
    return Verdict(
        Action.REJECT,
        "torn",
        f"the times of the rows are up to {seconds:g} s apart, more than {most:g} s (max_spread)",
    )


def _regress(newest_us: int, current_us: int) -> Verdict:
    return Verdict(
        Action.REJECT,
        "regress",
        f"the newest row is {(current_us - newest_us) / 1e6:g} s older than that of the current snapshot; "
        "accepted if the source goes on from there",
    )


def _reject(reason: str, sentence: str, rejects: Rejects) -> Verdict:
    return Verdict(Action.REJECT, reason, f"{sentence}: {rejects}")
