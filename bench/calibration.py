"""How fast this machine reads CSV: figures of two machines can be compared by it.

pyarrow's own reader parses 42 MB of UFM's secondary set, which lie in memory, in one thread. It gives each column the
type that the ETL gives it. None of our code runs meanwhile, so the figure depends on the machine and on pyarrow alone.
"""

from __future__ import annotations

import statistics
import time

import pyarrow as pa
import pyarrow.csv

from bench.fabric import FIRST_SLOT, body_of, settings_of, slot_of
from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv.dialects import Columns, recognise
from switchboard.inputs.csv.header import read_header
from switchboard.inputs.csv.latin1 import decode_cell
from switchboard.inputs.csv.parser import CsvParser

PORTS, COUNTERS = 22_300, 195
ROUNDS = 5
BLOCK_BYTES = 1 << 20
VALUES_PER_SECOND = 22_000_000
"""At calibration 1."""


def calibration() -> float:
    """Speed of this machine: values per second of pyarrow's reader, as a multiple of 22 million.

    Bars given in milliseconds hold at calibration 1 and scale with it: at 0.5, an answer may take twice as long.
    """
    settings = settings_of(PORTS, COUNTERS)
    body = _utf8(body_of(settings, FIRST_SLOT).read_bytes())
    types, values = _types(body, now_us=(slot_of(settings, FIRST_SLOT) + 1) * round(settings.hold * 1_000_000))
    seconds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        _read(body, types)
        seconds.append(time.perf_counter() - begun)
    return values / statistics.median(seconds) / VALUES_PER_SECOND


def _utf8(body: bytes) -> bytes:
    """The body with all lines in UTF-8: some cables have ISO-8859-1 in their labels, which pyarrow refuses."""
    return b"".join(decode_cell(line).encode() for line in body.splitlines(keepends=True))


def _types(body: bytes, now_us: int) -> tuple[dict[str, pa.DataType], int]:
    """The type in which the ETL reads each column, by its name in the header, and the number of values in the body."""
    columns = _columns(body)
    parser = CsvParser(ColumnSettings(), now_us)
    batches = [*parser.feed(body), *parser.finish()]
    kept = batches[-1].rows.schema  # of the last batch, because types widen while a body is read
    types = {}
    for at, (name, original) in enumerate(zip(columns.names, columns.originals, strict=True)):
        if at == columns.timestamp:
            types[original] = pa.int64()
        elif name in kept.names and at not in columns.units and at not in {columns.switch, columns.port}:
            types[original] = kept.field(name).type
        else:
            types[original] = pa.string()  # keys, empty columns, and numbers with a unit
    return types, parser.values


def _read(body: bytes, types: dict[str, pa.DataType]) -> None:
    """Read all of a body, one block after the other, with the options that the ETL uses."""
    reader = pyarrow.csv.open_csv(
        pa.BufferReader(body),
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(quote_char=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types, null_values=list(_columns(body).missing), strings_can_be_null=False
        ),
    )
    for _ in reader:
        pass


def _columns(body: bytes) -> Columns:
    return recognise(read_header(body.partition(b"\n")[0]).names, ColumnSettings())
