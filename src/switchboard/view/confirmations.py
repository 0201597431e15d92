"""When a source last confirmed its snapshot, as one reader can know it: by its own clock, and by what the ETL counts.

The ETL numbers its publications and confirmations; the number (epoch, then seq) stands in the pointer. Only a greater
number is a confirmation. Redis' TTL alone is none: its clock may be set, and anybody may change a TTL.

- Greater than all before: confirmed. The moment is what the pointer's remaining TTL tells, but no earlier than the read
  before this one was sent, and no later than this one. Where the TTL is impossible, it is the former.
- The first that this process reads: the same without a read before. An impossible TTL tells nothing then, and the next
  number is waited for.
- The one that was confirmed last: nothing new, and the snapshot goes on ageing.
- Less, while the snapshot that was confirmed last lives: nothing new, and that snapshot stays.
- Less, after its end: the age is not known, and the next number is waited for. That must be greater than all that were
  read of its own epoch: two servers behind one address may show two old numbers in turn, and neither confirms anything.

So a clock that is set misleads by one poll at most, and a process that has just started by less than one TTL. Pointers
of format 1 have no numbers: there the remaining TTL is believed, as far as it is possible.

Pure: the moments are seconds of the reader's clock, and come as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from switchboard.model import Manifest

MOST_EPOCHS = 16
"""Epochs of one source that are remembered: one for each server that may show an old pointer of it."""


class Confirmation(NamedTuple):
    """A confirmation of a snapshot: when it was, and what follows from it."""

    confirmed_at: float
    expires_at: float
    """When the snapshot's TTL ends, unless it is confirmed again."""
    data_at: float
    """When its newest row was made; -inf: unknown."""
    most_data_age: float
    """Seconds beyond which its data is old; inf: no limit."""


class Reading(Enum):
    """What a pointer says to somebody who has read others before."""

    CONFIRMED = "a number greater than before"
    KNOWN = "the number that was confirmed last"
    OLDER = "a lesser number, while the snapshot that was confirmed last lives"
    AGE_UNKNOWN = "a number that nothing tells the age of; the next one will"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a process has heard of one source. It begins with nothing."""

    order: tuple[int, int] | None = None
    """The number that was confirmed last, or that the next one is waited for after."""
    confirmation: Confirmation | None = None
    """Of that number; None if its age is not known."""
    asked_at: float | None = None
    """When the last read that had an answer was sent, also one that found no pointer."""
    greatest: tuple[tuple[int, int], ...] = ()
    """The greatest number that was read of each epoch: of the MOST_EPOCHS that were read last, the latest at the end.

    Not of the highest: where Redis was emptied and its clock set back, the living epoch is the lowest.
    """

    def nothing(self, asked_at: float) -> Heard:
        """After a read that found no pointer."""
        return replace(self, asked_at=asked_at)

    def pointer(self, manifest: Manifest, ttl_ms: int, asked_at: float) -> tuple[Reading, Heard]:
        """After a read that found a pointer with ``ttl_ms`` left to live."""
        order = manifest.order
        if self.order is not None and order < self.order and self._lives(asked_at):
            return Reading.OLDER, replace(self, asked_at=asked_at)
        if manifest.seq == 0:
            left_ms = min(max(ttl_ms, 0), manifest.ttl_ms)
            return self._confirmed(manifest, asked_at - (manifest.ttl_ms - left_ms) / 1000, asked_at)
        if order == self.order and self.confirmation is not None:
            return Reading.KNOWN, replace(self, asked_at=asked_at)
        possible = 0 < ttl_ms <= manifest.ttl_ms
        if not self._is_new(order) or (self.asked_at is None and not possible):
            return Reading.AGE_UNKNOWN, Heard(order, None, asked_at, self._greatest_with(order))
        earliest = float("-inf") if self.asked_at is None else self.asked_at
        told = asked_at - (manifest.ttl_ms - ttl_ms) / 1000 if possible else earliest
        return self._confirmed(manifest, min(max(told, earliest), asked_at), asked_at)

    def _is_new(self, order: tuple[int, int]) -> bool:
        """Whether a number is greater than all that were read of its epoch, or if there is none, of any epoch."""
        same_epoch = [known for known in self.greatest if known[0] == order[0]]
        return all(order > known for known in same_epoch or self.greatest)

    def _greatest_with(self, order: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        others = [known for known in self.greatest if known[0] != order[0]]
        greatest = max([order, *(known for known in self.greatest if known[0] == order[0])])
        return (*others, greatest)[-MOST_EPOCHS:]

    def _lives(self, now: float) -> bool:
        return self.confirmation is not None and now < self.confirmation.expires_at

    def _confirmed(self, manifest: Manifest, confirmed_at: float, asked_at: float) -> tuple[Reading, Heard]:
        age_ms, most_ms = manifest.data_age_ms, manifest.max_data_age_ms
        confirmation = Confirmation(
            confirmed_at=confirmed_at,
            expires_at=confirmed_at + manifest.ttl_ms / 1000,
            data_at=float("-inf") if age_ms is None else confirmed_at - age_ms / 1000,
            most_data_age=most_ms / 1000 if most_ms and age_ms is not None else float("inf"),
        )
        return Reading.CONFIRMED, Heard(manifest.order, confirmation, asked_at, self._greatest_with(manifest.order))
