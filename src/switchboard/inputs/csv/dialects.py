"""The role of each column of a CSV, told from its header.

Two dialects are known: `basic` (the generator's, and anything with a `switch_id`) and `ufm` (NVIDIA UFM Telemetry;
column names from its documentation and from the consumers that NVIDIA publishes: the columns they treat as keys and
constants are our keys and labels). Every column may be given another role by ColumnSettings.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.inputs.csv.columns_basic import BASIC_COLUMNS
from switchboard.inputs.csv.columns_ufm import UFM_COLUMNS
from switchboard.snapshot.metrics import Kind, MetricInfo
from switchboard.snapshot.units import UNIT_TABLES, unit_of

BOM = b"\xef\xbb\xbf"
"""A UTF-8 byte order mark: allowed once, at the very beginning of a body."""
MISSING_WORDS = ("", "NA", "N/A")
"""Cells that say «there is no value» everywhere; the words are NVIDIA UFM's."""
NO_COLUMN = "-"
"""In ColumnSettings: there is no such column, whatever the header says."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Names by which a dialect knows its columns, the preferred one first."""

    name: str
    switch: tuple[str, ...]
    port: tuple[str, ...]
    timestamp: tuple[str, ...]
    labels: frozenset[str] = frozenset()
    guids: frozenset[str] = frozenset()
    """Columns of GUIDs, which are folded to one spelling."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Columns whose numbers carry a unit, as in ``37C``."""
    renamed: re.Pattern[str] | None = None
    """Matches a name that several versions spell differently. Its groups, joined with ``_``, are the name that is kept:
    `A_[B]` → `A_B`."""
    metrics: Mapping[str, MetricInfo] = field(default_factory=dict)
    """What is known about metrics, by the name that is kept."""


DIALECTS = (
    Dialect("basic", switch=("switch_id",), port=("port",), timestamp=("timestamp",), metrics=BASIC_COLUMNS),
    Dialect(
        "ufm",
        switch=("node_guid", "Node_GUID"),
        port=("port_num", "Port_Number", "Port"),
        timestamp=("timestamp",),
        labels=frozenset(
            "source_id tag port_guid sys_image_guid aport node_description m_label port_label status_message "
            "Status_Message Device_ID device_id mvcr_sensor_name mtmp_sensor_name switch_serial_number "
            "switch_part_number port_type link_partner_description link_partner_node_guid link_partner_port_num "
            "FW_Version Cable_PN Cable_SN cable_type cable_vendor cable_identifier vendor_rev cable_fw_version "
            "Phy_Manager_State phy_state logical_state Link_speed_active Link_width_active Active_FEC "
            "local_reason_opcode remote_reason_opcode down_blame".split()
        ),
        guids=frozenset("node_guid Node_GUID source_id port_guid sys_image_guid aport link_partner_node_guid".split()),
        units=dict.fromkeys(("Module_Temperature", "Temperature", "Chip_Temp", "dev_temperature"), "C"),
        # Time_since_last_clear_[Min], …__Min_ and …_Min are one column.
        renamed=re.compile(r"(\w+?)_(?:\[(\w+)\]|_(\w+)_)"),
        metrics=UFM_COLUMNS,
    ),
)

CUSTOM = Dialect("custom", switch=(), port=("port",), timestamp=("timestamp",))
"""A header of neither dialect, readable because the settings say which column names the switch."""


_UCUM = {"C": "Cel", "F": "[degF]"}
"""The UCUM code for units that people write otherwise."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one body; ``switch``, ``port`` and ``timestamp`` are positions in ``names``."""

    dialect: str
    names: tuple[str, ...]
    """The names under which the columns are kept."""
    originals: tuple[str, ...]
    """The names in the header."""
    switch: int
    port: int | None
    timestamp: int | None
    labels: frozenset[int]
    excluded: frozenset[int]
    guids: frozenset[int]
    units: Mapping[int, str]
    missing: tuple[str, ...]
    """Cells that say «there is no value» in a metric."""
    infos: tuple[MetricInfo, ...]
    """What is known about each column, if it is a metric."""

    @property
    def others(self) -> list[int]:
        """Positions of all columns that are neither key nor excluded, in the order of the header."""
        keys = {self.switch, self.port, self.timestamp} | self.excluded
        return [at for at in range(len(self.names)) if at not in keys]


