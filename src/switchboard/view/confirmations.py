"""When a snapshot was last confirmed, told from the reader's own clock and from the numbers that the ETL gives.

The ETL numbers its publications and confirmations; the number (epoch, then seq) stands in the pointer. Only a greater
number is a confirmation. A TTL in Redis alone is not: the server's clock may be set, and anybody may change a TTL.

A number that is read is judged like this:

- Greater than every number before: the snapshot was confirmed. Its moment is computed from the remaining TTL, and kept
  between two bounds: when the previous read was sent, and when this one was. If the TTL cannot be right, the earlier
  bound is taken.
- The first number, in the first read of this process: the same, with no earlier bound. If the TTL cannot be right, the
  age is not known until the next number.
- Equal to the number that was confirmed last: nothing new. The snapshot goes on ageing.
- Smaller, while the snapshot that was confirmed last lives: nothing new. That snapshot stays.
- Smaller, after that snapshot has expired: the age is not known until the next number, which must be greater than all
  numbers read of its epoch. Otherwise two servers behind one address that show two old numbers alternately would look
  like confirmations.

A clock that is set makes the age wrong by one poll at most, and in a process that has just started by less than one
TTL. Pointers of format 1 have no numbers: there the remaining TTL is believed, within its possible range.

Pure: all moments are arguments, in seconds of the reader's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from switchboard.model import Manifest

MOST_EPOCHS = 16
"""How many epochs of a source are remembered: one for each server that may show an old pointer."""


class Confirmation(NamedTuple):
    """When a snapshot was confirmed, and the deadlines that follow from it."""

    confirmed_at: float
    expires_at: float
    """When the snapshot's TTL ends, unless it is confirmed again."""
    data_at: float
    """When the snapshot's newest row was made; -inf: unknown."""
    max_data_age_seconds: float
    """Age of the newest row, in seconds, above which the data is old; inf: no limit."""


class Reading(Enum):
    """What a pointer means to a reader that has read earlier ones."""

    CONFIRMED = "a number greater than before"
    KNOWN = "the number that was confirmed last"
    OLDER = "a lesser number, while the snapshot that was confirmed last lives"
    AGE_UNKNOWN = "its age cannot be told; that of the next number can"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a process remembers of the pointers of one source; empty at first."""

    order: tuple[int, int] | None = None
    """With a ``confirmation``: the number that was confirmed last. Without: the number that was read last."""
    confirmation: Confirmation | None = None
    """The confirmation with the number ``order``; None if the age of that number is not known."""
    asked_at: float | None = None
    """When the last answered read was sent, even if it found no pointer."""
    greatest: tuple[tuple[int, int], ...] = ()
    """The greatest number read of each epoch, for the MOST_EPOCHS epochs that were read last, the latest at the end.

    The latest read, not the highest: after Redis was emptied and its clock set back, the current epoch is the lowest.
    """

    def after_nothing(self, asked_at: float) -> Heard:
        """The memory after a read that found no pointer."""
        return replace(self, asked_at=asked_at)

    def after_pointer(self, manifest: Manifest, ttl_ms: int, asked_at: float) -> tuple[Reading, Heard]:
        """What a pointer with ``ttl_ms`` left to live means, and the memory after it was read."""
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
        """Whether a number is greater than all numbers read of its epoch; in a new epoch, of any epoch."""
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
            max_data_age_seconds=most_ms / 1000 if most_ms and age_ms is not None else float("inf"),
        )
        return Reading.CONFIRMED, Heard(manifest.order, confirmation, asked_at, self._greatest_with(manifest.order))
