"""Decoders, which turn the bytes of a body into rows, and how the decoder for a body is chosen.

A new format of telemetry needs a decoder, a row in DECODERS, and tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from switchboard.config.limits import Limits
from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv import dialects
from switchboard.inputs.csv.parser import CsvParser
from switchboard.inputs.rejects import Rejects
from switchboard.snapshot.block import RowBatch
from switchboard.snapshot.metrics import Column, Role


class Decoder(Protocol):
    """Reads one body. Does no I/O, so that a thread may run it beside the event loop."""

    rejects: Rejects
    """Rows and cells so far that cannot be used."""
    before: Mapping[str, Role]
    """What the columns are in the current snapshot, by their names in the source. Set before the first ``feed``."""
    rows: int
    """Rows so far."""
    values: int
    """Cells of metrics so far that have a value."""
    data_min_us: int | None
    """Earliest time of a row so far, in microseconds since the epoch; None while there is no row."""
    data_max_us: int | None
    """Latest time of a row so far."""

    @property
    def has_times(self) -> bool:
        """Whether rows have times of their own; otherwise they get the time of the scrape."""

    @property
    def is_readable(self) -> bool:
        """Whether the columns are known from the beginning of the body."""

    @property
    def columns(self) -> list[Column]:
        """The columns in the order of the body; certain at its end."""

    def feed(self, data: bytes) -> Iterator[RowBatch]:
        """Take the next bytes, cut anywhere; yields complete rows. Raises BodyError if the body cannot be used."""

    def finish(self) -> Iterator[RowBatch]:
        """Take the end of the body; yields the rows that are left. Raises BodyError like ``feed``."""


@dataclass(frozen=True, kw_only=True)
class DecoderEntry:
    """A format of telemetry: how a body in it is recognised, and what reads it."""

    name: str
    media_types: frozenset[str]
    """Content types that name this format and no other, in lower case and without parameters."""
    recognises: Callable[[bytes], bool]
    """Whether the first bytes of a body are in this format."""
    make: Callable[[ColumnSettings, Limits, int], Decoder]
    """Makes a decoder for one body from the settings of its source and the time of the scrape in microseconds."""
    fingerprint: Callable[[], bytes]
    """Makes a hash of all that decides, beside body and settings, how a body is read: tables of names, for example."""


def _csv(columns: ColumnSettings, limits: Limits, now_us: int) -> Decoder:
    return CsvParser(columns, now_us, most_line_bytes=limits.max_line_kib << 10, most_columns=limits.max_columns)


CSV = DecoderEntry(
    name="csv",
    media_types=frozenset({"text/csv"}),
    recognises=lambda first: True,
    make=_csv,
    fingerprint=dialects.fingerprint,
)
"""CSV recognises every body: sources serve it under any Content-Type, and it says best what is wrong with a body."""
DECODERS: tuple[DecoderEntry, ...] = (CSV,)
"""All decoders. The last one recognises every body."""


def choose_decoder(media_type: str, first: bytes, decoders: tuple[DecoderEntry, ...] = DECODERS) -> DecoderEntry:
    """The decoder of a body: the one that its media type names, else the first that recognises its first bytes."""
    for entry in decoders:
        if media_type in entry.media_types:
            return entry
    return next(entry for entry in decoders if entry.recognises(first))


def fingerprint() -> bytes:
    """A hash over all decoders: if it has changed, a body that has not may be read in another way."""
    return b"".join(entry.name.encode() + entry.fingerprint() for entry in DECODERS)
