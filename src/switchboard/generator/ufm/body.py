"""Whole bodies: their bytes, their tag, and the totals of their columns."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.ufm.cells import Total
from switchboard.generator.ufm.columns import USUAL_COUNTERS, SetName
from switchboard.generator.ufm.fabric import Shard, build_ufm_fabric
from switchboard.generator.ufm.layout import Layout
from switchboard.generator.ufm.ports import look

_FORMAT = 1
"""Part of every tag. To be raised when a change of the code changes the bytes of a slot: tags must not outlive them."""

# Enough to make the overhead of calls small, and no more, for memory grows with it. Measured on 203,125 rows with 195
# counters: 50,000 cells 3.6 s, 100,000 2.7 s, 200,000 2.1 s and 25 MB, 400,000 1.9 s and 40 MB.
_CELLS_AT_ONCE = 200_000


class UfmSimulator:
    """A fabric and the columns of its sets: all that determines the bytes of every slot."""

    def __init__(self, settings: GeneratorSettings) -> None:
        """Read the settings; raises ConfigError if they cannot be used."""
        self.fabric = build_ufm_fabric(settings)
        self.layouts: dict[SetName, Layout] = {
            chosen: Layout(chosen, settings.counters or usual) for chosen, usual in USUAL_COUNTERS.items()
        }
        self._settings = f"{_FORMAT} {settings.seed} {settings.switches!r} {settings.ports} {settings.counters}"

    def slot_at(self, time_seconds: float) -> int:
        """The slot of a Unix time."""
        return math.floor(Fraction(time_seconds) * 1000 / self.fabric.hold_ms)

    def tag(self, chosen: SetName, slot: int, shard: Shard | None = None) -> str:
        """The strong entity tag of a body, with its quotes: known before the body, which is a function of the same."""
        text = f"{self._settings} {self.fabric.hold_ms} {chosen} {slot} {shard}"
        return f'"{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"'

    def pieces(self, chosen: SetName, slot: int, shard: Shard | None = None) -> Iterator[bytes]:
        """The body in pieces of whole lines, of about 2 MB, each made when it is asked for."""
        layout = self.layouts[chosen]
        selection = self.fabric.select(shard)
        yield layout.header
        for rows in self._parts(chosen, len(selection)):
            yield layout.lines(look(self.fabric, selection, rows, slot)).to_pybytes()

    def totals(self, chosen: SetName, slot: int, shard: Shard | None = None) -> dict[str, Total]:
        """The total of each numeric column of a body, by name."""
        layout = self.layouts[chosen]
        selection = self.fabric.select(shard)
        totals: dict[str, Total] = {}
        for rows in self._parts(chosen, len(selection)):
            for name, total in layout.totals(look(self.fabric, selection, rows, slot)).items():
                totals[name] = totals[name] + total if name in totals else total
        return totals

    def _parts(self, chosen: SetName, rows: int) -> Iterator[slice]:
        at_once = max(16, _CELLS_AT_ONCE // len(self.layouts[chosen].names))
        return (slice(first, min(first + at_once, rows)) for first in range(0, rows, at_once))


def write_body(settings: GeneratorSettings, chosen: SetName, slot: int, file: BinaryIO) -> int:
    """Write the body of a slot to a file; returns its size in bytes. Raises ConfigError for settings of no use."""
    return sum(file.write(piece) for piece in UfmSimulator(settings).pieces(chosen, slot))


def column_totals(settings: GeneratorSettings, chosen: SetName, slot: int) -> dict[str, Total]:
    """Cells and exact sum of each numeric column of the body of a slot. Raises ConfigError like `write_body`."""
    return UfmSimulator(settings).totals(chosen, slot)
