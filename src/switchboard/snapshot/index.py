"""The index of a snapshot: its schemas, its blocks, and which rows of which block belong to which switch."""

from __future__ import annotations

from zlib import crc32

import msgspec

from switchboard.errors import SnapshotGone
from switchboard.snapshot.metrics import Column


class SchemaEntry(msgspec.Struct, frozen=True, array_like=True):
    """A schema that blocks of a snapshot have: the Arrow schema, and how many of its columns are labels."""

    arrow: bytes
    labels: int


class BlockEntry(msgspec.Struct, frozen=True, array_like=True):
    """A block as the index knows it. ``switch`` counts in Index.switches, ``schema`` in Index.schemas."""

    switch: int
    number: int
    schema: int
    rows: int
    size_bytes: int
    crc32: int


class Index(msgspec.Struct, frozen=True):
    """Where every row of a snapshot is."""

    schemas: list[SchemaEntry]
    blocks: list[BlockEntry]
    switches: list[str]
    parts: bytes
    """int32, little-endian, four to a part: switch, block, first row, rows; in the order of the body."""
    columns: list[Column] = []
    """The columns of the body in its order, but for those that the settings leave out. None in an index of a version
    that did not keep them."""

    def block_names(self) -> list[tuple[str, int]]:
        """First switch and number of every block: what its key is made of."""
        return [(self.switches[block.switch], block.number) for block in self.blocks]


_index_encoder = msgspec.msgpack.Encoder()
_index_decoder = msgspec.msgpack.Decoder(Index)


def encode_index(index: Index) -> bytes:
    """An index as it is stored: its crc32 in four bytes, little-endian, then MessagePack."""
    data = _index_encoder.encode(index)
    return crc32(data).to_bytes(4, "little") + data


def decode_index(data: bytes) -> Index:
    """Read an index. Raises SnapshotGone if the bytes are not those of one."""
    if crc32(data[4:]).to_bytes(4, "little") != data[:4]:
        raise SnapshotGone("the index is not what was written")
    try:
        return _index_decoder.decode(data[4:])
    except msgspec.MsgspecError as error:
        raise SnapshotGone(f"the index cannot be read: {error}") from error