def read_header(line: bytes) -> list[str]:
    """Split the first line of a body into column names. Raises BodyError if it is not a header."""
    text = line.removeprefix(BOM).removesuffix(b"\r")
    if text.lstrip()[:1] == b"<":
        raise BodyError("html", f"the body is markup, not CSV: {_shown(text)}")
    if b"\r" in text:
        raise BodyError("lone_cr", f"header: a carriage return without a line feed: {_shown(text)}")
    try:
        names = next(csv.reader([text.decode("utf-8")], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise BodyError("schema", f"header: it cannot be read ({error}): {_shown(text)}") from error
    for name in names:
        if any(character < " " or character == "\x7f" for character in name):
            raise BodyError("schema", f"header: column name {name!r} has a control character")
    for name, times in Counter(names).items():
        if name and times > 1:
            raise BodyError("schema", f"header: column {name!r} is there {times} times")
    return names


def recognise(names: list[str], settings: ColumnSettings) -> Columns:
    """Give every column its role. Raises BodyError if no column names the switch, or a configured one is missing."""
    wanted = {"switch": settings.switch, "port": settings.port, "timestamp": settings.timestamp}
    for role, name in wanted.items():
        if name not in ("", NO_COLUMN) and name not in names:
            raise BodyError("schema", f"header: there is no column {name!r}, which the settings name as {role}")
    dialect = next((known for known in DIALECTS if any(name in names for name in known.switch)), CUSTOM)
    switch = _find(names, settings.switch, dialect.switch)
    if switch is None:
        known = ", ".join(name for each in DIALECTS for name in each.switch)
        raise BodyError(
            "schema", f"header: no column names the switch (looked for {known}); the columns are {_list(names)}"
        )
    labels = dialect.labels | set(settings.labels)
    units = {**dialect.units, **settings.units}
    kept = _kept_names(names, dialect, settings)
    return Columns(
        dialect=dialect.name,
        names=kept,
        originals=tuple(names),
        infos=tuple(_info(name, original, dialect, settings) for name, original in zip(kept, names, strict=True)),
        switch=switch,
        port=_find(names, settings.port, dialect.port),
        timestamp=_find(names, settings.timestamp, dialect.timestamp),
        labels=frozenset(at for at, name in enumerate(names) if name in labels),
        excluded=frozenset(at for at, name in enumerate(names) if not name or name in settings.exclude),
        guids=frozenset(at for at, name in enumerate(names) if name in dialect.guids),
        units={at: units[name] for at, name in enumerate(names) if name in units},
        missing=(*MISSING_WORDS, *settings.missing),
    )


def fingerprint() -> bytes:
    """A hash of what is known of columns before a header is read; if it changes, an unchanged body is read again."""
    known = [
        (
            (
                dialect.name,
                dialect.switch,
                dialect.port,
                dialect.timestamp,
                dialect.renamed and dialect.renamed.pattern,
            ),
            (sorted(dialect.labels), sorted(dialect.guids), sorted(dialect.units.items()), dict(dialect.metrics)),
        )
        for dialect in (*DIALECTS, CUSTOM)
    ]
    return blake2b(repr((known, MISSING_WORDS, _UCUM, UNIT_TABLES)).encode(), digest_size=8).digest()


def _info(kept: str, original: str, dialect: Dialect, settings: ColumnSettings) -> MetricInfo:
    """What is known about a metric: by the settings, else by the dialect; the unit also by the name."""
    known = dialect.metrics.get(kept) or dialect.metrics.get(original) or MetricInfo()
    kind = known.kind
    if original in settings.counters:
        kind = Kind.COUNTER
    elif original in settings.gauges:
        kind = Kind.GAUGE
    stated = settings.units.get(original)
    unit = _UCUM.get(stated, stated) if stated else known.unit or unit_of(kept)
    return MetricInfo(kind, unit, known.help)


def _kept_names(names: list[str], dialect: Dialect, settings: ColumnSettings) -> tuple[str, ...]:
    """The names under which columns are kept: as the settings or the dialect rename them, unless a name is taken."""
    taken, kept_names = set(names), []
    for name in names:
        kept = settings.rename.get(name, "")
        if not kept and dialect.renamed and (match := dialect.renamed.fullmatch(name)):
            kept = "_".join(filter(None, match.groups()))
        if not kept or kept in taken:
            kept = name
        taken.add(kept)
        kept_names.append(kept)
    return tuple(kept_names)


def _find(names: list[str], configured: str, candidates: tuple[str, ...]) -> int | None:
    if configured == NO_COLUMN:
        return None
    if configured:
        return names.index(configured)
    return next((names.index(name) for name in candidates if name in names), None)


def _list(names: list[str]) -> str:
    shown = ",".join(names[:8]) + (",…" if len(names) > 8 else "")
    return _shown(shown.encode())


def _shown(text: bytes) -> str:
    return repr(text[:80].decode("utf-8", "replace"))
