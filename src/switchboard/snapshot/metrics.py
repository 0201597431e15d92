"""What the columns of a snapshot are: names, roles and, of metrics, kind, unit and meaning."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What the numbers of a metric do."""

    COUNTER = "counter"  # they only grow, until a reset begins them anew
    GAUGE = "gauge"  # they go up and down
    STATE = "state"  # each is a code, an address or a flag: sums and averages mean nothing
    UNKNOWN = "unknown"  # nobody has said; it is never guessed


class MetricInfo(msgspec.Struct, frozen=True, array_like=True):
    """What is known about a metric."""

    kind: Kind = Kind.UNKNOWN
    unit: str | None = None
    """A code of UCUM; None where it is not certain."""
    help: str = ""
    """The meaning, as one short sentence; empty where it is not known."""


class Role(StrEnum):
    """What a column of a source is to Switchboard."""

    SWITCH = "switch"
    PORT = "port"
    TIME = "time"
    LABEL = "label"  # text
    METRIC = "metric"  # numbers
    EMPTY = "empty"  # no cell of the body had a value, so that it cannot be told


class Column(msgspec.Struct, frozen=True, array_like=True):
    """A column of the body from which a snapshot was made."""

    name: str
    """The name under which it is kept."""
    original: str
    """The name that the source gives it."""
    role: Role
    info: MetricInfo = MetricInfo()
    """Of a metric, or of a column that is empty; nothing is known of others."""
