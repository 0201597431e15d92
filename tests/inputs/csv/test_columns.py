"""Tables of what the columns of a CSV are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from switchboard.config.settings import GeneratorSettings
from switchboard.config.sources import ColumnSettings
from switchboard.generator.fabric import build_fabric
from switchboard.generator.ufm.columns import Label, SetName, columns_of
from switchboard.generator.ufm.counters import Counter as SimulatedCounter
from switchboard.inputs.csv import columns_ufm
from switchboard.inputs.csv.columns_basic import BASIC_COLUMNS
from switchboard.inputs.csv.columns_ufm import TEXT_OR_NUMBER, UFM_COLUMNS
from switchboard.inputs.csv.dialects import DIALECTS, recognise
from switchboard.inputs.csv.header import read_header
from switchboard.snapshot.metrics import Kind, MetricInfo
from switchboard.snapshot.units import unit_of

DATA = Path(__file__).parents[2] / "data"
"""The samples."""
TABLES: Mapping[str, Mapping[str, MetricInfo]] = {"basic": BASIC_COLUMNS, "ufm": UFM_COLUMNS}
"""By dialect."""
ROWS = [(name, info) for table in TABLES.values() for name, info in table.items()]
MAY_BE_CODES = frozenset(
    "Phy_Manager_State phy_state logical_state Link_speed_active Link_width_active Active_FEC local_reason_opcode "
    "remote_reason_opcode down_blame cable_type cable_identifier cable_vendor port_type".split()
)
"""Labels that arrive as a word or as a number."""
WITHOUT_UNIT = (
    "Time_since_last_clear_Min",
    "Infiniband_MBOut_u_Gb",
    "Infiniband_MBIn_u_Gb",
    "Chip_Temp",
    "Module_Voltage",
    "rx_power_lane_0",
)
"""What `unit_of` leaves out on purpose."""


def metrics_of(header: bytes) -> tuple[str, list[str]]:
    """The dialect of a header, and the names under which its metrics are kept."""
    columns = recognise(read_header(header).names, ColumnSettings())
    return columns.dialect, [columns.names[at] for at in columns.others if at not in columns.labels]


@pytest.mark.parametrize("sample", ["basic", "ufm_primary", "ufm_secondary"])
def test_every_metric_of_a_sample_has_a_row(sample: str) -> None:
    """Keys and labels have none; all other columns have."""
    dialect, metrics = metrics_of((DATA / f"{sample}.csv").read_bytes().partition(b"\n")[0].rstrip(b"\r"))
    assert metrics
    assert [name for name in metrics if name not in TABLES[dialect]] == []


def test_every_metric_of_the_basic_generator_has_a_row() -> None:
    """By default; and the table agrees with what the generator simulates as a counter."""
    metrics = build_fabric(GeneratorSettings()).metrics
    assert {metric.name: metric.is_counter for metric in metrics} == {
        name: info.kind is Kind.COUNTER for name, info in BASIC_COLUMNS.items()
    }


@pytest.mark.parametrize(("chosen", "count"), [("primary", 30), ("secondary", 120)])
def test_every_metric_of_the_ufm_generator_has_a_row(chosen: SetName, count: int) -> None:
    """With the usual number of columns."""
    names = [column.name for column in columns_of(chosen, count) if not isinstance(column, Label)]
    assert [name for name in names if name not in UFM_COLUMNS] == []


@pytest.mark.parametrize("chosen", ["primary", "secondary"])
def test_of_the_generators_inventions_only_bins_have_no_row(chosen: SetName) -> None:
    """Asked for very many columns, it goes on with histogram bins that PPCNT does not have."""
    names = [column.name for column in columns_of(chosen, 400) if not isinstance(column, Label)]
    missing = {name for name in names if name not in UFM_COLUMNS}
    bins = {int(found[1]) for name in missing if (found := re.fullmatch(r"hist(\d+)", name))}
    assert len(bins) == len(missing)
    assert min(bins) == 16


@pytest.mark.parametrize("chosen", ["primary", "secondary"])
def test_what_the_generator_counts_is_a_counter(chosen: SetName) -> None:
    """The generator's class Counter and the table agree."""
    counted = [column.name for column in columns_of(chosen, 150) if isinstance(column, SimulatedCounter)]
    assert {UFM_COLUMNS[name].kind for name in counted} == {Kind.COUNTER}


