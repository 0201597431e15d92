"""The grammar of a CSV body once more, in plain Python, character by character: slow, and easy to check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

MISSING = ("", "NA", "N/A")
NOW_US = 1_795_460_003_500_000
YEAR_2000_US = 946_684_800_000_000


@dataclass(frozen=True)
class Spec:
    """The columns of a body: their names, and which of them, by index, are switch, port, timestamp and labels."""

    names: tuple[str, ...]
    switch: int
    port: int | None = None
    timestamp: int | None = None
    labels: frozenset[int] = frozenset()

    @property
    def metrics(self) -> list[int]:
        keys = {self.switch, self.port, self.timestamp} | self.labels
        return [at for at in range(len(self.names)) if at not in keys]


@dataclass
class Expected:
    """What a body means: rows (switch, time, port, labels, metrics) and rejects (line, column, reason, value)."""

    rows: list[tuple[str, int, str | None, dict[str, str], dict[str, float]]] = field(default_factory=list)
    rejects: list[tuple[int, str, str, str]] = field(default_factory=list)
    errors: set[str] = field(default_factory=set)


def read(body: bytes, spec: Spec) -> Expected:
    """Read a body whose first line is the header that ``spec`` describes. Times are in microseconds."""
    expected = Expected()
    for line, raw in _rows(body, expected):
        if line > 1 and raw:
            _read_row(line, raw, spec, expected)
    return expected


def number(text: str) -> float | str:
    """The number in a cell, or the reason why there is none: ``missing`` if the cell says that it is missing."""
    if text in MISSING:
        return "missing"
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return "not_finite"
    rest = text.removeprefix("-")
    whole, rest = _digits(rest)
    fraction = exponent = ""
    if whole and rest.startswith("."):
        fraction, rest = _digits(rest[1:])
        if not fraction:
            return "bad_number"
    if whole and rest[:1] in ("e", "E"):
        rest = rest[1:]
        exponent, rest = _digits(rest[1:] if rest[:1] in ("+", "-") else rest)
        if not exponent:
            return "bad_number"
    if not whole or rest:
        return "bad_number"
    if fraction or exponent:
        value = float(text)
        return value if abs(value) < float("inf") else "not_finite"
    significant = whole.lstrip("0") or "0"
    if len(significant) > 20:
        return "out_of_range"
    integer = int(significant) * (-1 if text[0] == "-" else 1)
    return integer if -(2**63) <= integer < 2**64 else "out_of_range"


def _digits(text: str) -> tuple[str, str]:
    end = 0
    while end < len(text) and text[end] in "0123456789":
        end += 1
    return text[:end], text[end:]


def _rows(body: bytes, expected: Expected) -> Iterator[tuple[int, bytes]]:
    """Rows without their line end, each with the number of its first line."""
    line, start, begins = 1, 0, 1
    quoted, cell_begins = False, True
    offset = 0
    while offset < len(body):
        byte = body[offset : offset + 1]
        if quoted:
            if body[offset : offset + 2] == b'""':
                offset += 1
            elif byte == b'"':
                quoted = False
        elif byte == b'"' and cell_begins:
            quoted = True
        line += byte == b"\n"
        cell_begins = byte in (b",", b"\n")
        if byte == b"\n" and not quoted:
            yield begins, body[start:offset].removesuffix(b"\r")
            start, begins = offset + 1, line
        offset += 1
    if quoted:
        expected.errors.add("unterminated_quote")
    elif start < len(body):
        yield begins, body[start:].removesuffix(b"\r")


def _read_row(line: int, raw: bytes, spec: Spec, expected: Expected) -> None:
    if b"\r" in raw.replace(b"\r\n", b""):
        expected.errors.add("lone_cr")
        return None

    def reject(reason: str, column: str = "", value: str = "") -> None:
        expected.rejects.append((line, column, reason, value if len(value) <= 80 else value[:79] + "…"))

    if any((byte < 0x20 and byte not in b"\r\n") or byte == 0x7F for byte in raw):
        return reject("control", value=raw.decode("utf-8", "backslashreplace"))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return reject("bad_utf8", value=raw.decode("utf-8", "backslashreplace"))
    cells = _cells(text)
    if cells is None:
        return reject("bad_quote", value=text)
    if len(cells) != len(spec.names):
        trailing = len(cells) == len(spec.names) + 1 and not cells[-1]
        return reject("trailing" if trailing else "columns", value=text)
    wrong = _wrong_key(cells, spec)
    if wrong is not None:
        reason, at = wrong
        return reject(reason, spec.names[at], cells[at])
    metrics: dict[str, float] = {}
    for at in spec.metrics:
        value = number(cells[at])
        if not isinstance(value, str):
            metrics[spec.names[at]] = value
        elif value != "missing":
            reject(value, spec.names[at], cells[at])
    expected.rows.append(
        (
            cells[spec.switch],
            NOW_US if spec.timestamp is None else _time_us(cells[spec.timestamp]) or 0,
            None if spec.port is None else cells[spec.port],
            {spec.names[at]: cells[at] for at in sorted(spec.labels)},
            metrics,
        )
    )
    return None


def _wrong_key(cells: list[str], spec: Spec) -> tuple[str, int] | None:
    switch = cells[spec.switch]
    if not switch:
        return "no_switch", spec.switch
    if len(switch.encode()) > 128:
        return "long_switch", spec.switch
    if "\n" in switch:
        return "control", spec.switch
    if spec.port is not None:
        port = cells[spec.port]
        if not port or len(port.encode()) > 128:
            return "bad_port", spec.port
        if "\n" in port:
            return "control", spec.port
    if spec.timestamp is not None:
        time = _time_us(cells[spec.timestamp])
        if time is None or time < YEAR_2000_US:
            return "bad_timestamp", spec.timestamp
        if time > NOW_US + 600_000_000:
            return "future", spec.timestamp
    return None


def _time_us(text: str) -> int | None:
    """A number of microseconds, rounded down; None for any other text."""
    whole, rest = _digits(text)
    _, end = _digits(rest.removeprefix("."))
    significant = whole.lstrip("0") or "0"
    return int(significant) if whole and not end and len(significant) <= 20 else None


def _cells(text: str) -> list[str] | None:
    """The cells of a row; None if there is a quote where none is allowed."""
    cells: list[str] = []
    rest: str | None = text
    while rest is not None:
        if rest.startswith('"'):
            cell, at = "", 1
            while rest[at : at + 1] != '"' or rest[at : at + 2] == '""':
                cell += rest[at]
                at += 2 if rest[at] == '"' else 1
            rest = rest[at + 1 :]
            if rest and rest[0] != ",":
                return None
        else:
            cell, _, _ = rest.partition(",")
            if '"' in cell:
                return None
            rest = rest[len(cell) :]
        cells.append(cell)
        rest = rest[1:] if rest else None
    return cells
