"""The layout of a set: its columns, grouped so that they can be made quickly, and put into rows."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.generator.ufm.cells import Cells, Total
from switchboard.generator.ufm.columns import KEYS, Label, Number, SetName, columns_of
from switchboard.generator.ufm.counters import Counter, group_counters
from switchboard.generator.ufm.gauges import Gauge, group_gauges
from switchboard.generator.ufm.labels import head, port_number
from switchboard.generator.ufm.ports import Ports


class _Group(Protocol):
    """Columns that are made in one go."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def cells(self, ports: Ports) -> Cells: ...


class _Single(NamedTuple):
    """A group of one column, which is made by itself."""

    names: tuple[str, ...]
    column: Number

    def cells(self, ports: Ports) -> Cells:
        return self.column.make(ports)


class Layout:
    """All columns of one set."""

    def __init__(self, chosen: SetName, counters: int) -> None:
        columns = columns_of(chosen, counters)
        self.names = (*KEYS[chosen], *(column.name for column in columns))
        self._labels = [column for column in columns if isinstance(column, Label)]
        self._groups: list[_Group] = [
            *group_counters([column for column in columns if isinstance(column, Counter)]),
            *group_gauges([column for column in columns if isinstance(column, Gauge)]),
            *(_Single((column.name,), column) for column in columns if isinstance(column, Number)),
        ]
        self._order = [column.name for column in columns]

    @property
    def header(self) -> bytes:
        """The first line."""
        return (",".join(self.names) + "\n").encode("latin-1")

    def lines(self, ports: Ports) -> pa.Buffer:
        """The rows as CSV in ISO-8859-1, whole lines. The buffer is the caller's."""
        texts = {label.name: label.make(ports) for label in self._labels}
        for group in self._groups:
            texts.update(zip(group.names, group.cells(ports).texts(), strict=True))
        columns = [head(ports), port_number(ports), *(texts[name] for name in self._order)]
        columns[-1] = pc.binary_join_element_wise(columns[-1], "", "\n", null_handling="replace")
        lines = pc.binary_join_element_wise(*columns, ",", null_handling="replace")
        # The text of a string array lies in one piece: joined rows are a body already.
        _, ends, text = lines.buffers()
        return text.slice(0, int(np.frombuffer(ends, np.int32, len(lines) + 1)[-1]))

    def totals(self, ports: Ports) -> dict[str, Total]:
        """The total of each numeric column over these rows."""
        return {
            name: total
            for group in self._groups
            for name, total in zip(group.names, group.cells(ports).totals(), strict=True)
        }
