"""Transform: pieces of a body in, blocks ready to be stored out."""

from __future__ import annotations

import hashlib

from switchboard.codec.block import BlockBuilder, EncodedBlock
from switchboard.codec.csv import CsvParser
from switchboard.config import ColumnSettings


class Transform:
    """Parses one body and packs it into blocks. Works without I/O: a thread may run it beside the event loop."""

    def __init__(self, columns: ColumnSettings, now_us: int) -> None:
        self.parser = CsvParser(columns, now_us)
        self.builder = BlockBuilder()
        self._hash = hashlib.sha256()  # with the processor's own instructions the fastest that has no collisions

    @property
    def body_hash(self) -> str:
        """Hash of all bytes so far: two bodies with one hash are the same snapshot."""
        return self._hash.hexdigest()

    def feed(self, piece: bytes) -> list[EncodedBlock]:
        """Take the next piece of the body; return the blocks that it completes. Raises BodyError."""
        self._hash.update(piece)
        return [block for batch in self.parser.feed(piece) for block in self.builder.add(batch)]

    def finish(self) -> list[EncodedBlock]:
        """Take the end of the body; return the blocks that are left. Raises BodyError.

        Of several rows of one switch and port the first counts; the others become rejects.
        """
        blocks = [block for batch in self.parser.finish() for block in self.builder.add(batch)]
        blocks += self.builder.finish()
        for line in self.builder.duplicate_lines():
            self.parser.rejects.add("duplicate", line)
        return blocks
