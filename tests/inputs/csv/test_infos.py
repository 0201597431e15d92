"""What is known about the columns of a body: by the settings, else by its dialect, else by the name."""

from __future__ import annotations

import pytest

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv import dialects
from switchboard.snapshot.metrics import Column, Kind, MetricInfo, Role
from tests.lab.parsing import parse


def columns(body: bytes, settings: ColumnSettings | None = None) -> dict[str, Column]:
    """The columns of a body by their original names."""
    parsed = parse(body, settings)
    assert parsed.error is None
    return {column.original: column for column in parsed.parser.columns}


def test_columns_stand_in_the_order_of_the_body_with_their_roles() -> None:
    """Keys, labels and metrics are told apart, a column without any value is empty, and excluded ones are left out."""
    body = b"tag,timestamp,node_guid,port_num,node_description,PortXmitData,gone,nothing\nx,1795460000,0x1,1,h,5,6,\n"
    found = columns(body, ColumnSettings(exclude=("gone",)))
    assert {name: column.role for name, column in found.items()} == {
        "tag": Role.LABEL,
        "timestamp": Role.TIME,
        "node_guid": Role.SWITCH,
        "port_num": Role.PORT,
        "node_description": Role.LABEL,
        "PortXmitData": Role.METRIC,
        "nothing": Role.EMPTY,
    }
    assert list(found) == ["tag", "timestamp", "node_guid", "port_num", "node_description", "PortXmitData", "nothing"]
    assert found["PortXmitData"].info.kind is Kind.COUNTER
    assert found["PortXmitData"].info.unit == "4.By"


def test_settings_go_before_the_dialect() -> None:
    """Kinds and units of the settings count, and the meaning of the dialect stays."""
    settings = ColumnSettings(
        counters=("mine", "latency_ms"), gauges=("packet_errors",), units={"mine": "By", "heat": "C", "latency_ms": "s"}
    )
    found = columns(b"switch_id,mine,heat,latency_ms,packet_errors,other\nsw1,1,37C,2.5,3,4\n", settings)
    assert found["mine"].info == MetricInfo(Kind.COUNTER, "By", "")
    assert found["heat"].info == MetricInfo(Kind.UNKNOWN, "Cel", "")
    assert found["latency_ms"].info == MetricInfo(Kind.COUNTER, "s", "Latency.")
    assert found["packet_errors"].info.kind is Kind.GAUGE
    assert found["other"].info == MetricInfo()


def test_a_renamed_column_is_known_by_both_names() -> None:
    """The settings name it as the header does; the table knows it under the name that is kept."""
    found = columns(
        b"switch_id,errs,Time\nsw1,1,2\n",
        ColumnSettings(rename={"errs": "packet_errors", "Time": "t"}, gauges=("Time",)),
    )
    assert (found["errs"].name, found["errs"].info.kind) == ("packet_errors", Kind.COUNTER)
    assert (found["Time"].name, found["Time"].info.kind) == ("t", Kind.GAUGE)


KEPT = {"Temp_[C]": "Temp_C", "errs": "errors"}
"""Names in a header of UFM, and the names under which answers show these columns."""


@pytest.mark.parametrize("place", [0, 1], ids=["header", "answers"])
def test_settings_name_a_column_as_the_header_does_or_as_answers_do(place: int) -> None:
    """Notes and rejects show the name that is kept, so what they advise works with it."""
    body = b"node_guid,port_num,Temp_[C],errs\nx,1,37 F,5\n"
    temperature, errors = (pair[place] for pair in KEPT.items())
    rename = {"errs": "errors"}
    settings = ColumnSettings(rename=rename, units={temperature: "F"}, counters=(errors,), gauges=(temperature,))
    found = columns(body, settings)
    assert found["Temp_[C]"].info == MetricInfo(Kind.GAUGE, "[degF]", "")
    assert found["errs"].info.kind is Kind.COUNTER
    (row,) = parse(body, settings).rows
    assert row[4] == {"Temp_C": 37, "errors": 5}
    (row,) = parse(body, ColumnSettings(rename=rename, labels=(temperature, errors))).rows
    assert row[3] == {"Temp_C": "37 F", "errors": "5"}
    (row,) = parse(body, ColumnSettings(rename=rename, exclude=(temperature, errors))).rows
    assert row[3:] == ({}, {})


def test_a_name_in_the_settings_means_the_column_that_has_it_exactly() -> None:
    """Another one that has it in other letters, or is kept under it, comes after that."""
    body = b"switch_id,a,B,b\nx,1,2,3\n"
    (row,) = parse(body, ColumnSettings(rename={"a": "c"}, labels=("b", "C"))).rows
    assert row[3:] == ({"c": "1", "b": "3"}, {"B": 2})


@pytest.mark.parametrize("changed", ["MISSING_WORDS", "_UCUM", "UNIT_TABLES", "DIALECTS"])
def test_another_table_is_another_fingerprint(changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a body which has not changed is read again after an upgrade."""
    before = dialects.fingerprint()
    assert dialects.fingerprint() == before
    monkeypatch.setattr(dialects, changed, type(getattr(dialects, changed))())
    assert dialects.fingerprint() != before
