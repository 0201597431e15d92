"""The role of each column of a CSV, told from its header.

Two dialects are known: `basic` (the generator's, and anything with a `switch_id`) and `ufm` (NVIDIA UFM Telemetry;
column names from its documentation and from the consumers that NVIDIA publishes: the columns they treat as keys and
constants are our keys and labels). Every column may be given another role by ColumnSettings. Names are matched without
regard to case where that is unambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.inputs.csv.columns_basic import BASIC_COLUMNS
from switchboard.inputs.csv.columns_ufm import UFM_COLUMNS
from switchboard.inputs.csv.header import listed
from switchboard.snapshot.metrics import Kind, MetricInfo
from switchboard.snapshot.units import UNIT_TABLES, unit_of

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

SWITCH_NAMES = tuple(name for dialect in DIALECTS for name in dialect.switch)
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
    metrics: frozenset[int]
    """Columns that are metrics by settings or dialect, whatever their cells look like."""
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


def recognise(names: list[str], settings: ColumnSettings) -> Columns:
    """Give every column its role. Raises BodyError if no column names the switch, or a configured one is missing."""
    places = _Places(names)
    wanted = {"switch": settings.switch, "port": settings.port, "timestamp": settings.timestamp}
    for role, name in wanted.items():
        if name not in ("", NO_COLUMN) and places.of(name) is None:
            raise BodyError(
                "schema",
                f"header: there is no column {name!r}, which the settings name as {role}; "
                f"the columns are {listed(names)}",
            )
    dialect = _dialect(places)
    switch = places.first(settings.switch, dialect.switch)
    if switch is None:
        known = ", ".join(SWITCH_NAMES)
        raise BodyError(
            "schema", f"header: no column names the switch (looked for {known}); the columns are {listed(names)}"
        )
    kept = _kept_names(names, dialect, places.by_place(settings.rename))
    both = _Places(names, kept)
    labels, metrics = _stated_kinds(dialect, settings, places, both)
    return Columns(
        dialect=dialect.name,
        names=kept,
        originals=tuple(names),
        infos=_infos(kept, names, dialect, settings, both),
        switch=switch,
        port=places.first(settings.port, dialect.port),
        timestamp=places.first(settings.timestamp, dialect.timestamp),
        labels=labels,
        metrics=metrics,
        excluded=both.all_of(settings.exclude) | {at for at, name in enumerate(names) if not name},
        guids=places.all_of(dialect.guids),
        units=both.by_place({**dialect.units, **settings.units}),
        missing=(*MISSING_WORDS, *settings.missing),
    )


def _stated_kinds(
    dialect: Dialect, settings: ColumnSettings, places: _Places, both: _Places
) -> tuple[frozenset[int], frozenset[int]]:
    """The columns that are labels, and those that are metrics, by settings or dialect; the settings go first."""
    metrics = both.all_of((*settings.metrics, *settings.counters, *settings.gauges, *settings.units))
    labels = (places.all_of(dialect.labels) - metrics) | both.all_of(settings.labels)
    return labels, (metrics | both.all_of(dialect.metrics)) - labels


class _Places:
    """Where names stand in a header: as they are written, else without regard to case, if only one stands for it.

    With ``kept``, the names under which the columns are kept, a column has two names: answers show the one, the source
    the other, and people write either.
    """

    def __init__(self, names: Sequence[str], kept: Sequence[str] = ()) -> None:
        self._exact: dict[str, int] = {}
        for all_names in (names, kept):
            for at, name in enumerate(all_names):
                self._exact.setdefault(name, at)
        self._folded: dict[str, int | None] = {}
        for at, both in enumerate(zip(names, kept or names, strict=True)):
            for folded in {fold(name) for name in both}:
                self._folded[folded] = None if folded in self._folded else at

    def of(self, name: str, *, exact: bool = False) -> int | None:
        """The position of a column; None if there is none, or several that differ in case."""
        at = self._exact.get(name)
        return self._folded.get(fold(name)) if at is None and not exact else at

    def first(self, configured: str, candidates: Iterable[str]) -> int | None:
        """The position of the configured column, or of the first candidate that is there."""
        if configured == NO_COLUMN:
            return None
        places = map(self.of, (configured,) if configured else candidates)
        return next((at for at in places if at is not None), None)

    def all_of(self, names: Iterable[str]) -> frozenset[int]:
        """The positions of those names that are there."""
        return frozenset(at for name in names if (at := self.of(name)) is not None)

    def by_place(self, values: Mapping[str, str]) -> dict[int, str]:
        """The values of those names that are there, by position."""
        return {at: value for name, value in values.items() if (at := self.of(name)) is not None}


def fold(name: str) -> str:
    """A name without regard to case. Only of ASCII: other letters that look alike are different ones."""
    return name.lower() if name.isascii() else name


def _dialect(places: _Places) -> Dialect:
    for exact in (True, False):
        for known in DIALECTS:
            if any(places.of(name, exact=exact) is not None for name in known.switch):
                return known
    return CUSTOM


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


def _infos(
    kept_names: tuple[str, ...], names: list[str], dialect: Dialect, settings: ColumnSettings, both: _Places
) -> tuple[MetricInfo, ...]:
    """What is known about metrics: by the settings, else by the dialect; the unit also by the name."""
    counters, gauges = both.all_of(settings.counters), both.all_of(settings.gauges)
    units = both.by_place(settings.units)
    infos = []
    for at, (kept, original) in enumerate(zip(kept_names, names, strict=True)):
        known = dialect.metrics.get(kept) or dialect.metrics.get(original) or MetricInfo()
        kind = Kind.COUNTER if at in counters else Kind.GAUGE if at in gauges else known.kind
        stated = units.get(at)
        unit = _UCUM.get(stated, stated) if stated else known.unit or unit_of(kept)
        infos.append(MetricInfo(kind, unit, known.help))
    return tuple(infos)


def _kept_names(names: list[str], dialect: Dialect, renamed: Mapping[int, str]) -> tuple[str, ...]:
    """The names under which columns are kept: as the settings or the dialect rename them, unless a name is taken."""
    taken, kept_names = set(names), []
    for at, name in enumerate(names):
        kept = renamed.get(at, "")
        if not kept and dialect.renamed and (match := dialect.renamed.fullmatch(name)):
            kept = "_".join(filter(None, match.groups()))
        if not kept or kept in taken:
            kept = name
        taken.add(kept)
        kept_names.append(kept)
    return tuple(kept_names)
