"""What is known of one body while it is parsed, and what its columns hold: shared by the fast and the careful way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import pyarrow as pa

from switchboard.inputs.csv.dialects import Columns
from switchboard.inputs.csv.latin1 import decode_cell
from switchboard.inputs.csv.layout import COMMAS, Layout
from switchboard.inputs.rejects import Rejects
from switchboard.inputs.time_columns import Int64Array
from switchboard.inputs.times import Clock
from switchboard.snapshot.arrays import IntArray
from switchboard.snapshot.block import RowBatch
from switchboard.snapshot.guid import canonical_guid, fold_guids
from switchboard.snapshot.metrics import Column, MetricInfo, Role

MOST_ID_BYTES = 128
MOST_LINE_BYTES = 64 << 10
"""Longest line, its end not counted, unless the settings say another limit."""
EXACT_DOUBLE = 2**53
"""Below it a double holds every integer; 2^53 itself might be 2^53 + 1, rounded."""

NOTHING_BEFORE: Mapping[str, Role] = MappingProxyType({})
"""There is no snapshot before this one."""


class ColumnType(Enum):
    """What a column holds, and the Arrow type in which it is read."""

    UNKNOWN = "unknown"  # no cell had text so far
    LABEL = "label"
    INT32 = "int32"  # half the size: most counters of a port are small
    INT64 = "int64"
    UINT64 = "uint64"
    DOUBLE = "double"


ARROW = {
    ColumnType.UNKNOWN: pa.string(),
    ColumnType.LABEL: pa.string(),
    ColumnType.INT32: pa.int32(),
    ColumnType.INT64: pa.int64(),
    ColumnType.UINT64: pa.uint64(),
    ColumnType.DOUBLE: pa.float64(),
}
NUMERIC = (ColumnType.INT32, ColumnType.INT64, ColumnType.UINT64, ColumnType.DOUBLE)
TYPE_OF = {ARROW[column_type]: column_type for column_type in NUMERIC}


class Context:
    """The columns of a body, the types learned so far, and where rejects go."""

    def __init__(
        self,
        columns: Columns,
        clock: Clock,
        rejects: Rejects,
        layout: Layout = COMMAS,
        *,
        before: Mapping[str, Role] = NOTHING_BEFORE,
        most_line_bytes: int = MOST_LINE_BYTES,
    ) -> None:
        """``before``: what the columns are in the current snapshot, by their names in the header."""
        self.columns = columns
        self.layout = layout
        self.clock = clock
        self.times_are_text = False
        """Whether a time so far was written as something else than an integer."""
        self.rejects = rejects
        self.most_line_bytes = most_line_bytes
        self.learned = False
        self.missing = pa.array(columns.missing)
        undecided = [at for at in columns.others if at not in columns.labels]
        self.were_metrics = {at for at in undecided if before.get(columns.originals[at]) is Role.METRIC}
        """Metrics of the current snapshot that have had no number so far in this body."""
        self.were_labels = {at for at in undecided if before.get(columns.originals[at]) is Role.LABEL}
        """Labels of the current snapshot, but for those that are labels by settings or dialect."""
        self.metrics = columns.metrics | self.were_metrics
        """Columns that are metrics, whatever their cells look like."""
        self.guessed: set[int] = set()
        """Labels that only their first cells have made labels."""
        self.unsure: set[int] = set()
        """Those of them that have said nothing so far but that they have no value."""
        self.turned: set[int] = set()
        """Metrics that are labels in the current snapshot."""
        self.first_numbers: dict[int, tuple[int, str]] = {}
        """By guessed label: line and text of the first number in it."""
        self.first_misfits: dict[int, tuple[int, str]] = {}
        """By metric: line and text of the first cell that is no number."""
        self.with_units: set[int] = set()
        """Metrics in which a number had its unit behind it so far: these are read as text first."""
        self.mixed: set[int] = set()
        """Columns whose numbers no single type holds (`mixed.py`)."""
        self.combinations: set[tuple[tuple[int, ColumnType], ...]] = set()
        """The combinations of types of odd rows so far."""
        self.types = {at: ColumnType.LABEL if at in columns.labels else ColumnType.UNKNOWN for at in columns.others}

    def switch_of(self, line: bytes) -> str:
        """The switch that a line seems to name that cannot be read as a row; empty if it has too few cells."""
        at = self.columns.switch
        cells = line.split(self.layout.separator, at + 1)
        if at >= len(cells):
            return ""
        cell = cells[at].removesuffix(b"\r")
        if self.layout.padded:
            cell = cell.strip(b" ")
        quoted = len(cell) > 1 and cell.startswith(b'"') and cell.endswith(b'"')
        return self.switch_name(decode_cell(cell[1:-1].replace(b'""', b'"') if quoted else cell))

    def switch_name(self, cell: str) -> str:
        """The name under which a switch is kept."""
        return (self.columns.switch in self.columns.guids and canonical_guid(cell)) or cell

    def described(self) -> list[Column]:
        """The columns in the order of the body; excluded ones are left out."""
        columns = self.columns
        keys = {columns.switch: Role.SWITCH, columns.port: Role.PORT, columns.timestamp: Role.TIME}
        described = []
        for at, (name, original) in enumerate(zip(columns.names, columns.originals, strict=True)):
            if at not in columns.excluded:
                role = keys.get(at) or self._role(at)
                info = columns.infos[at] if role in {Role.METRIC, Role.EMPTY} else MetricInfo()
                described.append(Column(name, original, role, info))
        return described

    def _role(self, at: int) -> Role:
        if self.types[at] is ColumnType.UNKNOWN:
            return Role.METRIC if at in self.were_metrics else Role.EMPTY
        return Role.LABEL if self.types[at] is ColumnType.LABEL else Role.METRIC


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the rows of a chunk, one entry per row in each array. ``ports`` is None if the source has none."""

    switches: pa.Array
    ports: pa.Array | None
    times_us: Int64Array
    lines: IntArray

    def take(self, rows: IntArray) -> Keys:
        """The keys of some rows."""
        places = pa.array(rows)
        ports = None if self.ports is None else self.ports.take(places)
        return Keys(self.switches.take(places), ports, self.times_us[rows], self.lines[rows])


def row_batch(context: Context, keys: Keys, others: dict[int, pa.Array]) -> RowBatch:
    """Put columns into the order of a block; columns that are not in ``others`` are left out."""
    guids = context.columns.guids
    labels = [at for at in others if context.types[at] is ColumnType.LABEL]
    metrics = [at for at in others if context.types[at] is not ColumnType.LABEL]
    arrays: Sequence[pa.Array] = [
        pa.array(keys.times_us),
        pa.nulls(len(keys.switches)) if keys.ports is None else keys.ports,
        *(fold_guids(others[at]) if at in guids else others[at] for at in labels),
        *(others[at] for at in metrics),
    ]
    names = ["time_us", "port", *(context.columns.names[at] for at in (*labels, *metrics))]
    switches = fold_guids(keys.switches) if context.columns.switch in guids else keys.switches
    return RowBatch(switches, pa.RecordBatch.from_arrays(arrays, names=names), len(labels), keys.lines)
