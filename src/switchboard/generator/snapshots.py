"""The snapshot of a slot: the bytes that are served during it. And the keeper of the current snapshot.

Time is cut into slots of one hold each, counted from the Unix epoch, so all generators are in the same slot at the
same time. `Simulator.snapshot` is pure; `SnapshotKeeper` knows the clock, and makes each snapshot once.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.fabric import build_fabric
from switchboard.generator.profiles import basic_values, encoded_values
from switchboard.negotiation import gzip_tag

# Rows that are drawn and written in one go: enough to make numpy's and Arrow's overhead vanish, few enough for the
# processor's cache and for the 2 GiB of text that an Arrow array can hold.
_ROWS_AT_ONCE = 16_384
# Measured on 10,000 switches × 3 metrics: level 1 makes 128 kB in 3 ms, level 6 116 kB in 12 ms.
_GZIP_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Representation:
    """The bytes of an answer, and the strong entity tag that names exactly these bytes."""

    body: bytes
    etag: str
    """With its double quotes."""


@dataclass(slots=True)
class Snapshot:
    """All rows of one slot."""

    slot: int
    start_seconds: int
    """Unix time of the slot's start, rounded down: the timestamp of all rows."""
    plain: Representation
    compressed: Representation | None = None
    """The gzip form, once a client has asked for it."""


class Simulator:
    """A fabric, its profile and the length of a slot: all that determines the bytes of every slot."""

    def __init__(self, settings: GeneratorSettings) -> None:
        """Read the settings; raises ConfigError if they cannot be used."""
        self.fabric = build_fabric(settings)
        # The decimal number that was written, not the nearest binary one: 5 slots of 0.2 s are exactly a second.
        self.hold_seconds = Fraction(repr(settings.hold))
        self._encoded = settings.profile == "encoded"
        self._names = pa.array(self.fabric.switches, pa.string())
        self._header = ",".join(["timestamp", "switch_id", *(metric.name for metric in self.fabric.metrics)]).encode()

    def slot_at(self, time_seconds: float) -> int:
        """The slot of a Unix time."""
        return math.floor(Fraction(time_seconds) / self.hold_seconds)

    def snapshot(self, slot: int) -> Snapshot:
        """Make the snapshot of a slot: equal settings and slots give equal bytes, whenever and wherever it is made."""
        start_seconds = math.floor(slot * self.hold_seconds)
        rows = (
            self._rows(slot, start_seconds, slice(first, first + _ROWS_AT_ONCE))
            for first in range(0, len(self.fabric.switches), _ROWS_AT_ONCE)
        )
        body = b"".join([self._header, *rows, b"\n"])
        etag = hashlib.blake2b(body, digest_size=16).hexdigest()
        return Snapshot(slot, start_seconds, Representation(body, f'"{etag}"'))

    def _rows(self, slot: int, start_seconds: int, rows: slice) -> pa.Buffer:
        """Some rows as CSV, each with a newline in front and none at its end."""
        columns = []
        for column, metric in enumerate(self.fabric.metrics):
            if self._encoded:
                values, decimals = encoded_values(self.fabric, column, slot, rows), 0
            else:
                values, decimals = basic_values(self.fabric, column, slot, start_seconds, rows), metric.decimals
            # decimal64 is an int64 with a point: Arrow writes it without a float in between.
            kind = pa.decimal64(18, decimals) if decimals else pa.int64()
            cells = pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])
            columns.append(pc.cast(cells, pa.string()))
        lines = pc.binary_join_element_wise(pa.scalar(f"\n{start_seconds}"), self._names[rows], *columns, ",")
        # The text of a string array lies in one piece: joined rows are a body already.
        _, offsets, text = lines.buffers()
        return text.slice(0, int(np.frombuffer(offsets, np.int32, len(lines) + 1)[-1]))


def compress(plain: Representation) -> Representation:
    """The gzip form of a body: other bytes, so another tag."""
    return Representation(gzip.compress(plain.body, _GZIP_LEVEL, mtime=0), gzip_tag(plain.etag))


class SnapshotKeeper:
    """Holds the snapshot of the current slot, and no other; belongs to one event loop.

    Work that grows with the fabric is done in a thread, so that a huge fabric cannot hold up the loop. The lock guards
    against doing the work twice.
    """

    def __init__(self, simulator: Simulator, clock: Callable[[], float]) -> None:
        """``clock`` tells the Unix time in seconds."""
        self._simulator = simulator
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: Snapshot | None = None

    async def current(self) -> Snapshot:
        """The snapshot of the current slot, made now if no request has asked for it yet."""
        held = self._held
        if held is not None and held.slot == self._slot():
            return held
        async with self._lock:
            # Asked again: the slot may have passed while another request made its snapshot.
            slot = self._slot()
            if self._held is None or self._held.slot != slot:
                self._held = await asyncio.to_thread(self._simulator.snapshot, slot)
            return self._held

    async def compressed(self, snapshot: Snapshot) -> Representation:
        """The gzip form of a snapshot, made when the first request asks for it."""
        if snapshot.compressed is None:
            async with self._lock:
                if snapshot.compressed is None:
                    snapshot.compressed = await asyncio.to_thread(compress, snapshot.plain)
        return snapshot.compressed

    def _slot(self) -> int:
        return self._simulator.slot_at(self._clock())
