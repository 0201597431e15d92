"""Transform: turns the pieces of a body into blocks for the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from switchboard.config.limits import Limits
from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.etl.gate import BodyCounts
from switchboard.etl.lag import SwitchTimes
from switchboard.inputs.decoder import Decoder, choose_decoder
from switchboard.inputs.text import Text
from switchboard.reasons import REASONS
from switchboard.snapshot.block import RowBatch
from switchboard.snapshot.builder import BlockBuilder, EncodedBlock
from switchboard.snapshot.metrics import Role


class Transform:
    """Parses one body and packs it into blocks. Does no I/O, so a thread may run it beside the event loop.

    Use it as a context, which frees decoder and builder at its end. Otherwise the traceback of a refused body would
    keep them until the next garbage collection, in addition to the memory of the next body.
    """

    def __init__(
        self,
        columns: ColumnSettings,
        limits: Limits,
        now_us: int,
        media_type: str = "",
        charset: str = "",
        *,
        watch_times: bool = False,
    ) -> None:
        self.before: Mapping[str, Role] = {}
        """What the columns are in the current snapshot, by their names in the source; set before the first piece."""
        self.builder = BlockBuilder()
        self.switch_times = SwitchTimes() if watch_times else None
        """The times of each switch, if they are watched."""
        self._columns = columns
        self._now_us = now_us
        self._media_type = media_type
        self._decoder: Decoder | None = None
        self._limits = limits
        self._text = Text(charset, columns.charset)
        # Processors have instructions for SHA-256: the fastest hash without known collisions. In another charset, the
        # same bytes are another body.
        self._hash = hashlib.sha256(charset.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._decoder, self.builder  # a thread that still parses after a timeout fails, unheard

    @property
    def decoder(self) -> Decoder:
        """The decoder of this body, chosen by its media type and its first bytes, if it has any."""
        return self._decoder or self._choose(b"")

    @property
    def body_hash(self) -> str:
        """Hash of all bytes so far; bodies with the same hash are the same snapshot."""
        return self._hash.hexdigest()

    def feed(self, piece: bytes) -> list[EncodedBlock]:
        """Parse the next piece of the body; return the blocks that are complete now. Raises BodyError."""
        self._hash.update(piece)
        return self._parse(self._text.feed(piece))

    def finish(self) -> list[EncodedBlock]:
        """End the body; return the remaining blocks, maybe none. Raises BodyError.

        Of several rows with the same switch and port the first counts; the others become rejects.
        """
        blocks = self._parse(self._text.finish())
        try:
            blocks += self._build(self.decoder.finish())
        except BodyError as error:
            # The gate decides on a header without rows.
            if not self.decoder.is_readable or error.reason not in {"empty", "no_rows"}:
                raise
        blocks += self.builder.finish()
        self.builder.columns = self.decoder.columns
        self._check()
        for line, switch in self.builder.duplicates():
            self.decoder.rejects.add("duplicate", line, value=switch, switch=switch)
        for note in self.decoder.rejects.notes:
            if note.reason in REASONS:  # who looks there for odd times of rows finds it
                self.decoder.rejects.add(note.reason, note.line, note.column, note.value)
        return blocks

    def counts(self, *, has_source_clock: bool) -> BodyCounts:
        """What the gate judges a body by, at its end."""
        decoder = self.decoder
        return BodyCounts(
            rows=decoder.rows - decoder.rejects.counts["duplicate"],
            rejects=decoder.rejects,
            data_min_us=decoder.data_min_us,
            data_max_us=decoder.data_max_us,
            switches=self.builder.switch_names,
            switch_times=self.switch_times,
            has_source_clock=has_source_clock,
        )

    def _choose(self, first: bytes) -> Decoder:
        entry = choose_decoder(self._media_type, first)
        self._decoder = entry.make(self._columns, self._limits, self._now_us)
        self._decoder.before = self.before
        return self._decoder

    def _parse(self, text: bytes) -> list[EncodedBlock]:
        if not text:
            return []
        if self._decoder is None:
            self._choose(text)
        blocks = self._build(self.decoder.feed(text))
        self._check()
        return blocks

    def _build(self, batches: Iterable[RowBatch]) -> list[EncodedBlock]:
        blocks = []
        for batch in batches:
            if self.switch_times is not None:
                self.switch_times.add(batch)
            blocks += self.builder.add(batch)
        return blocks

    def _check(self) -> None:
        limits, rows = self._limits, self.decoder.rows + self.decoder.rejects.rows
        if rows > limits.max_rows:
            raise BodyError("too_many_rows", f"the body has more than {limits.max_rows} rows (max_rows)")
        if self.builder.switches > limits.max_switches:
            raise BodyError("too_many_switches", f"more than {limits.max_switches} switches (max_switches)")
