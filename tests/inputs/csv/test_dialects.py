"""Which column is what: told from the header, or by the settings."""

from __future__ import annotations

import pytest

from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.inputs.csv.dialects import DIALECTS, recognise
from switchboard.inputs.csv.header import read_header
from tests.lab.parsing import parse

BASIC = "timestamp,switch_id,bandwidth_mbps,latency_ms,packet_errors".split(",")
UFM = "timestamp,source_id,tag,node_guid,port_guid,port_num,node_description,PortXmitWait".split(",")


def test_basic() -> None:
    """A header with `switch_id` is the basic dialect: time, switch, and metrics."""
    columns = recognise(BASIC, ColumnSettings())
    assert (columns.dialect, columns.timestamp, columns.switch, columns.port) == ("basic", 0, 1, None)
    assert columns.others == [2, 3, 4]
    assert columns.labels == frozenset()


def test_ufm() -> None:
    """A header with `node_guid` is NVIDIA UFM's: switch and port by GUID and number, constants as labels."""
    columns = recognise(UFM, ColumnSettings())
    assert (columns.dialect, columns.timestamp, columns.switch, columns.port) == ("ufm", 0, 3, 5)
    assert {columns.names[at] for at in columns.labels} == {"source_id", "tag", "port_guid", "node_description"}


@pytest.mark.parametrize(
    ("header", "switch", "port"),
    [
        (["Node_GUID", "Port_Number", "a"], 0, 1),
        (["Port", "Node_GUID"], 1, 0),
        (["Node_GUID", "node_guid", "Port", "port_num"], 1, 3),
    ],
    ids=["secondary", "short", "preferred names first"],
)
def test_ufm_spellings(header: list[str], switch: int, port: int) -> None:
    """UFM's sets spell their keys in several ways; of two, the one its documentation prefers is the key."""
    columns = recognise(header, ColumnSettings())
    assert (columns.switch, columns.port) == (switch, port)


def test_dialects_know_switches_by_names_of_their_own() -> None:
    """A header with a name of two dialects would be read as the first of them, so that the second is never found."""
    names = [name for dialect in DIALECTS for name in dialect.switch]
    assert sorted(names) == sorted(set(names))


def test_settings_give_roles() -> None:
    """Every role can be given to another column; what had it before is an ordinary column then."""
    settings = ColumnSettings(
        switch="device", port="ifname", timestamp="when", labels=("speed",), exclude=("noise", "absent")
    )
    columns = recognise(["when", "timestamp", "device", "switch_id", "ifname", "port", "speed", "noise", "a"], settings)
    assert (columns.timestamp, columns.switch, columns.port) == (0, 2, 4)
    assert [columns.names[at] for at in columns.others] == ["timestamp", "switch_id", "port", "speed", "a"]
    assert columns.labels == {6}


def test_settings_take_roles_away() -> None:
    """`-` says that there is no such column, whatever the header says."""
    columns = recognise(["timestamp", "switch_id", "port"], ColumnSettings(port="-", timestamp="-"))
    assert (columns.timestamp, columns.port, columns.others) == (None, None, [0, 2])


def test_settings_make_any_header_readable() -> None:
    """A header of no known dialect is read if the settings say which column names the switch."""
    parsed = parse(b"host,when,a,b\nx,1795460000,5,up\n", ColumnSettings(switch="host", timestamp="when"))
    assert parsed.parser.dialect == "custom"
    assert parsed.rows == [("x", 1_795_460_000_000_000, None, {"b": "up"}, {"a": 5})]


def test_labels_and_exclusions_reach_the_rows() -> None:
    """A column of numbers can be kept as text, and one that is not wanted is not kept at all."""
    parsed = parse(b"switch_id,slot,a,b\nsw1,007,5,6\n", ColumnSettings(labels=("slot",), exclude=("b",)))
    assert [(notes, metrics) for *_, notes, metrics in parsed.rows] == [({"slot": "007"}, {"a": 5})]


def test_columns_without_a_name_are_left_out() -> None:
    """A comma too many at the end of every line does no harm, nor do several."""
    parsed = parse(b"switch_id,,a,\nsw1,x,5,\nsw2,,6,\n")
    assert [metrics for *_, metrics in parsed.rows] == [{"a": 5}, {"a": 6}]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (ColumnSettings(switch="device"), ["device", "switch"]),
        (ColumnSettings(port="ifname"), ["ifname", "port"]),
        (ColumnSettings(timestamp="when"), ["when", "timestamp"]),
        (ColumnSettings(switch="-"), ["switch_id", "node_guid"]),
    ],
)
def test_a_configured_column_that_is_missing_is_named(settings: ColumnSettings, words: list[str]) -> None:
    """The sentence names the column, and for which role it was wanted."""
    with pytest.raises(BodyError, match="header") as raised:
        recognise(BASIC, settings)
    assert raised.value.reason == "schema"
    assert all(word in str(raised.value) for word in words)


def test_header_cells_may_be_quoted() -> None:
    """Names follow the same rules of quoting as cells; a byte order mark and CRLF are no part of them."""
    assert read_header(b'\xef\xbb\xbf"switch_id","a,b","c ""d"""\r').names == ["switch_id", "a,b", 'c "d"']
