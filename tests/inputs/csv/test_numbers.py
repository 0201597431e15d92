"""Numbers that carry a unit, words for missing ones, and columns that changed their name."""

from __future__ import annotations

import pyarrow as pa
import pytest

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv.numbers import without_unit
from tests.lab.parsing import parse

HEADER = "node_guid,port_num,Module_Temperature,load\n"


@pytest.mark.parametrize(
    ("cell", "bare"),
    [("37C", "37"), ("37 C", "37"), ("-4.5C", "-4.5"), ("37", "37"), ("37F", "37F"), ("C", "C"), ("37CC", "37CC")],
)
def test_a_unit_is_taken_off_a_number(cell: str, bare: str) -> None:
    """A number keeps its digits and loses its unit; what is no number with that unit stays."""
    assert without_unit(pa.array([cell]), "C").to_pylist() == [bare]


def test_units_may_be_any_text() -> None:
    """A unit is text, not a pattern."""
    assert without_unit(pa.array(["5%", "6.*", "7"]), ".*").to_pylist() == ["5%", "6", "7"]


@pytest.mark.parametrize("quote", ["", '"'], ids=["fast", "careful"])
def test_temperatures_are_numbers(quote: str) -> None:
    """UFM's `37C`, `0C`, `0`, `NA`, `N/A` and nothing are numbers and missing values; `hot` is a reject."""
    cells = ["37C", "0C", "0", "NA", "N/A", "", "41.5C"]
    body = HEADER + "".join(f"{quote}a{quote},{port},{cell},1\n" for port, cell in enumerate(cells))
    parsed = parse(body.encode())
    assert [row[4].get("Module_Temperature") for row in parsed.rows] == [37, 0, 0, None, None, None, 41.5]
    assert parsed.rejects == []
    parsed = parse((body + "b,1,hot,1\nb,2,370F,1\n").encode())
    assert [(reject.line, reject.reason, reject.value) for reject in parsed.parser.rejects.examples] == [
        (9, "bad_number", "hot"),
        (10, "bad_number", "370F"),
    ]


def test_the_settings_add_units_and_missing_words() -> None:
    """A source may name units, words for missing values, and new names of columns."""
    settings = ColumnSettings(units={"v": "mV"}, missing=("-", "n.a."), rename={"old": "new"})
    parsed = parse(b"switch_id,v,old\na,12mV,-\nb,n.a.,7\nc,1 mV,8\n", settings)
    assert [row[4] for row in parsed.rows] == [{"v": 12}, {"new": 7}, {"v": 1, "new": 8}]
    assert parsed.rejects == []


@pytest.mark.parametrize(
    "name", ["Time_since_last_clear_Min", "Time_since_last_clear__Min_", "Time_since_last_clear_[Min]"]
)
def test_a_column_renamed_between_versions_keeps_its_name(name: str) -> None:
    """The spellings of one UFM column in several versions are one metric."""
    parsed = parse(f"node_guid,port_num,{name}\na,1,40312\n".encode())
    assert parsed.rows[0][4] == {"Time_since_last_clear_Min": 40312}


def test_a_column_is_not_renamed_onto_another() -> None:
    """Where both spellings are in one header both stay."""
    parsed = parse(b"node_guid,port_num,a_[Min],a_Min\nx,1,5,6\n")
    assert parsed.rows[0][4] == {"a_[Min]": 5, "a_Min": 6}


def test_two_spellings_of_one_column_keep_their_names() -> None:
    """Of columns that would get one name the second keeps its own: nothing is lost."""
    parsed = parse(b"node_guid,port_num,a_[Min],a__Min_\nx,1,5,7.5\n")
    assert parsed.rows[0][4] == {"a_Min": 5, "a__Min_": 7.5}
