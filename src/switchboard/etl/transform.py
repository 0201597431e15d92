"""Transform: pieces of a body in, blocks ready to be stored out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from switchboard.config.sources import ColumnSettings, Limits
from switchboard.errors import BodyError
from switchboard.inputs.csv.parser import CsvParser
from switchboard.snapshot.block import RowBatch
from switchboard.snapshot.builder import BlockBuilder, EncodedBlock


class Transform:
    """Parses one body and packs it into blocks. Works without I/O: a thread may run it beside the event loop.

    A context: what it gathered goes when that ends. The traceback of a refused body would keep it otherwise, until
    the next garbage collection, and the next attempt would come on top.
    """

    def __init__(self, columns: ColumnSettings, limits: Limits, now_us: int) -> None:
        self.parser = CsvParser(
            columns, now_us, most_line_bytes=limits.max_line_kib << 10, most_columns=limits.max_columns
        )
        self.builder = BlockBuilder()
        self._limits = limits
        self._hash = hashlib.sha256()  # with the processor's own instructions the fastest that has no collisions

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self.parser, self.builder  # a thread that is still at it after a timeout fails, and nobody listens

    @property
    def body_hash(self) -> str:
        """Hash of all bytes so far: two bodies with one hash are the same snapshot."""
        return self._hash.hexdigest()

    def feed(self, piece: bytes) -> list[EncodedBlock]:
        """Take the next piece of the body; return the blocks that it completes. Raises BodyError."""
        self._hash.update(piece)
        blocks = self._build(self.parser.feed(piece))
        self._check()
        return blocks

    def finish(self) -> list[EncodedBlock]:
        """Take the end of the body; return the blocks that are left, maybe none. Raises BodyError.

        Of several rows of one switch and port the first counts; the others become rejects.
        """
        try:
            blocks = self._build(self.parser.finish())
        except BodyError as error:
            # What to make of a header without rows is for the gate to say.
            if not self.parser.dialect or error.reason not in {"empty", "no_rows"}:
                raise
            blocks = []
        blocks += self.builder.finish()
        self._check()
        for line in self.builder.duplicate_lines():
            self.parser.rejects.add("duplicate", line)
        return blocks

    def _build(self, batches: Iterable[RowBatch]) -> list[EncodedBlock]:
        return [block for batch in batches for block in self.builder.add(batch)]

    def _check(self) -> None:
        limits, rows = self._limits, self.parser.rows + self.parser.rejects.rows
        if rows > limits.max_rows:
            raise BodyError("too_many_rows", f"the body has more than {limits.max_rows} rows (max_rows)")
        if self.builder.switches > limits.max_switches:
            raise BodyError("too_many_switches", f"more than {limits.max_switches} switches (max_switches)")