@pytest.mark.parametrize("name", ["Time_since_last_clear_[Min]", "Time_since_last_clear__Min_"])
def test_a_spelling_of_another_version_has_the_row_of_the_kept_name(name: str) -> None:
    """The dialect renames it before the table is asked."""
    assert metrics_of(f"Node_GUID,{name}".encode()) == ("ufm", ["Time_since_last_clear_Min"])
    assert name not in UFM_COLUMNS


def test_rows_have_the_unit_that_the_name_says() -> None:
    """Where `unit_of` says nothing, a row may know more."""
    known = {name: (info.unit, unit_of(name)) for name, info in ROWS if unit_of(name) is not None}
    assert {name: units for name, units in known.items() if units[0] != units[1]} == {}
    assert len(known) > 50


@pytest.mark.parametrize("name", WITHOUT_UNIT)
def test_what_is_left_out_on_purpose_has_no_unit(name: str) -> None:
    """A unit that may be wrong is worse than none."""
    assert unit_of(name) is None
    assert UFM_COLUMNS[name].unit is None


@pytest.mark.parametrize("prefix", ["rx_power", "tx_power", "tx_bias", "snr_media", "snr_host"])
def test_no_lane_of_a_module_has_a_unit(prefix: str) -> None:
    """What holds for lane 0 holds for its neighbours, and UFM documents no unit for any of them."""
    assert {UFM_COLUMNS[f"{prefix}_lane_{lane}"].unit for lane in range(8)} == {None}


@pytest.mark.parametrize(("name", "info"), ROWS)
def test_help_is_one_short_sentence(name: str, info: MetricInfo) -> None:
    """At most 100 characters, beginning with a capital or a digit, one full stop at the end."""
    text = info.help
    assert 0 < len(text) <= 100, name
    assert text.endswith(".")
    assert not re.search(r"[.!?]\s", text)
    assert not text[:-1].endswith((".", " ", ","))
    assert text[0].isupper() or text[0].isdigit()
    assert text == " ".join(text.split())


def test_labels_have_rows_only_if_they_may_be_codes() -> None:
    """A text column has no row, unless it is declared as text or number; then it is a state."""
    ufm = next(dialect for dialect in DIALECTS if dialect.name == "ufm")
    assert ufm.labels & UFM_COLUMNS.keys() == TEXT_OR_NUMBER.keys() == MAY_BE_CODES
    assert {info.kind for info in TEXT_OR_NUMBER.values()} == {Kind.STATE}
    for dialect in DIALECTS:
        keys = {*dialect.switch, *dialect.port, *dialect.timestamp}
        assert not keys & TABLES[dialect.name].keys()


def test_no_column_has_two_rows() -> None:
    """The parts of the table are joined without a word when they overlap, so they must not."""
    times = Counter(name for part in columns_ufm._PARTS for name in part)
    assert {name for name, count in times.items() if count > 1} == set()
    assert len(times) == len(UFM_COLUMNS)


def test_a_wide_counter_is_what_the_narrow_one_is() -> None:
    """`PortXmitDataExtended` and `PortXmitData` differ in their width only."""
    wide = {name: info for name, info in UFM_COLUMNS.items() if name.endswith("Extended")}
    assert len(wide) > 20
    assert all(UFM_COLUMNS[name.removesuffix("Extended")] == info for name, info in wide.items())


def test_kinds_and_units_fit_together() -> None:
    """A code has no unit, and a share or a temperature does not only grow."""
    assert {name for name, info in ROWS if info.kind is Kind.STATE and info.unit is not None} == set()
    ups_and_downs = {"%", "1", "Cel", "Gbit/s", "Mbit/s", "ms"}
    assert {name for name, info in ROWS if info.unit in ups_and_downs and info.kind is not Kind.GAUGE} == set()
