"""Rows gathered into blocks, the index that finds them, and the way back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from zlib import crc32

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from switchboard.config.sources import ColumnSettings
from switchboard.errors import SnapshotGone
from switchboard.snapshot.block import Block, RowBatch
from switchboard.snapshot.builder import BLOCK_ROWS, MOST_BLOCK_ROWS, SMALL_ROWS
from switchboard.snapshot.index import Index, decode_index, encode_index
from tests.lab.fuzz import fuzz
from tests.lab.parsing import Row, parse
from tests.lab.snapshots import Packed, pack, pack_batches, round_trip, rows_of_switch, unpack

SETTINGS = ColumnSettings(labels=("note",))
HEADER = "switch_id,port,note,a,b\n"


def body_of(switches: list[str], *, decimal_at: int = -1, text_at: int = -1) -> bytes:
    """One row for every switch in the list; from a row on ``a`` has decimals, from another on ``b`` has text."""
    lines = []
    for at, switch in enumerate(switches):
        a = f"{at}.5" if 0 <= decimal_at <= at else str(at)
        lines.append(f"{switch},{at % 7},n{at % 3},{a},{at if 0 <= text_at <= at else ''}\n")
    return (HEADER + "".join(lines)).encode()


def check(packed: Packed, body: bytes, chunk_bytes: int) -> None:
    """Every row that went in can be read back from its switch, once and in order, and all counts agree."""
    rows = parse(body, SETTINGS, chunk_bytes=chunk_bytes).rows
    by_switch: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_switch[row[0]].append(row)
    snapshot = round_trip(packed)
    assert list(snapshot.switches) == list(by_switch)
    for switch, expected in by_switch.items():
        assert rows_of_switch(snapshot, switch) == expected
    parts = np.frombuffer(packed.index.parts, "<i4").reshape(-1, 4)
    assert parts[:, 3].sum() == sum(block.rows for block in packed.index.blocks) == packed.manifest.rows == len(rows)
    assert packed.manifest.switches == len(by_switch)
    assert packed.manifest.size_bytes == sum(len(payload) for payload in packed.payloads)
    assert [(block.switch, block.number) for block in packed.blocks] == packed.index.block_names()
    assert len(set(packed.index.block_names())) == len(packed.blocks)


@st.composite
def orders(draw: st.DrawFn) -> list[str]:
    """Switches of the rows of a body: few rows or many, in runs, at random, or nearly all of one switch."""
    rows = draw(st.one_of(st.integers(1, 40), st.integers(SMALL_ROWS - 2, SMALL_ROWS + 2), st.integers(1000, 2600)))
    random = draw(st.randoms(use_true_random=False))
    kind = draw(st.sampled_from(["random", "runs", "long runs", "one", "single rows"]))
    if kind == "random":
        return [f"sw{random.randrange(max(2, rows // 10))}" for _ in range(rows)]
    if kind == "one":
        return ["sw1" if random.random() < 0.999 else "sw2" for _ in range(rows)]
    if kind == "single rows":
        return [f"sw{at}" for at in range(rows)]
    longest = 60 if kind == "runs" else 1500
    runs: list[str] = []
    while len(runs) < rows:
        runs += [f"sw{random.randrange(50)}"] * random.randint(1, longest)
    return runs[:rows]


@fuzz(0.3)
@given(
    orders(),
    st.sampled_from([400, 3000, 20_000, 1 << 20]),
    st.one_of(st.just(-1), st.integers(0, 3500)),
    st.one_of(st.just(-1), st.integers(0, 3500)),
)
@example(["a", "b", "a"], 16, 1, -1)
@example(["a"] * 3000, 400, -1, -1)
@example(["a", "b"] * 1500, 400, 1200, 1700)
def test_every_row_can_be_read_back(switches: list[str], chunk_bytes: int, decimal_at: int, text_at: int) -> None:
    """In any order of rows, cut by chunks anywhere, with types that change on the way: nothing is lost or moved."""
    body = body_of(switches, decimal_at=decimal_at, text_at=text_at)
    check(pack(body, SETTINGS, chunk_bytes=chunk_bytes), body, chunk_bytes)


@pytest.mark.parametrize("chunk_bytes", range(1, 80))
def test_a_switch_may_be_cut_anywhere(chunk_bytes: int) -> None:
    """Wherever in the rows of a switch a chunk ends, the switch is whole."""
    body = body_of(["a", "a", "b", "b", "b", "a", "c", "c"])
    check(pack(body, SETTINGS, chunk_bytes=chunk_bytes), body, chunk_bytes)


@fuzz(0.2)
@given(orders(), st.lists(st.integers(0, 80_000), max_size=8))
def test_any_chunking_gives_the_same_blocks(switches: list[str], cuts: list[int]) -> None:
    """How the bytes of a body arrive changes neither the blocks nor the index."""
    body = body_of(switches, decimal_at=len(switches) // 2)
    whole, cut = pack(body, SETTINGS, chunk_bytes=4000), pack(body, SETTINGS, chunk_bytes=4000, cuts=cuts)
    assert cut.payloads == whole.payloads
    assert encode_index(cut.index) == encode_index(whole.index)


@fuzz(0.2)
@given(orders(), st.lists(st.integers(50, 1500), min_size=1, max_size=8))
def test_blocks_do_not_depend_on_batches(switches: list[str], sizes: list[int]) -> None:
    """Where batches of rows end does not show in which rows a block has."""
    (batch,) = parse(body_of(switches), SETTINGS).batches
    cut, whole = pack_batches(_slices(batch, sizes)).index, pack_batches([batch]).index
    assert cut.parts == whole.parts
    assert [block.rows for block in cut.blocks] == [block.rows for block in whole.blocks]


def _slices(batch: RowBatch, sizes: list[int]) -> Iterator[RowBatch]:
    start = 0
    for at in count():
        rows = batch.rows.slice(start, sizes[at % len(sizes)])
        if rows.num_rows == 0:
            return
        lines = batch.lines[start : start + rows.num_rows]
        yield RowBatch(batch.switches.slice(start, rows.num_rows), rows, batch.labels, lines)
        start += rows.num_rows


def test_a_small_snapshot_has_one_block_a_switch() -> None:
    """Up to SMALL_ROWS rows there is one block for each switch, named after it, wherever its rows stand."""
    switches = [f"sw{at % 100}" for at in range(SMALL_ROWS)]
    packed = pack(body_of(switches))
    assert packed.index.block_names() == [(f"sw{at}", 1) for at in range(100)]


def test_a_large_snapshot_closes_blocks_at_switches() -> None:
    """Past SMALL_ROWS rows a block ends with the switch that fills it, and has no more rows than may be."""
    switches = [f"sw{at // 48}" for at in range(48 * 100)]
    packed = pack(body_of(switches))
    parts = np.frombuffer(packed.index.parts, "<i4").reshape(-1, 4)
    assert (parts[:, 3] == 48).all()
    assert all(BLOCK_ROWS <= block.rows <= MOST_BLOCK_ROWS for block in packed.index.blocks[:-1])


def test_a_switch_with_more_rows_than_a_block_is_cut() -> None:
    """A huge switch has several blocks of its name, numbered from 1, and is read back as one."""
    body = body_of(["first"] + ["huge"] * (3 * MOST_BLOCK_ROWS) + ["last"])
    packed = pack(body, SETTINGS, chunk_bytes=4000)
    assert packed.index.block_names() == [("first", 1), ("huge", 1), ("huge", 2), ("huge", 3)]
    assert all(block.rows <= MOST_BLOCK_ROWS for block in packed.index.blocks)
    check(packed, body, 4000)


def test_a_change_of_schema_begins_a_block() -> None:
    """A switch whose rows have two types has a block of each, in a small snapshot too."""
    body = body_of(["a", "b", "a", "b"], decimal_at=2)
    packed = pack(body, SETTINGS, chunk_bytes=20)
    assert packed.index.block_names() == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert len(packed.index.schemas) == 2
    check(packed, body, 20)


def test_an_unknown_switch_has_no_parts() -> None:
    """Asking for a switch that is not there finds nothing."""
    assert list(round_trip(pack(body_of(["a"]))).parts("b")) == []


@fuzz()
@given(st.binary(max_size=80))
def test_garbage_is_no_index(data: bytes) -> None:
    """Bytes that are not an index raise SnapshotGone, whatever they are."""
    with pytest.raises(SnapshotGone):
        decode_index(data)


@fuzz(0.4)
@given(st.data())
def test_a_changed_byte_of_an_index_is_found(data: st.DataObject) -> None:
    """An index of which one byte was changed, or whose end is missing, raises SnapshotGone."""
    index = bytearray(encode_index(PACKED.index))
    at = data.draw(st.integers(0, len(index) - 1))
    changed = index[:at] + bytes([index[at] ^ data.draw(st.integers(1, 255))]) + index[at + 1 :]
    for damaged in (changed, index[:at]):
        with pytest.raises(SnapshotGone):
            decode_index(bytes(damaged))


def test_an_index_of_another_shape_is_refused() -> None:
    """MessagePack with the right checksum that is not an index (another version's, say) raises SnapshotGone."""
    for other in (b"\x80", b"\xa1x", b"\xc1"):
        with pytest.raises(SnapshotGone):
            decode_index(crc32(other).to_bytes(4, "little") + other)


PACKED = pack(body_of(["a", "b", "a", "c"]))


@pytest.mark.parametrize(
    "index",
    [
        Index([], [], [], b""),
        replace(PACKED.index, blocks=PACKED.index.blocks[:-1]),
        replace(PACKED.index, switches=PACKED.index.switches[:-1]),
        replace(PACKED.index, parts=PACKED.index.parts[:-16]),
    ],
    ids=["nothing", "blocks", "switches", "parts"],
)
def test_an_index_must_fit_its_manifest(index: Index) -> None:
    """Rows, blocks and switches are as many as the pointer says, or there is no snapshot."""
    with pytest.raises(SnapshotGone):
        unpack(PACKED.manifest, encode_index(index), PACKED.payloads)


def test_blocks_are_checked() -> None:
    """A block that is missing, shorter, or changed in one byte is not a block of the snapshot."""
    first = PACKED.payloads[0]
    changed = bytes([*first[:-1], first[-1] ^ 1])
    for payload in (None, b"", first[:-1], first + b"\0", changed):
        with pytest.raises(SnapshotGone):
            unpack(PACKED.manifest, encode_index(PACKED.index), [payload, *PACKED.payloads[1:]])
    with pytest.raises(SnapshotGone):
        unpack(PACKED.manifest, encode_index(PACKED.index), PACKED.payloads[:-1])


def test_blocks_know_their_ports() -> None:
    """A source without ports has blocks that say so, and one with ports has theirs as text."""
    (with_ports,) = round_trip(pack(b"switch_id,port,a\nsw1,7,5\n")).blocks
    (without,) = round_trip(pack(b"switch_id,a\nsw1,5\n")).blocks
    assert (with_ports.has_ports, with_ports.ports, without.has_ports) == (True, ["7"], False)


def test_payloads_are_arrow_batches_without_schema() -> None:
    """A block is what Arrow's own reader takes, given the schema of the index."""
    schema = pa.ipc.read_schema(pa.py_buffer(PACKED.index.schemas[0].arrow))
    batch = pa.ipc.read_record_batch(pa.py_buffer(PACKED.payloads[0]), schema)
    assert batch.schema.names[:2] == ["time_us", "port"]
    assert batch.column(0).type == pa.int64()


COLUMNS = st.one_of(
    st.tuples(st.just(pa.int32()), st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=9)),
    st.tuples(st.just(pa.int64()), st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=9)),
    st.tuples(st.just(pa.uint64()), st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=9)),
    st.tuples(st.just(pa.float64()), st.lists(st.none() | st.floats(allow_nan=False), min_size=1, max_size=9)),
    st.tuples(st.just(pa.string()), st.lists(st.none() | st.text(max_size=5), min_size=1, max_size=9)),
)


@given(COLUMNS, st.integers(0, 4), st.booleans())
@fuzz()
def test_a_cell_is_what_arrow_says(column: tuple[pa.DataType, list[object]], cut: int, stored: bool) -> None:
    """Cells of any type, missing ones too, in slices and in what was read from the store, are read exactly."""
    kind, values = column
    start = min(cut, len(values) - 1)
    times = pa.array(range(len(values)), pa.int64())
    rows = pa.record_batch([times, pa.nulls(len(values)), pa.array(values, kind)], names=["t", "p", "m"]).slice(start)
    if stored:
        rows = pa.ipc.read_record_batch(rows.serialize(), rows.schema)
    block = Block(rows, {}, {"m": 2})
    assert [block.cell(2, row) for row in range(rows.num_rows)] == values[start:]
    assert [block.cell(0, row) for row in range(rows.num_rows)] == list(range(start, len(values)))
